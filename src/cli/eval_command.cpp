// emend eval
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "analysis/layer_choice.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/command_frame.h"
#include "cli/layer_option.h"
#include "cli/process_group_run.h"
#include "console/option_values.h"
#include "emend/dataset.h"
#include "emend/editor.h"
#include "emend/error.h"
#include "emend/eval_run.h"
#include "emend/report.h"
#include "emend/reproduce.h"
#include "eval/results/repeatable_files.h"
#include "reports/eval_report.h"

namespace emend {
namespace {

struct EvalArguments {
  BenchmarkOptions run;
  std::vector<std::string> methods;                 // --method
  std::vector<std::filesystem::path> method_files;  // --options
  std::optional<LayerChoice> layer;
  std::optional<std::int64_t> generations;
  bool reproduce_texts = false;
};

std::string dataset_help() {
  std::vector<std::string> names;
  for (const DatasetHelp& dataset : list_datasets()) names.push_back(dataset.name);
  return "form of the data: " + join(names);
}

void add_record_options(OptionList& options, EvalArguments& asked) {
  BenchmarkOptions& run = asked.run;
  static const std::string datasets = dataset_help();
  options.text("dataset", run.dataset, "NAME", datasets.c_str(), Use::kNeeded)
      .check([&] { find_dataset(run.dataset); })  // throws for an unknown one
      .text("data", run.data, "FILE", "the data file", Use::kReads)
      .repeated("method", asked.methods, "M",
                "an editor with its defaults, or in-context (the facts in front of every prompt); may be "
                "given again")
      .check([&] {
        for (const std::string& method : asked.methods)
          require_method("--method", method, benchmark_editors());
        require_given(!run.data.empty(), "eval", "--data FILE");
      })
      .repeated("options", asked.method_files, "FILE",
                "YAML with label, method, layer, statistics, options, protect, end: one more method on the "
                "same records; may be "
                "given again",
                Use::kReads);
  add_layer_option(
      options, asked.layer,
      "where an options file names no layer: edit this one (a number), the one by depth (depth), or "
      "the one of a decision that is kept, else that by depth (auto)");
  options
      .value("records", "A:B", "only records A to B - 1 of the usable ones, counted from 0",
             [&](const std::string& text) { std::tie(run.first_record, run.end_record) = parse_range(text); })
      .flag("known", run.known, "only records whose present answer the unedited model gives")
      .value(
          "mode", "MODE",
          "single: each record on a fresh model; batch:N: N records together; sequential:N: N at a time onto "
          "the same model",
          [&](const std::string& text) { run.mode = parse_eval_mode(text); }, "single")
      .value("curve", "A,B,...",
             "in sequential mode: measure also after so many edits, or none (1,10,100,300,1000,3000,10000)",
             [&](const std::string& text) { run.curve = parse_curve(text); })
      .text("out", run.out, "DIR", "folder of the results", Use::kNeeded)
      .flag("resume", run.resume, "take up the run that was begun in --out")
      .flag("reproduce-texts", asked.reproduce_texts,
            "put the texts of data and options files into reproduce.json, which emend reproduce takes")
      .value("shard", "i/N",
             "only part i of N, from 0; the last part to end joins all (mpirun makes the parts by itself)",
             [&](const std::string& text) { std::tie(run.shard, run.shards) = parse_shard(text); });
}

void add_question_options(OptionList& options, EvalArguments& asked) {
  BenchmarkOptions& run = asked.run;
  options
      .value(
          "form", "FORM", "raw, or chat", [&](const std::string& text) { run.form = parse_form(text); },
          "raw")
      .flag(
          "both-forms", run.both_forms,
          "also ask the prompt, its paraphrases and the neighbours in the other form: raw beside chat, chat "
          "beside raw")
      .flag("edited-neighbours", run.edited_neighbours,
            "in batch and sequential mode also ask neighbours that the same edit rewrites")
      .flag("plus", run.plus,
            "also CounterFact+: neighbours after the edited statement, and their divergence")
      .from(
          0, "other-subjects", run.other_subjects, "N",
          "measure bleed on N other subjects of each record that names none: those of other records with the "
          "same prompt around them")
      .flag("hold-out", run.hold_out,
            "measure bleed at every second other subject of a record, and protect only the rest and other "
            "names (methods with protect)")
      .number(
          "natural", run.natural, "N",
          "also *_natural: does the model give the answer and end the text itself, within N tokens? 0: not "
          "asked")
      .value("forms", "LIST",
             "also these forms of each fact, built from templates of its relation: all, or some of negation, "
             "fact-check, choice, reversed, same-subject, alias, one-hop, with commas between them",
             [&](const std::string& text) { run.forms = text; })
      .text("forms-file", run.forms_file, "FILE",
            "YAML with wordings of relations beside those that emend has (docs/forms.md)", Use::kReads)
      .from(0, "sampled", run.sampled, "N",
            "also *_sampled: of N texts of each prompt, drawn at --temperature with --seed, the share that "
            "begins with the answer; 0: none",
            1000)
      .number("temperature", run.temperature, "T", "of the texts of --sampled, above 0")
      .from(-1, "generations", asked.generations, "N",
            "free texts a record at most, for fluency and consistency (all that the data has)")
      .text("snippets", run.snippets, "FILE", "reference texts for consistency (attribute_snippets.json)",
            Use::kReads)
      .text("idf", run.idf, "DIR",
            "word weights for consistency: a folder with the papers' idf.npy and tfidf_vocab.json (those of "
            "--snippets)",
            Use::kReads)
      .text("drift-text", run.drift_text, "FILE",
            "plain text on which drift is measured (text that the statistics held back)", Use::kReads)
      .from(0, "drift-tokens", run.drift_tokens, "N", "tokens of that text; 0: drift is not measured");
}

void add_eval_options(CommandFrame& frame, EvalArguments& asked) {
  frame.syntax.uses_statistics = true;
  add_record_options(frame.options, asked);
  add_question_options(frame.options, asked);
  frame.options.needs_model().check([&] {
    require_given(asked.run.idf.empty() || !asked.run.snippets.empty(), "eval",
                  "--snippets FILE, whose words --idf weighs,");
  });
  const BenchmarkOptions& run = asked.run;
  frame.options
      .only_with("--mode batch:N or sequential:N", {"edited-neighbours"},
                 [&run] { return run.mode.kind != EvalMode::Kind::kSingle; })
      .only_with("--sampled N", {"temperature"}, [&run] { return run.sampled > 0; })
      .only_with("--drift-tokens above 0", {"drift-text"}, [&run] { return run.drift_tokens != 0; });
}

// What every method has in its own options file changes nothing on the command line.
void require_use(const EvalArguments& asked, const CommonOptions& common,
                 const std::vector<MethodFile>& methods) {
  const auto refuse = [&](const char* option, bool given, const auto& is_own) {
    if (given && !methods.empty() && std::all_of(methods.begin(), methods.end(), is_own))
      throw Error(ErrorKind::kUsage,
                  fmt::format("eval: {} changes nothing: every --options FILE names its own", option));
  };
  refuse("--layer", asked.layer.has_value(),
         [](const MethodFile& method) { return !method.layer.layers.empty() || is_by_depth(method.layer); });
  refuse("--statistics", !common.statistics.empty(),
         [](const MethodFile& method) { return !method.statistics.empty(); });
}

// Behind the parsing: all that the library takes. Throws what read_method_file throws.
BenchmarkOptions benchmark_options(const CommandFrame& frame, const EvalArguments& asked) {
  BenchmarkOptions benchmark = asked.run;
  benchmark.methods = benchmark_methods(asked.methods, asked.method_files);
  require_use(asked, frame.common, benchmark.methods);
  if (asked.layer) benchmark.layer = *asked.layer;
  benchmark.generations = asked.generations.value_or(benchmark.generations);
  benchmark.statistics = frame.common.statistics;
  benchmark.bos = frame.bos();
  benchmark.seed = frame.common.seed;
  return benchmark;
}

using Clock = std::chrono::steady_clock;

void require_no_parts_under_mpirun(const BenchmarkOptions& benchmark) {
  if (benchmark.shards > 1) throw Error(ErrorKind::kUsage, "mpirun makes the parts: leave out --shard");
  if (benchmark.mode.kind == EvalMode::Kind::kSequential)
    throw Error(
        ErrorKind::kUsage,
        "--mode sequential does not go with mpirun: every step builds on the one before; start it alone");
}

// The model on the device of this process, and a token budget that all processes can keep. The results note
// that budget, and the device as it was asked for, so that the parts of all processes are those of one run.
Model load_own_model(CommonOptions& common, ProcessGroup* group, Console& console) {
  CommonOptions own = common;
  own.device = own_device(common.device, group);
  Model model = load_model(own.model, own, console);
  fit_token_budget(model, own, console);
  common.token_budget = group != nullptr ? group->least(own.token_budget) : own.token_budget;
  return model;
}

// What `emend reproduce` needs to do it again.
FinishedRun finished_benchmark(const std::vector<std::string>& arguments, const EvalArguments& asked,
                               const CommonOptions& common, const BenchmarkOutcome& outcome) {
  FinishedRun run;
  run.command = "eval";
  run.arguments = arguments;
  run.inputs = {{"data", asked.run.data},
                {"snippets", asked.run.snippets},
                {"idf", asked.run.idf},
                {"drift-text", asked.run.drift_text},
                {"forms-file", asked.run.forms_file},
                {"statistics", common.statistics}};
  for (const std::filesystem::path& file : asked.method_files) run.inputs.emplace_back("options", file);
  run.seed = common.seed;
  run.token_budget = common.token_budget;
  for (const EvalResults& method : outcome.methods)
    run.statistics += (run.statistics.empty() ? "" : " ") + method.summary.statistics_fingerprint;
  run.folder = outcome.out;
  run.outputs = repeatable_files(outcome);
  run.with_texts = asked.reproduce_texts;
  return run;
}

int show_benchmark(CommandFrame& frame, const BenchmarkOutcome& outcome, Console& console) {
  const std::vector<std::filesystem::path> written = write_eval_reports(outcome);
  return frame.show(console,
                    full_report(outcome, {console.columns()}) + "Reports: " + written[0].string() + ", " +
                        written[1].string() + "\n",
                    to_json(outcome));
}

int run_benchmark_command(const std::vector<std::string>& arguments) {
  EvalArguments asked;
  CommandFrame frame(
      "eval",
      "--dataset NAME --data FILE --out DIR --model M [OPTIONS]\n       emend eval compare A B\n"
      "       emend eval abilities --model M --data FILE...\n"
      "       emend eval kl --model M (--base FILE | --write-base FILE)\n"
      "       emend eval survive --model M --patch P... --types T...",
      "Edits the records of a data set and measures the edited models against the unedited one: efficacy, "
      "paraphrase, neighbourhood, generated text, drift. Writes summary.json, records.jsonl, report.md and "
      "report.html.\nStarted by mpirun, all processes share the records, with --device cuda on a GPU each.");
  frame.syntax.examples = {
      "eval --dataset counterfact --data counterfact.json --records 0:100 --model model.gguf --out results"};
  add_eval_options(frame, asked);
  frame.late_outputs = true;
  return frame.run_in_group(arguments, [&](Console& console, ProcessGroup* group, std::string& what_stays) {
    const auto began = Clock::now();
    const BenchmarkOptions how = benchmark_options(frame, asked);
    if (group != nullptr) require_no_parts_under_mpirun(how);
    Benchmark benchmark(how, group);
    OtherFiles written{benchmark.outputs(), {}, {}};
    written.files.push_back(how.out / kReproduceFile);
    console.keep_json_apart(written);
    console.open_log();
    Model model = load_own_model(frame.common, group, console);
    const double load = std::chrono::duration<double>(Clock::now() - began).count();
    what_stays = "records that are finished stay, and --resume goes on from there";
    const CommonOptions& common = frame.common;
    const BenchmarkOutcome outcome = benchmark.run(model, console.progress(), {common.token_budget, load});
    if (outcome.methods.empty()) return kExitDone;
    leave_reproduce_file(outcome.out / kReproduceFile, finished_benchmark(arguments, asked, common, outcome),
                         model);
    return show_benchmark(frame, outcome, console);
  });
}

const std::vector<Command> kEvalCommands = {
    {"compare", "compare two runs record by record", eval_compare_command},
    {"abilities", "ask multiple-choice items before and after an edit", eval_abilities_command},
    {"kl", "how far a model is from a base file of llama.cpp on a text", eval_kl_command},
    {"survive", "what is left of an edit in fewer bits and after further edits", eval_survive_command},
};

}  // namespace

int eval_command(const std::vector<std::string>& arguments) {
  return run_command_or("eval ", kEvalCommands, arguments, run_benchmark_command);
}

}  // namespace emend
