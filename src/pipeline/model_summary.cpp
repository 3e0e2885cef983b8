#include "emend/model_summary.h"

#include <ATen/ATen.h>

#include "base/strings.h"
#include "emend/error.h"
#include "text/chat_template.h"

namespace emend {
namespace {

std::int64_t size_of(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.numel() : 0;
}

std::vector<std::pair<std::string, std::int64_t>> count_parameters(const Model& model) {
  const ModelWeights& weights = model.weights();
  std::int64_t attention = 0;
  std::int64_t mlp_in = 0;
  std::int64_t mlp_down = 0;
  std::int64_t norms = size_of(weights.final_norm) + size_of(weights.final_norm_bias);
  for (const BlockWeights& block : weights.blocks) {
    attention += size_of(block.qkv) + size_of(block.qkv_bias) + size_of(block.attention_out) +
                 size_of(block.attention_out_bias);
    mlp_in += size_of(block.mlp_in) + size_of(block.mlp_in_bias);
    mlp_down += size_of(block.mlp_down) + size_of(block.mlp_down_bias);
    norms += size_of(block.attention_norm) + size_of(block.attention_norm_bias) + size_of(block.mlp_norm) +
             size_of(block.mlp_norm_bias);
  }
  const std::int64_t head = model.config().tied_head ? 0 : size_of(weights.head) + size_of(weights.head_bias);
  return {{"token embedding", size_of(weights.token_embedding)},
          {"position embedding", size_of(weights.position_embedding)},
          {"attention", attention},
          {"MLP up (keys)", mlp_in},
          {"MLP down (values)", mlp_down},
          {"norms", norms},
          {model.config().tied_head ? "head (tied)" : "head", head}};
}

std::string chat_kind(const Tokenizer& tokenizer) {
  if (tokenizer.chat_template().empty()) return "none";
  try {
    render_chat(tokenizer, "hello");
    return text::kind_of_template(tokenizer.chat_template());
  } catch (const Error& error) {
    return std::string("unusable: ") + error.what();
  }
}

TokenizerSummary summarize_tokenizer(const Tokenizer& tokenizer) {
  TokenizerSummary summary;
  summary.size = tokenizer.size();
  summary.fingerprint = tokenizer.fingerprint();
  summary.bos = tokenizer.bos();
  summary.eos = tokenizer.eos();
  if (summary.bos) summary.bos_name = tokenizer.token_bytes(*summary.bos);
  if (summary.eos) summary.eos_name = tokenizer.token_bytes(*summary.eos);
  summary.automatic_prefix = tokenizer.automatic_prefix();
  for (const std::int64_t id : summary.automatic_prefix)
    summary.prefix_names.push_back(tokenizer.token_bytes(id));
  summary.chat_template = chat_kind(tokenizer);
  return summary;
}

// Ids back to the very text that they came from.
void check_round_trip(const Tokenizer& tokenizer) {
  for (const std::string text : {"The Eiffel Tower is in Paris.", " two  spaces\n\tand a tab",
                                 "Zürich, 東京, Ελλάδα 😀", "12345 x=3;"}) {
    const std::vector<std::int64_t> ids = tokenizer.encode(text, SpecialTokens::kNone).ids;
    const std::string back = tokenizer.decode(ids, false);
    if (back != text)
      throw Error(ErrorKind::kModel,
                  "the tokenizer does not give back the text " + quote(text) + ", but " + quote(back));
  }
}

}  // namespace

ModelSummary summarize_model(const Model& model) {
  ModelSummary summary;
  summary.parts = count_parameters(model);
  for (const auto& [part, count] : summary.parts) summary.parameters += count;
  for (const RoleEntry& entry : model.roles()) ++summary.stored_types[entry.stored_type];
  if (model.has_tokenizer()) summary.tokenizer = summarize_tokenizer(model.tokenizer());
  return summary;
}

bool check_tokenizer(const Model& model) {
  if (!model.has_tokenizer()) return false;
  check_round_trip(model.tokenizer());
  if (model.tokenizer().size() > model.config().vocab)
    throw Error(ErrorKind::kModel,
                model.path().string() + ": the tokenizer has " + std::to_string(model.tokenizer().size()) +
                    " ids, but the embedding only " + std::to_string(model.config().vocab) + " rows");
  return true;
}

}  // namespace emend
