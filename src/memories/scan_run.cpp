// A scan from its text to the files of an index.
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>

#include "analysis/given_text.h"
#include "analysis/own_text.h"
#include "base/atomic_file.h"
#include "base/fingerprint.h"
#include "base/stage_clock.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/version.h"
#include "memories/index_text.h"
#include "memories/same_run.h"
#include "memories/scan_state.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

std::string model_name(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.empty() ? path.parent_path().filename().string() : name;
}

[[noreturn]] void refuse(const fs::path& file, const std::string& what) {
  throw Error(ErrorKind::kConfig, fmt::format("{}: {}", file.string(), what));
}

// Refuses a folder in which a scan of any kind was written or begun, unless it shall go on; and one with a
// checkpoint of other shards.
void require_free(const ScanFolder& folder, int shard, int shards) {
  const fs::path checkpoint = scan_checkpoint_file(folder.path, shard, shards);
  for (const fs::path& there :
       {index_head_file(folder.path), scan_part_file(folder.path, shard, shards), checkpoint})
    if (!folder.resume && fs::exists(there))
      refuse(there,
             "a scan was written into this folder, or begun; set the option resume to go on, or give "
             "another folder");
  for (const fs::path& other : find_scan_checkpoints(folder.path)) {
    const std::string ending = shards > 1 ? fmt::format("_of_{}.safetensors", shards) : "";
    if (other != checkpoint && (ending.empty() || !other.string().ends_with(ending)))
      refuse(other,
             "the checkpoint of a scan with other shards that was not finished; go on with its options "
             "and resume, or remove the file");
  }
}

}  // namespace

RunIdentity MemoryScan::State::identity() const {
  RunIdentity run;
  run.origin = {model->config().family, ids_text(options.prefix), text->description(), settings, fingerprint};
  run.corpus = text_fingerprint;
  run.seed = std::to_string(options.seed);
  run.tokens = std::to_string(plan.tokens);
  run.block_tokens = std::to_string(options.block_tokens);
  run.shard = options.shard;
  run.shards = options.shards;
  return run;
}

MemoryIndexHead MemoryScan::State::head() const {
  const StateShape shape = StateShape::of(*model, options.layers.front(), options);
  MemoryIndexHead head;
  head.model = model_name(model->path());
  head.family = model->config().family;
  head.model_fingerprint = model->fingerprint();
  head.tokenizer_fingerprint = model->tokenizer().fingerprint();
  head.corpus = text->description();
  head.corpus_fingerprint = text_fingerprint;
  head.settings = settings;
  head.fingerprint = fingerprint;
  head.dtype = model->compute_type();
  head.version = emend_version();
  head.prefix = options.prefix;
  head.seed = options.seed;
  head.top = options.top;
  head.random = options.random;
  head.dedup = options.dedup;
  head.include_first = options.include_first;
  head.gated = shape.gated;
  head.one_ended = shape.one_ended;
  head.cells = shape.cells;
  head.model_layers = model->config().layers;
  head.layers = options.layers;
  return head;
}

ScanVisitor MemoryScan::State::visitor() const {
  return ScanVisitor(*model, options, head_json({head(), {}}).dump(), plan.tokens);
}

bool MemoryScan::State::look_at(const ScanFolder& folder, ScanOutcome& outcome) const {
  const bool shard = options.shards > 1;
  const fs::path head_file = index_head_file(folder.path),
                 part = scan_part_file(folder.path, options.shard, options.shards);
  require_free(folder, options.shard, options.shards);
  if (fs::exists(head_file)) {
    const IndexHead found = read_head(head_file);
    if (found.head.fingerprint != fingerprint)
      refuse(head_file,
             "this is the index of another scan (model, text or options differ); give another folder");
    outcome.layers = found.layers;
    outcome.tokens = found.head.tokens;
    outcome.outputs = {head_file};
  } else if (shard && fs::exists(part)) {
    const auto file = open_safetensors(part);
    if (const auto difference = identity().difference(read_checkpoint(*file).run))
      refuse(part, "this is the part of another scan; different is " + *difference);
    outcome.is_part = true;
    outcome.outputs = {part};
  } else {
    return false;
  }
  outcome.resumed_blocks = plan.blocks;
  return true;
}

Walk MemoryScan::State::walk(const ScanFolder& folder, ScanVisitor& visitor, Progress& progress) const {
  WalkOptions walk;
  walk.stage =
      fmt::format("scanning {} {}", options.layers.size(), options.layers.size() == 1 ? "layer" : "layers");
  walk.run = identity();
  walk.checkpoint = scan_checkpoint_file(folder.path, options.shard, options.shards);
  walk.resume = folder.resume;
  std::string why_not;
  if (model->options().device().is_cuda() && !visitor.has_kernels(*model, 0, &why_not))
    progress.note("The scan is swept by tensor operations, which is slower than by kernels: " + why_not);
  return walk_text(*model, *text, visitor, walk, progress);
}

void MemoryScan::State::write_part(const fs::path& folder, const ScanVisitor& visitor, const Walk& walk,
                                   ScanOutcome& outcome) const {
  const fs::path part = scan_part_file(folder, options.shard, options.shards);
  TextCheckpoint whole = checkpoint_of(*model, *text, visitor, identity(), walk);
  whole.blocks_done = plan.blocks;
  save_checkpoint(part, whole, visitor);
  outcome.is_part = true;
  outcome.outputs.push_back(part);
}

void write_index(const fs::path& folder, const IndexContent& content, Progress& progress,
                 ScanOutcome& outcome) {
  IndexHead index{content.head, {}};
  progress.begin("writing the index", static_cast<std::int64_t>(content.layers.size()), "layers");
  for (const FinishedLayer& layer : content.layers) {
    outcome.outputs.push_back(write_index_layer(folder, layer, content.head.fingerprint));
    index.layers.push_back(summarize_layer(layer));
    progress.update(static_cast<std::int64_t>(index.layers.size()), "");
  }
  progress.end();
  index.head.tokens = outcome.tokens;
  write_file_atomically(index_head_file(folder), head_json(index).dump(1) + "\n");
  outcome.outputs.push_back(index_head_file(folder));
  outcome.layers = index.layers;
}

MemoryScan::MemoryScan(const Model& model, const ScanOptions& options, Progress& progress)
    : state_(std::make_unique<State>()) {
  const c10::NoGradGuard no_grad;
  State& state = *state_;
  state.model = &model;
  state.options = settle_scan_options(model, options);
  state.settings = scan_settings(model, state.options);
  CorpusNotes notes;
  state.text = state.options.own_text
                   ? make_written_text(model, state.options, progress)
                   : make_given_text(model, state.options, notes, progress, false,
                                     state.options.sentences ? RowCut::kSentences : RowCut::kWindows);
  state.plan = plan_scan(model, state.options, *state.text);
  if (const int bits = ScanDraw::sample_bits(state.plan.tokens); bits > 0)
    state.settings += fmt::format(", histograms of 1 token in {}", 1 << bits);
  state.plan.repaired = notes.repaired;
  state.plan.repeated = notes.repeated;
  state.plan.binary_files = notes.binary_files;
  state.text_fingerprint = state.text->fingerprint();
  Sha256 hash;
  hash.update_field(model.fingerprint());
  hash.update_field(ids_text(options.prefix));
  hash.update_field(state.text_fingerprint);
  hash.update_field(fmt::format("{}, seed {}, layers", state.settings, state.options.seed));
  for (const int layer : state.options.layers) hash.update_number(static_cast<std::uint64_t>(layer));
  state.fingerprint = hash.hex();
}

MemoryScan::~MemoryScan() = default;
MemoryScan::MemoryScan(MemoryScan&&) noexcept = default;

ScanPlan plan_memories(const Model& model, const ScanOptions& options, Progress& progress) {
  if (!options.own_text) return MemoryScan(model, options, progress).plan();
  const c10::NoGradGuard no_grad;
  const ScanOptions settled = settle_scan_options(model, options);
  ScanPlan plan = plan_scan(model, settled, *make_own_text(model, settled));
  plan.seconds += own_text_seconds_a_token(model, settled) * static_cast<double>(plan.tokens);
  return plan;
}

const ScanPlan& MemoryScan::plan() const {
  return state_->plan;
}

ScanOutcome MemoryScan::run(const ScanFolder& folder, Progress& progress, ShardGroup* group) const {
  const c10::NoGradGuard no_grad;
  const State& state = *state_;
  const bool first = group == nullptr || group->rank() == 0;
  ScanOutcome outcome;
  outcome.plan = state.plan;
  if (group)
    require_same_run(*group,
                     fmt::format("{}, {} tokens, blocks of {}", state.fingerprint, state.plan.tokens,
                                 state.options.block_tokens),
                     "scan");
  const bool done = state.look_at(folder, outcome);
  if (group) group->wait_for_all();  // all have looked before the first one writes
  if (!done) {
    ScanVisitor visitor = state.visitor();
    const Walk walk = state.walk(folder, visitor, progress);
    outcome.resumed_blocks = walk.resumed_blocks;
    if (group) visitor.reduce(*group);
    outcome.tokens = visitor.tokens();
    if (first) {
      const fs::path text = index_text_file(folder.path);
      write_index_text(text, *state.text, state.model->tokenizer(), state.text_fingerprint);
      outcome.outputs.push_back(text);
      if (!group && state.options.shards > 1)
        state.write_part(folder.path, visitor, walk, outcome);
      else
        write_index(folder.path, {state.head(), visitor.finish()}, progress, outcome);
    }
  }
  if (group) group->wait_for_all();  // the index is written: checkpoints may go
  fs::remove(scan_checkpoint_file(folder.path, state.options.shard, state.options.shards));
  if (!first) outcome.layers.clear();
  return outcome;
}

ScanOutcome scan_memories(const Model& model, ScanOptions options, const ScanFolder& folder,
                          Progress& progress, const std::function<void(const ScanPlan&)>& planned,
                          ShardGroup* group) {
  if (group != nullptr) {
    if (options.shards > 1)
      throw Error(ErrorKind::kUsage, "mpirun makes the shards: leave out the option shard");
    options.shard = group->rank();
    options.shards = group->size();
  }
  require_free(folder, options.shard, options.shards);  // before the corpus is read, or a text is written
  if (group) group->wait_for_all();                     // all have looked before the first one writes
  StageClock stages(progress);
  const MemoryScan scan(model, options, stages);
  if (planned) planned(scan.plan());
  ScanOutcome outcome = scan.run(folder, stages, group);
  outcome.seconds = stages.seconds();
  return outcome;
}

}  // namespace emend
