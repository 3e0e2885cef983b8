// run_aggregate: positions of a text through a model, and what they come to.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>

#include "analysis/given_text.h"
#include "analysis/text_options.h"
#include "base/layer_number.h"
#include "base/stage_clock.h"
#include "emend/error.h"
#include "memories/aggregate_visitor.h"
#include "memories/kept_walk.h"
#include "memories/last_changes.h"
#include "memories/sparsity.h"
#include "memories/stop_words.h"
#include "memories/token_name.h"

namespace emend {
namespace {

constexpr std::int64_t kMostExamples = 10'000'000;
const KeptKind kPositions = {"positions", "an aggregation"};
constexpr std::int64_t kSparsityRow = 128;  // tokens of a row of the sparsity curve
// Tokens of a block: what waits for the model's answer is held for one of them, a vector a position and
// layer.
std::int64_t default_block(const Model& model, const AggregateOptions& options) {
  constexpr std::int64_t kFewest = 1024, kMost = 8192, kWaitingBytes = std::int64_t{256} << 20;
  const std::int64_t bytes = 4 * model.config().d_model * static_cast<std::int64_t>(options.layers.size());
  const double share =
      options.tokens == kAllTokens
          ? 1.0
          : std::min(1.0, static_cast<double>(options.examples) / static_cast<double>(options.tokens));
  return std::clamp(static_cast<std::int64_t>(static_cast<double>(kWaitingBytes / bytes) / share), kFewest,
                    kMost);
}

AggregateOptions settled(const Model& model, AggregateOptions options) {
  if (options.examples < 1 || options.examples > kMostExamples)
    throw Error(ErrorKind::kUsage, fmt::format("the option examples must be 1 to {}, found {}", kMostExamples,
                                               options.examples));
  if (options.coalitions < 0 || options.coalitions > kMostExamples)
    throw Error(ErrorKind::kUsage, fmt::format("the option coalitions must be 0 to {}, found {}",
                                               kMostExamples, options.coalitions));
  if (options.sparsity < 0 || options.sparsity == 1 || options.sparsity > kMostExamples)
    throw Error(ErrorKind::kUsage, fmt::format("the option sparsity must be 0 or 2 to {} tokens, found {}",
                                               kMostExamples, options.sparsity));
  if (options.lens.kind != LensKind::kLinear && options.lens.kind != LensKind::kRaw)
    throw Error(
        ErrorKind::kUsage,
        "the option lens must be lin or raw: streams and what is added to them are compared under one "
        "lens that is linear and the same for all layers");
  if (options.corpus.empty())
    throw Error(ErrorKind::kConfig, "aggregate: no corpus is given: name files or folders of text");
  if (!model.has_tokenizer()) throw Error(ErrorKind::kModel, "aggregate: the model has no tokenizer");
  for (const int layer : options.layers) require_layer("aggregate", layer, model.config().layers);
  if (options.layers.empty())
    for (int layer = 0; layer < model.config().layers; ++layer) options.layers.push_back(layer);
  std::sort(options.layers.begin(), options.layers.end());
  options.layers.erase(std::unique(options.layers.begin(), options.layers.end()), options.layers.end());
  if (options.tokens == 0) options.tokens = kAllTokens;
  if (options.block_tokens <= 0) options.block_tokens = default_block(model, options);
  check_text_options(model, options, "aggregate");
  settle_text_options(model, false, options);
  return options;
}

std::string settings_of(const Model& model, const AggregateOptions& options) {
  return fmt::format("{}window {}, {} pass, {} examples, {} coalitions, lens {}{}",
                     options.sentences ? "sentences, " : "", options.window,
                     c10::toString(model.options().dtype().toScalarType()), options.examples,
                     options.coalitions, to_string(options.lens),
                     options.lens.mask_special ? " without special tokens" : "");
}

// Whole rows of the text in its order until there are `tokens`, each cut to kSparsityRow.
std::vector<std::vector<std::int64_t>> rows_for_sparsity(const TextSource& text, std::int64_t tokens) {
  std::vector<std::vector<std::int64_t>> rows;
  for (const PlacedRow& row : text.rows()) {
    const std::int64_t length = std::min({static_cast<std::int64_t>(row.ids.size()), kSparsityRow, tokens});
    if (length < 2) break;
    rows.emplace_back(row.ids.begin(), row.ids.begin() + length);
    tokens -= length;
  }
  return rows;
}

}  // namespace

AggregateOutcome run_aggregate(const Model& model, const AggregateOptions& options, Progress& progress) {
  return run_aggregate(model, options, {}, progress);
}

AggregateOutcome run_aggregate(const Model& model, const AggregateOptions& given,
                               const AggregateFolder& folder, Progress& progress, ShardGroup* group) {
  const c10::NoGradGuard no_gradients;
  const AggregateOptions options = settled(model, of_group(given, group));
  const KeptWork work{kPositions, "aggregate", "measuring positions", folder};
  require_joinable(work, options, group);
  StageClock clock(progress);
  CorpusNotes notes;
  const std::unique_ptr<TextSource> text = make_given_text(
      model, options, notes, clock, false, options.sentences ? RowCut::kSentences : RowCut::kWindows);
  const RunIdentity run = kept_identity(model, options, *text, settings_of(model, options));
  begin_kept(work, run, options.layers, group);
  AggregateVisitor visitor(model, options, draw_examples(text->rows(), options.examples, options.seed));
  AggregateOutcome outcome;
  outcome.text_tokens = text->tokens();
  outcome.vocabulary = visitor.vocabulary();
  outcome.corpus = text->description();
  outcome.corpus_fingerprint = run.corpus;
  const KeptWalk walk = walk_kept(model, *text, run, work, visitor, clock, group);
  outcome.resumed_blocks = walk.resumed_blocks;
  outcome.is_part = walk.is_part;
  outcome.outputs = walk.outputs;
  outcome.tokens = visitor.seen();
  if (!outcome.is_part && (group == nullptr || group->rank() == 0)) {
    summarize_aggregate(
        visitor.examples(), visitor.places(), visitor.layers(), model.config().d_ff, visitor.vocabulary(),
        [&](std::int64_t id) { return is_stop_word(folded_word(token_name(model, id))); }, outcome);
    outcome.last_changes = last_changes_of(model, visitor.examples().back(), options.seed);
    outcome.layers.resize(options.layers.size());
    if (options.sparsity > 0) {
      const auto rows = rows_for_sparsity(*text, options.sparsity);
      for (const auto& row : rows) outcome.sparsity_tokens += static_cast<std::int64_t>(row.size());
      outcome.sparsity = sparsity_curve(model, options.layers, rows, options.token_budget, clock);
    }
  }
  outcome.seconds = clock.seconds();
  return outcome;
}

}  // namespace emend
