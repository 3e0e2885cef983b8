// emend eval
#include <algorithm>
#include <chrono>
#include <iostream>
#include <iterator>

#include "analysis/prompt_rows.h"
#include "base/atomic_file.h"
#include "base/fingerprint.h"
#include "base/strings.h"
#include "base/text_file.h"
#include "cli/command.h"
#include "cli/eval_compare.h"
#include "cli/eval_contenders.h"
#include "cli/exit_code.h"
#include "pipeline/held_text.h"
#include "cli/load_model.h"
#include "cli/output_check.h"
#include "emend/checks.h"
#include "emend/dataset.h"
#include "emend/error.h"
#include "eval/fit.h"
#include "eval/metrics/consistency.h"
#include "eval/results/html_report.h"
#include "eval/results/markdown_report.h"
#include "eval/results/results_file.h"
#include "eval/results/summary_table.h"
#include "eval/run.h"
#include "eval/shards.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;
using Clock = std::chrono::steady_clock;

struct EvalCommandOptions {
  ContenderOptions contenders;
  std::string dataset, data, records, mode = "single", out, shard, form = "raw", snippets, drift_text;
  std::int64_t generations = -1;  // of a record at most; -1: all
  std::int64_t drift_tokens = 256;
  bool resume = false, known = false, plus = false;
};

Parsed parse_eval(const std::vector<std::string>& arguments, EvalCommandOptions& options) {
  Syntax syntax;
  syntax.command = "eval";
  syntax.synopsis = "--dataset NAME --data FILE --out DIR --model M [OPTIONS]\n       emend eval compare A B";
  syntax.help =
      "Edits the records of a data set and measures the edited models against the unedited one: efficacy, paraphrase, "
      "neighbourhood, generated text, drift. Writes summary.json, records.jsonl, report.md and report.html.";
  syntax.uses_statistics = true;
  auto& contenders = options.contenders;
  syntax.own.add_options()("dataset", po::value(&options.dataset)->value_name("NAME"),
                           "form of the data: counterfact, counterfact-flat, zsre, zsre-alt, known, knowedit, fastedit, emend")(
      "data", po::value(&options.data)->value_name("FILE"), "the data file")(
      "method", po::value(&contenders.methods)->composing()->value_name("M"), "an editor with its defaults; may be given again")(
      "options", po::value(&contenders.files)->composing()->value_name("FILE"),
      "YAML with label, method, layer, statistics, options: one more method on the same records; may be given again")(
      "layer", po::value(&contenders.layer)->value_name("N"), "edit this layer where an options file names none")(
      "records", po::value(&options.records)->value_name("A:B"), "only records A to B - 1 of the usable ones, counted from 0")(
      "known", po::bool_switch(&options.known), "only records whose present answer the unedited model gives")(
      "mode", po::value(&options.mode)->value_name("MODE")->default_value("single"),
      "single: each record on a fresh model; batch:N: N records together; sequential:N: N at a time onto the same model")(
      "out", po::value(&options.out)->value_name("DIR"), "folder of the results")(
      "resume", po::bool_switch(&options.resume), "take up the run that was begun in --out")(
      "shard", po::value(&options.shard)->value_name("i/N"), "only part i of N, from 0; the last part to end joins all")(
      "form", po::value(&options.form)->value_name("FORM")->default_value("raw"), "raw, or chat")(
      "plus", po::bool_switch(&options.plus), "also CounterFact+: neighbours after the edited statement, and their divergence")(
      "generations", po::value(&options.generations)->value_name("N"),
      "free texts a record at most, for fluency and consistency (all that the data has)")(
      "snippets", po::value(&options.snippets)->value_name("FILE"), "reference texts for consistency (attribute_snippets.json)")(
      "drift-text", po::value(&options.drift_text)->value_name("FILE"),
      "plain text on which drift is measured (text that the statistics held back)")(
      "drift-tokens", po::value(&options.drift_tokens)->value_name("N")->default_value(256),
      "tokens of that text; 0: drift is not measured");
  if (parse_options(syntax, arguments, contenders.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!options.dataset.empty(), "eval", "--dataset NAME");
  require_given(!options.data.empty(), "eval", "--data FILE");
  require_given(!options.out.empty(), "eval", "--out DIR");
  require_given(!contenders.common.model.empty(), "eval", "--model PATH");
  require_at_least("drift-tokens", options.drift_tokens, 0);
  require_at_least("generations", options.generations, -1);
  return Parsed::kRun;
}

// "A:B", "A:" or ":B".
std::pair<std::int64_t, std::int64_t> parse_range(const std::string& text, std::int64_t size) {
  if (text.empty()) return {0, size};
  const std::size_t colon = text.find(':');
  const auto number = [&](const std::string& part, std::int64_t fallback) -> std::int64_t {
    if (part.empty()) return fallback;
    if (part.size() > 12 || part.find_first_not_of("0123456789") != std::string::npos) return -1;
    return std::stoll(part);
  };
  const std::int64_t begin = colon == std::string::npos ? -1 : number(text.substr(0, colon), 0);
  const std::int64_t end = colon == std::string::npos ? -1 : number(text.substr(colon + 1), size);
  if (begin >= size)
    throw Error(ErrorKind::kUsage, "--records " + text + ": the file has " + std::to_string(size) + " usable records");
  if (begin < 0 || end < 0 || begin >= end)
    throw Error(ErrorKind::kUsage, "--records must be A:B with 0 <= A < B, found " + quote(text));
  return {begin, std::min(end, size)};
}

Shard parse_shard(const std::string& text) {
  if (text.empty()) return {};
  const std::size_t slash = text.find('/');
  const auto digits = [](const std::string& part) {
    return !part.empty() && part.size() <= 6 && part.find_first_not_of("0123456789") == std::string::npos;
  };
  if (slash != std::string::npos && digits(text.substr(0, slash)) && digits(text.substr(slash + 1))) {
    const Shard shard{std::stoll(text.substr(0, slash)), std::stoll(text.substr(slash + 1))};
    if (shard.count >= 1 && shard.index < shard.count) return shard;
  }
  throw Error(ErrorKind::kUsage, "--shard must be i/N with 0 <= i < N, found " + quote(text));
}

DatasetFile read_data(const EvalCommandOptions& options) {
  const fs::path path = options.data;
  const std::string ending = path.extension().string();
  if (options.dataset == "emend" && (ending == ".yaml" || ending == ".yml")) {
    DatasetFile data = records_of(read_edit_file(path));
    data.notes.push_back("Only the edits of the edit file were used: model, method, layer, options, form, bos, statistics and "
                         "checks are the command line's.");
    return data;
  }
  return read_dataset(options.dataset, path);
}

// zsRE asks for true answers: there is no present answer that the target has to beat, and a model that gives the target
// already is right, not spared.
bool has_opposed_targets(const std::string& dataset) { return dataset != "zsre"; }

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
void note_questions(const EvalCommandOptions& options, const EvalSetup& setup, const std::vector<std::int64_t>& prefix,
                    const std::optional<Snippets>& snippets, EvalSummary& header) {
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
    return cut_rows(held_rows(model, contenders.prefix(), {read_text_file(options.drift_text)}), options.drift_tokens);
  return cut_rows(contenders.held_text(), options.drift_tokens);
}

EvalSummary header_of(const EvalCommandOptions& options, const Model& model, const DatasetFile& data, const EvalMode& mode) {
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

// Tables on the terminal, report.md and report.html, --json.
void report(const fs::path& out, const std::vector<fs::path>& folders, Console& console) {
  std::vector<EvalResults> runs;
  std::vector<EvalSummary> summaries;
  ResultJson json = ResultJson::array();
  for (const fs::path& folder : folders) {
    runs.push_back(read_results(folder));
    summaries.push_back(runs.back().summary);
    json.push_back(summary_to_json(summaries.back()));
  }
  write_file_atomically(out / "report.md", markdown_report(summaries));
  write_file_atomically(out / "report.html", html_report(runs));
  std::cout << summary_text(summaries, console.columns()) << "\nReports: " << (out / "report.html").string() << ", "
            << (out / "report.md").string() << "\n";
  console.write_json(json);
}

int run_eval_command(const EvalCommandOptions& options) {
  const auto began = Clock::now();
  const EvalMode mode = parse_eval_mode(options.mode);
  const PromptForm form = parse_form(options.form);
  if (options.known && !has_opposed_targets(options.dataset))
    throw Error(ErrorKind::kUsage, "--known does not go with --dataset " + options.dataset +
                                       ": its records name no present answer that the model could know");
  const CommonOptions& common = options.contenders.common;
  EvalSetup setup;
  setup.mode = mode;
  setup.shard = parse_shard(options.shard);
  require_shardable(setup);
  setup.known_only = options.known;
  setup.resume = options.resume;
  setup.token_budget = common.token_budget;
  Console console(common);
  require_writable_folder(options.out);
  ContenderSet contenders(options.contenders);  // refuses unknown methods and options
  DatasetFile data = read_data(options);
  const auto [begin, end] = parse_range(options.records, static_cast<std::int64_t>(data.records.size()));
  setup.first_record = begin;
  setup.records.assign(std::make_move_iterator(data.records.begin() + begin), std::make_move_iterator(data.records.begin() + end));
  limit_generations(setup.records, options.generations);
  std::optional<Snippets> snippets;
  if (!options.snippets.empty()) snippets.emplace(options.snippets);
  setup.metrics.push_back(make_rewrite_metric());
  setup.metrics.push_back(make_token_accuracy_metric());
  setup.metrics.push_back(make_writing_metric(snippets ? &*snippets : nullptr));
  if (options.plus) setup.metrics.push_back(make_counterfact_plus_metric());
  console.keep_json_apart({{options.data, options.snippets, options.drift_text}, common.model, {}});

  Model model = load_model(common.model, common, console);
  const double load = std::chrono::duration<double>(Clock::now() - began).count();
  contenders.meet(model, form, console);  // layers, statistics
  setup.skip_true = has_opposed_targets(options.dataset);
  const FitOptions fit{has_opposed_targets(options.dataset), options.plus, setup.extra_tokens};
  fit_records(model, setup.records, check_options(contenders.prefix(), form, common), fit, data);
  setup.drift_rows = drift_rows(options, model, contenders);

  EvalSummary header = header_of(options, model, data, mode);
  header.seconds["load"] = load;
  note_questions(options, setup, contenders.prefix(), snippets, header);
  const fs::path out = options.out;
  const fs::path base = setup.shard.count > 1 ? out / shard_folder(setup.shard.index, setup.shard.count) : out;
  const std::vector<Contender> all = contenders.make(header, base);
  run_eval(model, setup, all, console.progress());
  std::vector<fs::path> folders;
  for (const Contender& contender : all) folders.push_back(contender.folder);
  if (setup.shard.count > 1) {
    std::vector<fs::path> joined;
    for (const fs::path& folder : folders) {
      const fs::path inner = fs::relative(folder, base);
      if (join_shards(out, setup.shard.count, inner)) joined.push_back((out / inner).lexically_normal());
    }
    if (joined.size() < folders.size()) {
      console.note("Part " + options.shard + " is done; the figures come when all parts are.");
      return kExitDone;
    }
    folders = joined;
  }
  report(out, folders, console);
  return kExitDone;
}

}  // namespace

int eval_command(const std::vector<std::string>& arguments) {
  if (!arguments.empty() && arguments.front() == "compare")
    return eval_compare_command({arguments.begin() + 1, arguments.end()});
  EvalCommandOptions options;
  if (parse_eval(arguments, options) == Parsed::kAnswered) return kExitDone;
  return run_eval_command(options);
}

}  // namespace emend
