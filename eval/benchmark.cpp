// emend/eval_run.h: from the options of a benchmark to its results.
#include <c10/core/ScalarType.h>
#include <c10/core/ScalarTypeToTypeMeta.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "base/files.h"
#include "base/fingerprint.h"
#include "base/strings.h"
#include "emend/checks.h"
#include "emend/error.h"
#include "emend/eval_run.h"
#include "emend/version.h"
#include "eval/benchmark_data.h"
#include "eval/contenders.h"
#include "eval/fit.h"
#include "eval/record_forms.h"
#include "eval/results/results_file.h"
#include "eval/run.h"
#include "eval/run_folder.h"
#include "eval/shards.h"
#include "report/numbers.h"
#include "text/end_tokens.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// Process r of a group does part r.
Shard shard_of(const BenchmarkOptions& options, const ShardGroup* group) {
  if (group != nullptr) return {group->rank(), group->size()};
  if (options.shard < 0 || options.shard >= options.shards)
    throw Error(ErrorKind::kUsage,
                fmt::format("there is no shard {} of {} (counted from 0)", options.shard, options.shards));
  return {options.shard, options.shards};
}

// What can be told from the options alone.
void require_sound(const BenchmarkOptions& options) {
  if (options.known && !find_dataset(options.dataset).opposed_targets)
    throw Error(ErrorKind::kUsage, fmt::format("the option known does not go with the data set {}: its "
                                               "records name no present answer that the model could know",
                                               options.dataset));
  if (options.snippets.empty() && !options.idf.empty())
    throw Error(ErrorKind::kUsage, "the option idf weighs words of snippets, and there are none");
  if (options.curve && options.mode.kind != EvalMode::Kind::kSequential)
    throw Error(ErrorKind::kUsage, fmt::format("the option curve goes with mode sequential:N only, found {}",
                                               options.mode.text()));
  if (options.natural < 0)
    throw Error(ErrorKind::kUsage,
                fmt::format("the option natural must be at least 0, found {}", options.natural));
  constexpr std::int64_t kMostSamples = 1000;
  if (options.sampled < 0 || options.sampled > kMostSamples)
    throw Error(ErrorKind::kUsage, fmt::format("the option sampled must be from 0 to {}, found {}",
                                               kMostSamples, options.sampled));
  if (!(options.temperature > 0))
    throw Error(ErrorKind::kUsage,
                fmt::format("the option temperature must be above 0, found {}", options.temperature));
  if (options.sampled == 0 && options.temperature != 1)
    throw Error(ErrorKind::kUsage, "the option temperature changes nothing without the option sampled");
  if (options.forms.empty() && !options.forms_file.empty())
    throw Error(ErrorKind::kUsage,
                "the option forms-file has wordings of forms, and the option forms asks for none");
  if (options.drift_tokens < 0)
    throw Error(ErrorKind::kUsage,
                fmt::format("the option drift-tokens must be at least 0, found {}", options.drift_tokens));
}

std::string hash_of_rows(const TextRows& rows) {
  Sha256 hash;
  for (const auto& row : rows) {
    hash.update_number(row.size());
    for (const std::int64_t id : row) hash.update_number(static_cast<std::uint64_t>(id));
  }
  return hash.hex().substr(0, 16);
}

std::string ids_text(const std::vector<std::int64_t>& ids) {
  std::vector<std::string> texts;
  for (const std::int64_t id : ids) texts.push_back(std::to_string(id));
  return join(texts);
}

// `work` in the first process, then in the others: they find what it left on disk.
void first_then_others(ShardGroup* group, const std::function<void()>& work) {
  const bool first = group == nullptr || group->rank() == 0;
  if (!first) group->wait_for_all();
  work();
  if (group != nullptr && first) group->wait_for_all();
}

}  // namespace

struct Benchmark::State {
  State(const BenchmarkOptions& given, ShardGroup* processes)
      : options(given), group(processes), shard(shard_of(given, processes)), contenders(options) {}

  fs::path own_folder() const {
    return shard.count > 1 ? options.out / shard_folder(shard.index, shard.count) : options.out;
  }
  std::vector<std::unique_ptr<Metric>> metrics() const;
  std::optional<OtherForm> other_form(const Model& model) const;
  void fit(const Model& model, EvalSetup& setup);
  void note_hold_out(const std::vector<EvalRecord>& measured);
  void add_forms(const Model& model, EvalSetup& setup);
  EvalSummary header(const Model& model, const BenchmarkConditions& conditions, const EvalSetup& setup) const;
  void note_questions(const EvalSetup& setup, EvalSummary& header) const;
  void tell_about_parts(const EvalSetup& setup, Progress& progress) const;
  std::vector<fs::path> finished_folders() const;
  BenchmarkOutcome outcome(Progress& progress) const;

  const BenchmarkOptions options;
  ShardGroup* group;
  Shard shard;
  ContenderSet contenders;
  DatasetFile data;
  References references;
  std::set<FactForm> forms;
  FormTemplates form_templates;  // read if there are forms
};

// What is asked of a record's own prompts alone. Throws Error(kModel) for a model without a chat template.
std::optional<OtherForm> Benchmark::State::other_form(const Model& model) const {
  if (!options.both_forms) return std::nullopt;
  render_chat(model.tokenizer(), "x");
  const PromptForm form = options.form == PromptForm::kRaw ? PromptForm::kChat : PromptForm::kRaw;
  OtherForm other{{row_prefix(model.tokenizer(), options.bos, form), form}, {}};
  other.metrics.push_back(make_rewrite_metric());
  if (options.natural > 0) other.metrics.push_back(make_natural_stop_metric());
  if (options.sampled > 0) other.metrics.push_back(make_sampled_metric());
  return other;
}

std::vector<std::unique_ptr<Metric>> Benchmark::State::metrics() const {
  std::vector<std::unique_ptr<Metric>> metrics;
  metrics.push_back(make_rewrite_metric());
  metrics.push_back(make_token_accuracy_metric());
  metrics.push_back(make_bleed_metric());
  metrics.push_back(make_writing_metric(references.snippets ? &*references.snippets : nullptr));
  if (options.natural > 0) metrics.push_back(make_natural_stop_metric());
  if (options.sampled > 0) metrics.push_back(make_sampled_metric());
  if (options.plus) metrics.push_back(make_counterfact_plus_metric());
  return metrics;
}

// What makes the option hold_out empty.
void Benchmark::State::note_hold_out(const std::vector<EvalRecord>& measured) {
  if (std::ranges::all_of(measured, [](const EvalRecord& record) { return record.request.bleed.empty(); }))
    data.notes.emplace_back(
        "The option hold-out holds nothing out: no record names other subjects, at which bleed is measured "
        "(the option other-subjects gives some).");
  else if (!contenders.any_protects())
    data.notes.emplace_back(
        "The option hold-out only leaves half of the other subjects out of what is measured: no method "
        "protects any.");
}

// The records of the file as this model can be asked about them; `data.notes` tells what was left out.
void Benchmark::State::fit(const Model& model, EvalSetup& setup) {
  setup.records = std::move(data.records);
  CheckOptions checks;
  checks.prefix = contenders.prefix();
  checks.form = options.form;
  checks.token_budget = setup.token_budget;
  FitOptions fit{setup.skip_true, options.plus, setup.extra_tokens};
  if (setup.other_form) fit.other_form = setup.other_form->rows;
  fit_records(model, setup.records, checks, fit, data);
  if (options.hold_out) {
    const std::vector<EvalRecord> told = hold_out_subjects(setup.records);
    contenders.protect(model, told, setup.records, checks);
    note_hold_out(setup.records);
  } else {
    contenders.protect(model, setup.records, {}, checks);
  }
  if (!options.edited_neighbours)
    if (const std::int64_t out = leave_out_edited_neighbours(setup.records, options.mode); out > 0)
      data.notes.push_back(fmt::format("Neighbours that are themselves edited: {} left out.", out));
  if (const std::int64_t out = leave_out_joint_questions(setup.records, options.mode); out > 0)
    data.notes.push_back(fmt::format(
        "Questions whose answer needs other records edited together with theirs: {} left out.", out));
  if (const std::string why = why_no_consistency(options, setup.records, references); !why.empty())
    data.notes.push_back(why);
}

// Once the records are fitted, since forms ask about the present answers.
void Benchmark::State::add_forms(const Model& model, EvalSetup& setup) {
  if (forms.empty()) return;
  FormsOfRecords built = build_forms(setup.records, form_templates, forms);
  drop_long_forms(model, {contenders.prefix(), options.form}, setup.extra_tokens, setup.records, built);
  for (std::string& note : form_notes(built, forms)) data.notes.push_back(std::move(note));
  setup.metrics.push_back(make_forms_metric(std::move(built)));
}

EvalSummary Benchmark::State::header(const Model& model, const BenchmarkConditions& conditions,
                                     const EvalSetup& setup) const {
  EvalSummary header;
  header.emend = emend_version();
  header.model_path = model.path().string();
  header.model_fingerprint = model.fingerprint();
  header.family = model.config().family;
  header.dataset = options.dataset;
  header.data_path = options.data.string();
  header.data_fingerprint = sha256_hex(read_text_file(options.data));
  header.mode = options.mode.text();
  header.seed = options.seed;
  header.token_budget = conditions.token_budget;
  header.dtype = model.compute_type();
  header.devices = model.device_names();
  header.skipped = data.skipped;
  header.notes = data.notes;
  header.seconds["load"] = conditions.load_seconds;
  note_questions(setup, header);
  return header;
}

// What is asked, beside the method's own options: kept in the results, and compared when a run is resumed.
void Benchmark::State::note_questions(const EvalSetup& setup, EvalSummary& header) const {
  header.options["form"] = std::string(to_string(options.form));
  if (setup.other_form) header.options["both_forms"] = "true";
  header.options["bos_ids"] = ids_text(contenders.prefix());
  header.options["known"] = options.known ? "true" : "false";
  if (options.other_subjects > 0) header.options["other_subjects"] = std::to_string(options.other_subjects);
  if (options.hold_out) header.options["hold_out"] = "true";
  header.options["plus"] = options.plus ? "true" : "false";
  if (options.natural > 0) header.options["natural"] = std::to_string(options.natural);
  if (options.sampled > 0) {
    header.options["sampled"] = std::to_string(options.sampled);
    header.options["temperature"] = fmt::format("{}", options.temperature);
  }
  if (!forms.empty()) {
    header.options["forms"] = forms_text(forms);
    header.options["forms_file"] = form_templates.fingerprint;
  }
  header.options["generations"] = options.generations < 0 ? "all" : std::to_string(options.generations);
  header.options["drift_text"] = setup.drift_rows.empty() ? "none" : hash_of_rows(setup.drift_rows);
  header.options["snippets"] = references.snippets ? references.snippets->fingerprint() : "none";
  if (references.snippets) header.options["idf"] = references.idf;
  if (options.mode.kind != EvalMode::Kind::kSingle)
    header.options["edited_neighbours"] = options.edited_neighbours ? "asked" : "left out";
}

void Benchmark::State::tell_about_parts(const EvalSetup& setup, Progress& progress) const {
  if (group != nullptr)
    progress.note(fmt::format("{} processes share {} records.", group->size(),
                              count_text(static_cast<std::int64_t>(setup.records.size()))));
  if (const std::int64_t units = count_units(setup); units < shard.count)
    progress.note(
        fmt::format("The records make {} of the units that parts share out, fewer than the {} parts: some "
                    "parts have nothing to do.",
                    count_text(units), count_text(shard.count)));
}

// Where results of all records are: the contenders' own folders, or those that parts are joined into. None
// while parts are missing.
std::vector<fs::path> Benchmark::State::finished_folders() const {
  const std::vector<fs::path> folders = contenders.folders(options.out);
  if (shard.count == 1) return folders;
  for (const fs::path& folder : folders)
    if (!join_shards(options.out, shard.count, fs::relative(folder, options.out))) return {};
  return folders;
}

BenchmarkOutcome Benchmark::State::outcome(Progress& progress) const {
  BenchmarkOutcome outcome{options.out, {}, data.skipped_examples};
  if (group != nullptr) {
    progress.note("Waiting for the other processes.");
    group->wait_for_all();
    if (group->rank() > 0) return outcome;
  }
  const std::vector<fs::path> folders = finished_folders();
  if (folders.empty() && group != nullptr)
    throw Error(ErrorKind::kIo, options.out.string() +
                                    " does not hold the parts of all processes; the option out must name a "
                                    "folder that all hosts share");
  if (folders.empty())
    progress.note(
        fmt::format("Part {}/{} is done; the figures come when all parts are.", shard.index, shard.count));
  for (const fs::path& folder : folders) outcome.methods.push_back(read_results(folder));
  return outcome;
}

Benchmark::Benchmark(const BenchmarkOptions& options, ShardGroup* group) {
  require_sound(options);
  require_shardable(options.mode, shard_of(options, group));
  require_writable_folder(options.out);
  state_ = std::make_unique<State>(options, group);
  require_same_parts(options.out, state_->shard.count, state_->contenders.folders(options.out));
  state_->forms = parse_forms(options.forms);
  if (!state_->forms.empty()) state_->form_templates = read_form_templates(options.forms_file);
  state_->data = read_benchmark_data(options);
  state_->references = read_references(options);
}

Benchmark::~Benchmark() = default;
Benchmark::Benchmark(Benchmark&&) noexcept = default;

std::vector<fs::path> Benchmark::outputs() const {
  const fs::path& out = state_->options.out;
  std::vector<fs::path> files = {out / kHtmlReport, out / kMarkdownReport};
  const auto add = [&](const fs::path& base) {
    for (const fs::path& folder : state_->contenders.folders(base))
      for (const char* name :
           {kSummaryFile, kRecordsFile, kRunFile, kSecondsFile, kRetentionFile, kStepsFolder, kCurveFolder})
        files.push_back(folder / name);
  };
  add(out);
  const std::int64_t parts = state_->shard.count;
  for (std::int64_t i = 0; parts > 1 && i < parts; ++i) add(out / shard_folder(i, parts));
  return files;
}

BenchmarkOutcome Benchmark::run(Model& model, Progress& progress, const BenchmarkConditions& conditions) {
  State& state = *state_;
  const BenchmarkOptions& options = state.options;
  EvalSetup setup;
  setup.first_record = options.first_record;
  setup.mode = options.mode;
  setup.curve = options.curve;
  setup.shard = state.shard;
  setup.metrics = state.metrics();
  setup.other_form = state.other_form(model);
  setup.natural_tokens = options.natural;
  setup.sampled = options.sampled;
  setup.temperature = options.temperature;
  if (options.natural > 0 && end_tokens(model.tokenizer()).empty())
    throw Error(
        ErrorKind::kConfig,
        "the option natural asks for texts that the model ends itself, and its tokenizer has no token "
        "that ends a text");
  setup.skip_true = find_dataset(options.dataset).opposed_targets;
  setup.known_only = options.known;
  setup.token_budget = conditions.token_budget;
  setup.resume = options.resume;
  first_then_others(state.group, [&] {
    state.contenders.settle(model, conditions.token_budget, state.data.records.front().request, progress);
  });
  state.fit(model, setup);
  state.add_forms(model, setup);
  setup.drift_rows =
      benchmark_drift_rows(options, model, state.contenders.prefix(), state.contenders.held_text());
  setup.wants_drift = options.drift_tokens > 0;
  const EvalSummary header = state.header(model, conditions, setup);
  state.tell_about_parts(setup, progress);
  run_eval(model, setup, state.contenders.make(header, state.own_folder()), progress);
  return state.outcome(progress);
}

BenchmarkOutcome run_benchmark(Model& model, const BenchmarkOptions& options, Progress& progress,
                               ShardGroup* group) {
  return Benchmark(options, group).run(model, progress);
}

}  // namespace emend
