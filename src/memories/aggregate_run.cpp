// run_aggregate: positions of a text through a model, and what they come to.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>

#include "analysis/given_text.h"
#include "analysis/text_options.h"
#include "analysis/text_walk.h"
#include "base/layer_number.h"
#include "base/stage_clock.h"
#include "emend/error.h"
#include "memories/aggregate_files.h"
#include "memories/aggregate_visitor.h"
#include "memories/last_changes.h"
#include "memories/same_run.h"
#include "memories/sparsity.h"
#include "memories/stop_words.h"
#include "memories/token_name.h"

namespace emend {
namespace {

constexpr std::int64_t kMostExamples = 10'000'000;
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

AggregateOptions of_group(AggregateOptions options, const ShardGroup* group) {
  if (group == nullptr) return options;
  if (options.shards > 1)
    throw Error(ErrorKind::kUsage, "mpirun makes the shards: leave out the option shard");
  options.shard = group->rank();
  options.shards = group->size();
  return options;
}

RunIdentity identity_of(const Model& model, const AggregateOptions& options, const TextSource& text) {
  const std::string settings =
      fmt::format("{}window {}, {} pass, {} examples, {} coalitions, lens {}{}",
                  options.sentences ? "sentences, " : "", options.window,
                  c10::toString(model.options().dtype().toScalarType()), options.examples, options.coalitions,
                  to_string(options.lens), options.lens.mask_special ? " without special tokens" : "");
  RunIdentity run;
  run.origin = {model.config().family, ids_text(options.prefix), text.description(), settings,
                model.fingerprint()};
  run.corpus = text.fingerprint();
  run.seed = std::to_string(options.seed);
  run.tokens = std::to_string(text.tokens());
  run.block_tokens = std::to_string(options.block_tokens);
  run.shard = options.shard;
  run.shards = options.shards;
  return run;
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

// Refuses, before the corpus is read, what cannot be joined.
void require_joinable(const AggregateFolder& folder, const AggregateOptions& options,
                      const ShardGroup* group) {
  if (folder.join.empty()) return;
  if (group != nullptr && group->size() > 1)
    throw Error(ErrorKind::kUsage,
                "aggregate: parts are joined by one process: leave out mpirun, or the option join");
  if (options.shards > 1)
    throw Error(ErrorKind::kUsage, "aggregate: shards are joined by a run without the option shard");
  if (!folder.resume) require_parts(folder.join);
}

// Refuses to write over what another run has left.
void require_free(const AggregateFolder& folder, const RunIdentity& run) {
  if (run.shards > 1 && folder.path.empty())
    throw Error(ErrorKind::kConfig, "aggregate: a shard needs a folder for its part: the option out");
  if (folder.path.empty() || folder.resume) return;
  for (const auto& there :
       {positions_file(folder.path), positions_checkpoint_file(folder.path, run.shard, run.shards),
        positions_part_file(folder.path, run.shard, run.shards)})
    if (std::filesystem::exists(there))
      throw Error(ErrorKind::kConfig,
                  there.string() +
                      ": an aggregation was written into this folder, or begun; set the option "
                      "resume to go on, or give another folder");
}

// Fills the visitor: from a finished file, from parts, or from the text.
void measure(const Model& model, const TextSource& text, const RunIdentity& run,
             const AggregateFolder& folder, AggregateVisitor& visitor, Progress& progress, ShardGroup* group,
             AggregateOutcome& outcome) {
  const bool keeps = !folder.path.empty(), first = group == nullptr || group->rank() == 0;
  const auto whole = positions_file(folder.path);
  if (keeps && folder.resume && std::filesystem::exists(whole)) {
    read_positions(whole, run, visitor);
    outcome.outputs = {whole};
    return;
  }
  const auto checkpoint = positions_checkpoint_file(folder.path, run.shard, run.shards),
             part = positions_part_file(folder.path, run.shard, run.shards);
  if (keeps && folder.resume && group == nullptr && std::filesystem::exists(part)) {
    require_part_of(part, run);
    outcome.is_part = true;
    outcome.outputs = {part};
    return;
  }
  if (!folder.join.empty()) {
    join_positions(folder.join, run, visitor);
  } else {
    WalkOptions how{"measuring positions", run, keeps ? checkpoint : std::filesystem::path(), folder.resume};
    const Walk walk = walk_text(model, text, visitor, how, progress);
    outcome.resumed_blocks = walk.resumed_blocks;
    outcome.is_part = group == nullptr && run.shards > 1;
    if (outcome.is_part) {
      save_checkpoint(part, checkpoint_of(model, text, visitor, run, walk), visitor);
      outcome.outputs = {part};
    }
    if (group) visitor.reduce(*group);
  }
  if (keeps && first && !outcome.is_part) {
    write_positions(whole, run, visitor);
    outcome.outputs = {whole};
  }
  if (group) group->wait_for_all();  // the positions are written: checkpoints may go
  if (keeps) std::filesystem::remove(checkpoint);
}

}  // namespace

AggregateOutcome run_aggregate(const Model& model, const AggregateOptions& options, Progress& progress) {
  return run_aggregate(model, options, {}, progress);
}

AggregateOutcome run_aggregate(const Model& model, const AggregateOptions& given,
                               const AggregateFolder& folder, Progress& progress, ShardGroup* group) {
  const c10::NoGradGuard no_gradients;
  const AggregateOptions options = settled(model, of_group(given, group));
  require_joinable(folder, options, group);
  StageClock clock(progress);
  CorpusNotes notes;
  const std::unique_ptr<TextSource> text = make_given_text(
      model, options, notes, clock, false, options.sentences ? RowCut::kSentences : RowCut::kWindows);
  const RunIdentity run = identity_of(model, options, *text);
  require_free(folder, run);
  if (group) {
    require_same_run(
        *group,
        fmt::format("{}, layers {}", run_text(run), ids_text({options.layers.begin(), options.layers.end()})),
        "aggregate");
    group->wait_for_all();  // all have looked before the first one writes
  }
  AggregateVisitor visitor(model, options, draw_examples(text->rows(), options.examples, options.seed));
  AggregateOutcome outcome;
  outcome.text_tokens = text->tokens();
  outcome.vocabulary = visitor.vocabulary();
  outcome.corpus = text->description();
  outcome.corpus_fingerprint = run.corpus;
  measure(model, *text, run, folder, visitor, clock, group, outcome);
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
