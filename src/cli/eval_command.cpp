// emend eval
#include <algorithm>
#include <chrono>
#include <iterator>

#include "analysis/prompt_rows.h"
#include "base/fingerprint.h"
#include "base/strings.h"
#include "base/text_file.h"
#include "cli/command.h"
#include "cli/eval_compare.h"
#include "cli/eval_options.h"
#include "cli/eval_report.h"
#include "cli/exit_code.h"
#include "cli/load_model.h"
#include "cli/output_check.h"
#include "cli/process_group_run.h"
#include "cli/shard_option.h"
#include "emend/checks.h"
#include "emend/dataset.h"
#include "emend/error.h"
#include "eval/edited_neighbours.h"
#include "eval/fit.h"
#include "eval/metrics/consistency.h"
#include "eval/metrics/idf_file.h"
#include "eval/results/results_file.h"
#include "eval/run.h"
#include "eval/run_folder.h"
#include "eval/shards.h"
#include "measure/drift.h"
#include "report/numbers.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

DatasetFile read_data(const EvalCommandOptions& options) {
  const fs::path path = options.data;
  const std::string ending = path.extension().string();
  if (options.dataset == "emend" && (ending == ".yaml" || ending == ".yml")) {
    DatasetFile data = records_of(read_edit_file(path));
    data.notes.emplace_back(
        "Only the edits of the edit file were used: model, method, layer, options, form, bos, statistics and "
        "checks are the command line's.");
    return data;
  }
  return read_dataset(options.dataset, path);
}

// zsRE asks for true answers: there is no present answer that the target has to beat, and a model that gives
// the target already is right, not spared.
bool has_opposed_targets(const std::string& dataset) {
  return dataset != "zsre";
}

void limit_generations(std::vector<EvalRecord>& records, std::int64_t most) {
  for (EvalRecord& record : records)
    if (most >= 0 && record.generations.size() > static_cast<std::size_t>(most))
      record.generations.resize(static_cast<std::size_t>(most));
}

std::string hash_of_rows(const TextRows& rows) {
  Sha256 hash;
  for (const auto& row : rows) {
    hash.update_number(row.size());
    for (const std::int64_t id : row) hash.update_number(static_cast<std::uint64_t>(id));
  }
  return hash.hex().substr(0, 16);
}

// What was asked, beside the method's own options: kept in the results, compared when a run is taken up.
void note_questions(const EvalCommandOptions& options, const EvalSetup& setup,
                    const std::vector<std::int64_t>& prefix, const std::optional<Snippets>& snippets,
                    EvalSummary& header) {
  header.options["form"] = options.form;
  header.options["bos_ids"] = join([&] {
    std::vector<std::string> ids;
    for (const std::int64_t id : prefix) ids.push_back(std::to_string(id));
    return ids;
  }());
  header.options["known"] = options.known ? "true" : "false";
  header.options["plus"] = options.plus ? "true" : "false";
  header.options["generations"] = options.generations < 0 ? "all" : std::to_string(options.generations);
  header.options["drift_text"] = setup.drift_rows.empty() ? "none" : hash_of_rows(setup.drift_rows);
  header.options["snippets"] = snippets ? snippets->fingerprint() : "none";
  if (setup.mode.kind != EvalMode::Kind::kSingle)
    header.options["edited_neighbours"] = options.edited_neighbours ? "asked" : "left out";
}

// The first `tokens` tokens of the rows.
TextRows cut_rows(TextRows rows, std::int64_t tokens) {
  TextRows kept;
  for (auto& row : rows) {
    if (tokens < 2) break;
    if (static_cast<std::int64_t>(row.size()) > tokens) row.resize(static_cast<std::size_t>(tokens));
    tokens -= static_cast<std::int64_t>(row.size());
    kept.push_back(std::move(row));
  }
  return kept;
}

TextRows drift_rows(const EvalCommandOptions& options, const Model& model, const ContenderSet& contenders) {
  if (options.drift_tokens == 0) return {};
  if (!options.drift_text.empty())
    return cut_rows(held_rows(model, contenders.prefix(), {read_text_file(options.drift_text)}),
                    options.drift_tokens);
  return cut_rows(contenders.held_text(), options.drift_tokens);
}

EvalSummary header_of(const EvalCommandOptions& options, const Model& model, const DatasetFile& data,
                      const EvalMode& mode) {
  const CommonOptions& common = options.contenders.common;
  EvalSummary header;
  header.emend = emend_version();
  header.model_path = common.model;
  header.model_fingerprint = model.fingerprint();
  header.family = model.config().family;
  header.dataset = options.dataset;
  header.data_path = options.data;
  header.data_fingerprint = sha256_hex(read_text_file(options.data));
  header.mode = mode.text();
  header.seed = common.seed;
  header.token_budget = common.token_budget;
  header.dtype = common.dtype;
  header.device = common.device;
  header.skipped = data.skipped;
  header.notes = data.notes;
  return header;
}

// What --json must not overwrite: all that is read, and the files of the results.
OtherFiles other_files(const EvalCommandOptions& options, const ContenderSet& contenders,
                       std::int64_t parts) {
  OtherFiles others{
      {options.data, options.snippets, options.drift_text, options.idf}, options.contenders.common.model, {}};
  others.files.insert(others.files.end(), options.contenders.files.begin(), options.contenders.files.end());
  for (const char* name : {"report.md", "report.html"}) others.files.push_back(fs::path(options.out) / name);
  std::vector<fs::path> folders = contenders.folders(options.out);
  for (std::int64_t i = 0; parts > 1 && i < parts; ++i)
    for (fs::path& folder : contenders.folders(fs::path(options.out) / shard_folder(i, parts)))
      folders.push_back(std::move(folder));
  for (const fs::path& folder : folders)
    for (const char* name : {kSummaryFile, kRecordsFile, kRunFile, "seconds.json", "retention.json"})
      others.files.push_back(folder / name);
  if (!options.contenders.common.statistics.empty())
    others.statistics.push_back(options.contenders.common.statistics);
  return others;
}

// Why the table will have no consistency; empty when it will.
std::string without_consistency(const std::vector<EvalRecord>& records,
                                const std::optional<Snippets>& snippets) {
  const std::string not_measured = "Consistency was not measured: ";
  if (std::all_of(records.begin(), records.end(),
                  [](const EvalRecord& record) { return record.generations.empty(); }))
    return not_measured + "the records have no prompts to write from.";
  if (!snippets) return not_measured + "no reference texts were given (--snippets).";
  if (std::none_of(records.begin(), records.end(), [&](const EvalRecord& record) {
        return snippets->has(record.relation, record.target_id);
      }))
    return not_measured + "the reference texts hold none of these records' relations and targets.";
  return "";
}

// Reference texts with their word weights; the weights' fingerprint into `idf`, when they are given.
std::optional<Snippets> read_snippets(const EvalCommandOptions& options, std::string& idf) {
  if (options.snippets.empty()) return std::nullopt;
  if (options.idf.empty()) return Snippets(options.snippets);
  IdfFiles files = read_idf(options.idf);
  idf = files.fingerprint;
  return Snippets(options.snippets, std::move(files.idf));
}

// Where results of all records are: the contenders' own folders, or those that parts are joined into; none
// while parts are missing.
std::vector<fs::path> finished_folders(const std::vector<Contender>& contenders, const Shard& shard,
                                       const fs::path& out, const fs::path& base) {
  std::vector<fs::path> folders;
  for (const Contender& contender : contenders) {
    if (shard.count == 1) {
      folders.push_back(contender.folder);
      continue;
    }
    const fs::path inner = fs::relative(contender.folder, base);
    if (!join_shards(out, shard.count, inner)) return {};
    folders.push_back((out / inner).lexically_normal());
  }
  return folders;
}

// --shard, or this process's place among those that mpirun started.
Shard own_shard(const EvalCommandOptions& options, const EvalMode& mode, const ProcessGroup* group) {
  const auto [index, count] = parse_shard(options.shard);
  if (!group) return {index, count};
  if (!options.shard.empty()) throw Error(ErrorKind::kUsage, "mpirun makes the parts: leave out --shard");
  if (mode.kind == EvalMode::Kind::kSequential)
    throw Error(
        ErrorKind::kUsage,
        "--mode sequential does not go with mpirun: every step builds on the one before; start it alone");
  return {group->rank(), group->size()};
}

// The model on the device of this process, and a token budget that all processes can keep: the results note
// it, and the device as it was asked for, so that the parts of all processes are those of one run.
Model load_own_model(CommonOptions& common, ProcessGroup* group, Console& console) {
  CommonOptions own = common;
  own.device = own_device(common.device, group);
  Model model = load_model(own.model, own, console);
  fit_token_budget(model, own, console);
  common.token_budget = group ? group->least(own.token_budget) : own.token_budget;
  return model;
}

int run_eval_command(EvalCommandOptions& options, ProcessGroup* group, std::string& what_stays) {
  const auto began = Clock::now();
  const EvalMode mode = parse_eval_mode(options.mode);
  const PromptForm form = parse_form(options.form);
  if (options.known && !has_opposed_targets(options.dataset))
    throw Error(ErrorKind::kUsage, "--known does not go with --dataset " + options.dataset +
                                       ": its records name no present answer that the model could know");
  CommonOptions& common = options.contenders.common;
  EvalSetup setup;
  setup.mode = mode;
  setup.shard = own_shard(options, mode, group);
  require_shardable(setup);
  setup.known_only = options.known;
  setup.resume = options.resume;
  Console console(common);
  require_writable_folder(options.out);
  ContenderSet contenders(options.contenders);  // refuses unknown methods and options
  require_same_parts(options.out, setup.shard.count, contenders.folders(options.out));
  DatasetFile data = read_data(options);
  const auto [begin, end] = parse_range(options.records, static_cast<std::int64_t>(data.records.size()));
  setup.first_record = begin;
  setup.records.assign(std::make_move_iterator(data.records.begin() + begin),
                       std::make_move_iterator(data.records.begin() + end));
  limit_generations(setup.records, options.generations);
  std::string idf = "of the snippets";
  const std::optional<Snippets> snippets = read_snippets(options, idf);
  setup.metrics.push_back(make_rewrite_metric());
  setup.metrics.push_back(make_token_accuracy_metric());
  setup.metrics.push_back(make_writing_metric(snippets ? &*snippets : nullptr));
  if (options.plus) setup.metrics.push_back(make_counterfact_plus_metric());
  console.keep_json_apart(other_files(options, contenders, setup.shard.count));

  Model model = load_own_model(common, group, console);
  setup.token_budget = common.token_budget;
  const double load = std::chrono::duration<double>(Clock::now() - began).count();
  first_then_others(group, [&] { contenders.meet(model, form, console); });  // layers, statistics
  setup.skip_true = has_opposed_targets(options.dataset);
  const FitOptions fit{has_opposed_targets(options.dataset), options.plus, setup.extra_tokens};
  fit_records(model, setup.records, check_options(contenders.prefix(), form, common), fit, data);
  if (!options.edited_neighbours)
    if (const std::int64_t out = leave_out_edited_neighbours(setup.records, mode); out > 0)
      data.notes.push_back("Neighbours that are themselves edited: " + std::to_string(out) + " left out.");
  if (const std::string why = without_consistency(setup.records, snippets); !why.empty())
    data.notes.push_back(why);
  setup.drift_rows = drift_rows(options, model, contenders);

  EvalSummary header = header_of(options, model, data, mode);
  header.seconds["load"] = load;
  note_questions(options, setup, contenders.prefix(), snippets, header);
  if (snippets) header.options["idf"] = idf;
  const fs::path out = options.out;
  const fs::path base =
      setup.shard.count > 1 ? out / shard_folder(setup.shard.index, setup.shard.count) : out;
  const std::vector<Contender> all = contenders.make(header, base);
  if (group)
    console.note(std::to_string(group->size()) + " processes share " +
                 count_text(static_cast<std::int64_t>(setup.records.size())) + " records.");
  if (const std::int64_t units = count_units(setup); units < setup.shard.count)
    console.note("The records make " + count_text(units) +
                 " of the units that parts share out, fewer than the " + count_text(setup.shard.count) +
                 " parts: some parts have nothing to do.");
  what_stays = "records that are finished stay, and --resume goes on from there";
  run_eval(model, setup, all, console.progress());
  if (group) {
    console.note("Waiting for the other processes.");
    group->wait_for_all();
    if (!is_first(group)) return kExitDone;
  }
  const std::vector<fs::path> folders = finished_folders(all, setup.shard, out, base);
  if (folders.empty() && group)
    throw Error(ErrorKind::kIo,
                out.string() +
                    " does not hold the parts of all processes; --out must be a folder that all hosts share");
  if (folders.empty()) {
    console.note("Part " + options.shard + " is done; the figures come when all parts are.");
    return kExitDone;
  }
  report_eval(out, folders, data.skipped_examples, console);
  return kExitDone;
}

}  // namespace

int eval_command(const std::vector<std::string>& arguments) {
  if (!arguments.empty() && arguments.front() == "compare")
    return eval_compare_command({arguments.begin() + 1, arguments.end()});
  EvalCommandOptions options;
  if (parse_eval(arguments, options) == Parsed::kAnswered) return kExitDone;
  return run_in_group(options.contenders.common, [&](ProcessGroup* group, std::string& what_stays) {
    return run_eval_command(options, group, what_stays);
  });
}

}  // namespace emend
