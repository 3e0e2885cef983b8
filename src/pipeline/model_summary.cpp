#include "emend/model_summary.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "base/strings.h"
#include "emend/error.h"
#include "model/role_table.h"
#include "model/spec_text.h"
#include "pipeline/role_lines.h"
#include "text/chat_template.h"

namespace emend {
namespace {

std::vector<std::string> choice_lines(const ModelConfig& config) {
  std::vector<std::string> lines = model_choices(config);
  if (config.blocks.empty()) {
    for (const std::string& line : block_choices(config.block)) lines.push_back(line);
    return lines;
  }
  std::map<std::string, std::vector<int>> blocks;
  for (int l = 0; l < config.layers; ++l) blocks[join(block_choices(config.spec(l)))].push_back(l);
  for (const auto& [choices, numbers] : blocks)
    lines.push_back("blocks " + ranges_text(numbers) + ": " + (choices.empty() ? "plain" : choices));
  return lines;
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

// Ids back to the very text that they came from.
void check_round_trip(const Tokenizer& tokenizer) {
  for (const std::string text : {"The Eiffel Tower is in Paris.", " two  spaces\n\tand a tab",
                                 "Zürich, 東京, Ελλάδα 😀", "12345 x=3;"}) {
    const std::vector<std::int64_t> ids = tokenizer.encode(text, SpecialTokens::kNone).ids;
    const std::string back = tokenizer.decode(ids, false);
    if (back != text)
      throw Error(ErrorKind::kModel, fmt::format("the tokenizer does not give back the text {}, but {}",
                                                 quote(text), quote(back)));
  }
}

}  // namespace

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

ModelSummary summarize_model(const Model& model) {
  ModelSummary summary;
  summary.parts = count_parameters(model.config(), model.weights());
  for (const auto& [part, count] : summary.parts) summary.parameters += count;
  for (const RoleEntry& entry : model.roles()) ++summary.stored_types[entry.stored_type];
  summary.choices = choice_lines(model.config());
  summary.value_path = value_path_text(model.config().spec(0));
  if (model.has_tokenizer()) summary.tokenizer = summarize_tokenizer(model.tokenizer());
  return summary;
}

bool check_tokenizer(const Model& model) {
  if (!model.has_tokenizer()) return false;
  check_round_trip(model.tokenizer());
  return true;
}

}  // namespace emend
