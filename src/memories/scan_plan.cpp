// What the options of a scan mean for a model, and what it takes.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "analysis/statistics_plan.h"
#include "analysis/text_options.h"
#include "base/layer_number.h"
#include "base/strings.h"
#include "emend/error.h"
#include "memories/scan_state.h"

namespace emend {

namespace {

// Share of the machine's matrix-product rate that a scan reaches (docs/statistics.md, less what the sweep
// takes).
constexpr double kEfficiency = 0.62;

const std::vector<std::pair<Dedup, std::string>>& dedup_names() {
  static const std::vector<std::pair<Dedup, std::string>> names = {
      {Dedup::kNone, "none"}, {Dedup::kWindow, "window"}, {Dedup::kSuffix, "suffix"}};
  return names;
}

void check_scan_options(const Model& model, const ScanOptions& options) {
  constexpr int kMostExamples = 10000;
  const auto refuse = [](const std::string& what) { throw Error(ErrorKind::kConfig, "scan: " + what); };
  if (options.corpus.empty() && !options.own_text)
    refuse("no corpus is given: name files or folders of text");
  if (options.own_text && !options.corpus.empty())
    refuse("the model writes its own text, so no corpus is read: leave out one of the two options");
  if (options.own_text && options.sentences)
    refuse("text of the model's own is not cut into sentences: leave out one of the two options");
  for (const int layer : options.layers) require_layer("scan", layer, model.config().layers);
  if (options.top < 1 || options.top > kMostExamples)
    refuse(fmt::format("the option top must be from 1 to {}, found {}", kMostExamples, options.top));
  if (options.random < 1 || options.random > kMostExamples)
    refuse(fmt::format("the option random must be from 1 to {}, found {}", kMostExamples, options.random));
  if (!model.has_tokenizer()) refuse("the model has no tokenizer");
  check_text_options(model, options, "scan");
}

}  // namespace

std::string to_string(Dedup dedup) {
  for (const auto& [value, name] : dedup_names())
    if (value == dedup) return name;
  return "";
}

Dedup parse_dedup(const std::string& text) {
  std::vector<std::string> known;
  for (const auto& [value, name] : dedup_names()) {
    if (name == text) return value;
    known.push_back(name);
  }
  throw Error(ErrorKind::kUsage,
              fmt::format("dedup: there is no policy {}; known are {}", quote(text), join(known)));
}

ScanOptions settle_scan_options(const Model& model, ScanOptions options) {
  constexpr std::int64_t kWholeCorpusBlock = 32768;  // a checkpoint is as large as all tables
  if (options.tokens == 0) options.tokens = kAllTokens;
  check_scan_options(model, options);
  if (options.layers.empty())
    for (int layer = 0; layer < model.config().layers; ++layer) options.layers.push_back(layer);
  std::sort(options.layers.begin(), options.layers.end());
  options.layers.erase(std::unique(options.layers.begin(), options.layers.end()), options.layers.end());
  if (options.block_tokens <= 0 && options.tokens == kAllTokens) options.block_tokens = kWholeCorpusBlock;
  settle_text_options(model, false, options);
  return options;
}

std::string scan_settings(const Model& model, const ScanOptions& options) {
  const std::string rows = options.sentences ? "sentences, " : options.own_text ? kOwnTextRows : "";
  return rows + fmt::format("window {}, {} pass, position 0 {}, top {}, dedup {}, {} random examples",
                            options.window, c10::toString(model.options().dtype().toScalarType()),
                            options.include_first ? "counted" : "left out", options.top,
                            to_string(options.dedup), options.random);
}

ScanPlan plan_scan(const Model& model, const ScanOptions& options, const TextSource& text) {
  const std::vector<PlacedRow> rows = text.rows();
  const std::uint64_t addresses = rows.empty() ? 0 : rows.back().address + rows.back().ids.size();
  if (addresses >= std::numeric_limits<std::uint32_t>::max())
    throw Error(
        ErrorKind::kConfig,
        fmt::format("scan: {} tokens are more than an index can name (4,294,967,294); scan the corpus "
                    "in pieces",
                    addresses));
  ScanPlan plan;
  for (const int layer : options.layers) {
    const StateShape shape = StateShape::of(model, layer, options);
    plan.cells += shape.cells;
    plan.table_bytes += LayerState::table_bytes(shape);
    plan.other_bytes += LayerState::other_bytes(shape);
  }
  plan.rows = static_cast<std::int64_t>(rows.size());
  plan.tokens = text.tokens();
  std::int64_t own = 0;
  for (std::int64_t b = options.shard; b < text.blocks(); b += options.shards, ++plan.blocks)
    own += text.tokens_of(b);
  const double length = static_cast<double>(options.window) / 2;
  plan.seconds = pass_flops_a_token(model.config(), options.layers.back(), length) *
                 static_cast<double>(own) / measure_matmul_flops(model) / kEfficiency;
  plan.source = text.description();
  return plan;
}

std::vector<float> value_norms(const Model& model, int layer) {
  const BlockWeights& block = model.weights().blocks[static_cast<std::size_t>(layer)];
  at::Tensor values = block.mlp_down.to(at::kFloat);  // [D, F]
  if (block.mlp_post_norm.defined()) values = values * block.mlp_post_norm.to(at::kFloat).unsqueeze(1);
  const at::Tensor norms = values.norm(2, 0).cpu().contiguous();
  const auto* const data = norms.const_data_ptr<float>();
  return std::vector<float>(data, data + norms.numel());
}

}  // namespace emend
