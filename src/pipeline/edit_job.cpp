#include "pipeline/edit_job.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <utility>

#include "analysis/layer_choice.h"
#include "analysis/moments_in_file.h"
#include "analysis/prompt_rows.h"
#include "analysis/statistics_factors.h"
#include "analysis/statistics_place.h"
#include "base/layer_number.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/statistics_store.h"
#include "linalg/key_factors.h"
#include "measure/other_subjects.h"
#include "pipeline/auto_layer.h"
#include "pipeline/edit_memory.h"
#include "pipeline/position_check.h"
#include "pipeline/unedited_texts.h"

namespace emend {
namespace {

// The layers that the file names, in ascending order; a note says so where the file has another one.
std::vector<int> given_layers(const EditFile& file, const Editor& editor, const ModelConfig& config,
                              Progress& progress) {
  const std::string where = file.layer.where.empty() ? file.path.string() + ": layer" : file.layer.where;
  std::vector<int> layers = named_layers(file.layer.layers, config, where);
  require_layer_use(editor, file.layer.layers, where);
  if (layers != file.layer.layers)
    progress.note(fmt::format("{}: layers are written from below, whatever their order in the list: {}",
                              where, layer_names(layers)));
  return layers;
}

// Throws Error(kConfig) if the method cannot carry the facts of the patch, or it was made for rows of another
// form.
std::shared_ptr<const Patch> patch_below(const EditJob& job, const std::filesystem::path& file) {
  if (!job.editor->carries_earlier())
    throw Error(
        ErrorKind::kConfig,
        fmt::format("the method {} (with these options) does not carry the facts of an earlier patch: "
                    "{} cannot be built on; edit its facts together with these, or use a method "
                    "that does (bulk)",
                    quote(job.editor->name()), file.string()));
  auto patch = std::make_shared<const Patch>(load_patch(file));
  require_base(*patch, *job.model, file);
  if (patch->prefix != job.context.prefix || patch->form != job.context.form)
    throw Error(
        ErrorKind::kConfig,
        file.string() + ": the patch was made with another BOS or another form of prompts than this edit");
  return patch;
}

[[noreturn]] void refuse_to_solve_again(const std::filesystem::path& file, const WeightSolve& solve,
                                        const std::string& why) {
  throw Error(
      ErrorKind::kConfig,
      fmt::format("{}: this patch changed the {}, and cannot be solved again with this edit: {}; give "
                  "the same method, layers, options and statistics",
                  file.string(), weight_name(solve.weight), why));
}

// What can be told without a pass: the statistics of each layer, if they are there already, are those of the
// patch below. The method looks at the rest.
void require_same_statistics(const EditJob& job, const std::filesystem::path& file) {
  std::vector<int> layers;
  for (const WeightSolve& solve : job.below->edit.solves) layers.push_back(solve.weight.block);
  std::map<int, StatisticsOrigin> stored;
  if (job.editor->needs_statistics())
    stored = load_origins(*job.model, layers, job.context.prefix, job.statistics);
  for (const WeightSolve& solve : job.below->edit.solves) {
    const auto found = stored.find(solve.weight.block);
    if (job.editor->needs_statistics() && found == stored.end()) continue;
    const std::string now = found == stored.end() ? "" : found->second.fingerprint;
    if (solve.statistics_fingerprint != now) refuse_to_solve_again(file, solve, "other statistics");
  }
}

void require_its_layers(const EditJob& job, const std::filesystem::path& file) {
  const std::set<int> layers(job.context.layers.begin(), job.context.layers.end());
  for (const WeightSolve& solve : job.below->edit.solves)
    if (!layers.contains(solve.weight.block))
      refuse_to_solve_again(file, solve, "it is not among the layers of this edit");
}

// Without a folder in the file: the one that holds the layers, those of the patch below with its
// fingerprints. Returns what is to be noted, if anything.
std::string find_statistics_of_layers(EditJob& job) {
  if (!job.file->statistics.empty() || !job.editor->needs_statistics()) return "";
  WantedStatistics wanted = wanted_statistics(job.context.layers);
  if (job.below)
    for (const WeightSolve& solve : job.below->edit.solves)
      wanted[solve.weight.block] = solve.statistics_fingerprint;
  StatisticsPlace place = find_statistics(*job.model, job.context.prefix, wanted);
  job.statistics = std::move(place.folder);
  return std::move(place.note);
}

// The layers of a file that names none.
void decide_layers(EditJob& job, TrialEdits trial, Progress& progress) {
  AutoLayerOptions options{is_by_depth(job.file->layer), {}, trial == TrialEdits::kAllowed};
  options.open_edits = [&] {
    job.base = base_of(job, progress);
    return without(job.base->requests, job.base->skipped);
  };
  AutoLayer found =
      auto_layer({*job.model, *job.editor, job.file->edits, job.context, job.statistics}, options, progress);
  job.context.layers = job.editor->layers_around(found.decision.layer, job.model->config());
  job.trial_seconds = found.seconds;
  if (found.tried)
    job.trial = std::move(found.decision);
  else
    job.planned = std::move(found.planned);
}

// The same for all processes: the first one decides. Statistics and decisions that it is just writing would
// lead others to other layers.
void find_layers(EditJob& job, TrialEdits trial, Progress& progress) {
  ShardGroup* const group = job.context.group;
  if (group == nullptr || group->rank() == 0) decide_layers(job, trial, progress);
  if (group == nullptr) return;
  std::vector<std::uint64_t> decided;
  for (const int layer : job.context.layers) decided.push_back(static_cast<std::uint64_t>(layer));
  const std::vector<std::uint64_t> all = group->gather_to_all(decided);  // only the first one sends any
  job.context.layers.clear();
  for (const std::uint64_t layer : all) job.context.layers.push_back(static_cast<int>(layer));
}

[[noreturn]] void refuse_memory(const EditMemory& memory, const EditJob& job, std::int64_t limit) {
  const auto human = [](std::int64_t bytes) { return human_bytes(static_cast<std::uint64_t>(bytes)); };
  throw Error(
      ErrorKind::kConfig,
      fmt::format("the edit of {} facts over {} layers needs {} at least, and the option memory allows {}: "
                  "{}; edit fewer facts at a time (the option on adds to a patch) or fewer layers, or give "
                  "more memory",
                  job.file->edits.size(), job.context.layers.size(), human(memory.bytes()), human(limit),
                  parts_text(memory)));
}

}  // namespace

std::unique_ptr<Editor> editor_of(const EditFile& file, const EditorTable& table) {
  const std::string where = file.method_where.empty() ? file.path.string() + ": method" : file.method_where;
  require_method(where, file.method, table, ErrorKind::kConfig);
  return make_editor(file.method, file.options, table);
}

EditJob make_job(const Model& model, const Editor& editor, const EditFile& file,
                 const EditRunOptions& options, TrialEdits trial, Progress& progress) {
  if (options.token_budget < 1)
    throw Error(ErrorKind::kUsage,
                fmt::format("the token budget must be at least 1, found {}", options.token_budget));
  EditJob job{&model, &editor, &file, {}, {}};
  if (!file.layer.layers.empty()) job.context.layers = given_layers(file, editor, model.config(), progress);
  job.context.prefix = row_prefix(model.tokenizer(), file.bos, file.form);
  require_positions(model, file, {job.context.prefix, file.form});
  job.statistics = statistics_folder(model, file);
  job.context.form = file.form;
  job.context.ends = taught_ends(model.tokenizer(), file.end, file.form, file.path.string());
  job.context.seed = options.seed;
  job.context.group = options.group;
  job.context.token_budget = options.token_budget;
  job.context.keep_going = options.keep_going;
  if (!options.on.empty()) {
    job.below = patch_below(job, options.on);
    job.context.earlier = &job.below->edit;
    find_statistics_of_layers(job);
    require_same_statistics(job, options.on);
  }
  job.context.memory_bytes = options.memory_bytes;
  if (file.layer.layers.empty()) find_layers(job, trial, progress);
  if (const std::string note = find_statistics_of_layers(job); !note.empty()) progress.note(note);
  if (job.below) require_its_layers(job, options.on);
  EditorCache of_folder(job.statistics);  // its contexts are those of the unedited model
  job.cache = std::make_shared<EditorCache>(job.below ? EditorCache::with_factors_of(of_folder)
                                                      : std::move(of_folder));
  job.context.cache = job.cache.get();
  return job;
}

MeasuredBase base_of(const EditJob& job, Progress& progress) {
  return job.base ? *job.base : measure_base(*job.model, job.file->edits, check_options_of(job), progress);
}

EditPlan plan_job(const EditJob& job, const std::vector<EditRequest>& requests,
                  const Statistics* statistics) {
  EditorContext context = job.context;
  context.statistics = statistics;
  if (!job.below) return job.editor->plan(*job.model, requests, context);
  Model model = job.model->share();
  const ScopedEdit scope(model, job.below->edit.changes);
  return job.editor->plan(model, requests, context);
}

namespace {

// Whether a process of the group lacks something; all of them are told the same.
bool lack_anywhere(bool here, ShardGroup* group) {
  if (group == nullptr) return here;
  const std::vector<std::uint64_t> all = group->gather_to_all({here ? 1U : 0U});
  return std::ranges::any_of(all, [](std::uint64_t lacks) { return lacks != 0; });
}

}  // namespace

Statistics load_or_collect(const EditJob& job, const std::vector<EditRequest>& requests, Progress& progress) {
  const auto load = [&] {
    return load_statistics_in_file(*job.model, job.context.layers, job.context.prefix, job.statistics);
  };
  Statistics present = load();
  if (!lack_anywhere(present.layers.empty(), job.context.group)) {
    for (const std::string& note : notes_on(present)) progress.note(note);
    return present;
  }
  if (job.context.group != nullptr && job.context.group->rank() != 0) {  // the first one collects
    job.context.group->wait_for_all();
    Statistics collected = load();
    if (collected.layers.empty())
      throw Error(ErrorKind::kIo,
                  fmt::format("{}: the first process has collected statistics there, and this one does not "
                              "find them; the option statistics must name a folder that all processes share",
                              job.statistics.string()));
    return collected;
  }
  StatisticsOptions options;
  options.seed = job.context.seed;
  options.token_budget = job.context.token_budget;
  EditorCache planned;  // in memory alone: nothing may be written before the editor has approved
  EditJob first = job;
  first.context.cache = &planned;
  const auto approve = [&](const Statistics& found) {
    plan_job(first, requests, &found);  // throws
    return known_conditions(found, planned.factors());
  };
  StatisticsStore(*job.model, job.context.prefix, job.statistics)
      .layers(job.context.layers, options, progress, approve);
  job.cache->factors().take_over(planned.factors());
  keep_held_text(*job.model, job.statistics, job.context.layers,
                 {job.context.prefix, job.context.seed, job.context.token_budget}, progress);
  if (job.context.group != nullptr) job.context.group->wait_for_all();
  return load();
}

Protect protection_of(const EditFile& file, const Editor& editor) {
  const bool by_default = editor.protects() && file.edits.size() <= kMostProtectedEdits;
  const Protect protect = file.protect.value_or(by_default ? kDefaultProtect : Protect::kNone);
  require_protects(editor, protect, file.path.string());
  return protect;
}

Protection protect_subjects(const EditJob& job, const std::vector<EditRequest>& requests, Protect protect,
                            const CheckOptions& options, std::vector<std::string>& warnings,
                            Progress& progress) {
  if (!job.file->protect && job.editor->protects() && protect == Protect::kNone)
    progress.note(
        fmt::format("{} edits are more than the {} of a file whose other subjects are protected by "
                    "default: `protect: auto` asks for it",
                    job.file->edits.size(), kMostProtectedEdits));
  std::vector<std::string> unnamed;
  const bool strict = job.file->protect.has_value();
  Protection protection = find_protection(*job.model, strict ? requests : without_own_subjects(requests),
                                          protect, strict, options, unnamed);
  if (!unnamed.empty() && strict)
    warnings.push_back(
        fmt::format("protect: auto: the model names no other subjects in the prompts of {}: what "
                    "`bleed` and `neighbours` give is all that is protected there",
                    join(unnamed)));
  return protection;
}

std::optional<EditMemory> plan_memory(EditJob& job, const EditRunOptions& options, Progress& progress) {
  job.context.memory_bytes = options.memory_bytes;
  std::optional<EditMemory> memory = job.editor->memory(*job.model, job.file->edits, job.context);
  if (memory) job.context.search_tokens = memory->search_tokens;
  if (options.memory_bytes == 0) return memory;
  if (!memory) {
    progress.note(
        fmt::format("the method {} does not plan what its search holds: the option memory limits the "
                    "weights that are kept",
                    quote(job.editor->name())));
    return memory;
  }
  if (memory->bytes() > options.memory_bytes) refuse_memory(*memory, job, options.memory_bytes);
  return memory;
}

const EditorTable& table_of(const EditRunOptions& options) {
  return options.editors != nullptr ? *options.editors : known_editors();
}

}  // namespace emend
