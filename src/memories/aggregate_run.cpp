// run_aggregate: positions of a text through a model, and what they come to.
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>

#include "analysis/given_text.h"
#include "analysis/text_options.h"
#include "analysis/text_walk.h"
#include "base/layer_number.h"
#include "base/stage_clock.h"
#include "emend/error.h"
#include "memories/aggregate_visitor.h"
#include "memories/last_changes.h"
#include "memories/stop_words.h"
#include "memories/token_name.h"

namespace emend {
namespace {

constexpr std::int64_t kMostExamples = 10'000'000;
// Tokens of a block: what waits for the model's answer is held for one of them.
constexpr std::int64_t kBlockTokens = 1024;

AggregateOptions settled(const Model& model, AggregateOptions options) {
  if (options.examples < 1 || options.examples > kMostExamples)
    throw Error(ErrorKind::kUsage, fmt::format("the option examples must be 1 to {}, found {}", kMostExamples,
                                               options.examples));
  if (options.coalitions < 0 || options.coalitions > kMostExamples)
    throw Error(ErrorKind::kUsage, fmt::format("the option coalitions must be 0 to {}, found {}",
                                               kMostExamples, options.coalitions));
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
  if (options.block_tokens <= 0) options.block_tokens = kBlockTokens;
  check_text_options(model, options, "aggregate");
  settle_text_options(model, false, options);
  return options;
}

}  // namespace

AggregateOutcome run_aggregate(const Model& model, const AggregateOptions& given, Progress& progress) {
  const c10::NoGradGuard no_gradients;
  const AggregateOptions options = settled(model, given);
  StageClock clock(progress);
  CorpusNotes notes;
  const std::unique_ptr<TextSource> text = make_given_text(model, options, notes, clock, false);
  AggregateVisitor visitor(model, options, draw_examples(text->rows(), options.examples, options.seed));
  walk_text(model, *text, visitor, {"measuring positions", {}, {}, false}, clock);
  AggregateOutcome outcome;
  outcome.tokens = static_cast<std::int64_t>(visitor.places().size());
  outcome.text_tokens = text->tokens();
  outcome.vocabulary = visitor.vocabulary();
  outcome.corpus = text->description();
  outcome.corpus_fingerprint = text->fingerprint();
  summarize_aggregate(
      visitor.examples(), visitor.places(), visitor.layers(), model.config().d_ff, visitor.vocabulary(),
      [&](std::int64_t id) { return is_stop_word(folded_word(token_name(model, id))); }, outcome);
  outcome.last_changes = last_changes_of(model, visitor.examples().back(), options.seed);
  outcome.layers.resize(options.layers.size());
  outcome.seconds = clock.seconds();
  return outcome;
}

}  // namespace emend
