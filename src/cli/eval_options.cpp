#include "cli/eval_options.h"

#include <algorithm>
#include <tuple>

#include "base/number_text.h"
#include "base/strings.h"
#include "cli/load_model.h"
#include "cli/option_values.h"
#include "emend/dataset.h"
#include "emend/editor.h"
#include "emend/error.h"

namespace emend {
namespace {

void add_record_options(EvalCommandOptions& options, po::options_description& all) {
  auto add = all.add_options();
  add("dataset", po::value(&options.dataset)->value_name("NAME"),
      "form of the data: counterfact, counterfact-flat, zsre, zsre-alt, known, knowedit, fastedit, emend");
  add("data", po::value(&options.data)->value_name("FILE"), "the data file");
  add("method", po::value(&options.methods)->composing()->value_name("M"),
      "an editor with its defaults; may be given again");
  add("options", po::value(&options.method_files)->composing()->value_name("FILE"),
      "YAML with label, method, layer, statistics, options: one more method on the same records; may be "
      "given again");
  add("layer", po::value(&options.layer)->value_name("N")->notifier([](std::int64_t n) {
    require_at_least("layer", n, 0);
  }),
      "edit this layer where an options file names none");
  add("records", po::value(&options.records)->value_name("A:B"),
      "only records A to B - 1 of the usable ones, counted from 0");
  add("known", po::bool_switch(&options.known), "only records whose present answer the unedited model gives");
  add("mode", po::value(&options.mode)->value_name("MODE")->default_value("single"),
      "single: each record on a fresh model; batch:N: N records together; sequential:N: N at a time onto the "
      "same model");
  add("curve", po::value<std::string>()->value_name("A,B,...")->notifier([&options](const std::string& text) {
    options.curve = parse_curve(text);
  }),
      "in sequential mode: measure also after so many edits, or none (1,10,100,300,1000,3000,10000)");
  add("out", po::value(&options.out)->value_name("DIR"), "folder of the results");
  add("resume", po::bool_switch(&options.resume), "take up the run that was begun in --out");
  add("reproduce-texts", po::bool_switch(&options.reproduce_texts),
      "put the texts of data and options files into reproduce.json, which emend reproduce takes");
  add("shard", po::value(&options.shard)->value_name("i/N"),
      "only part i of N, from 0; the last part to end joins all (mpirun makes the parts by itself)");
}

void add_question_options(EvalCommandOptions& options, po::options_description& all) {
  auto add = all.add_options();
  add("form", po::value(&options.form)->value_name("FORM")->default_value("raw"), "raw, or chat");
  add("edited-neighbours", po::bool_switch(&options.edited_neighbours),
      "in batch and sequential mode also ask neighbours that the same edit rewrites");
  add("plus", po::bool_switch(&options.plus),
      "also CounterFact+: neighbours after the edited statement, and their divergence");
  add("other-subjects", po::value(&options.other_subjects)->value_name("N"),
      "measure bleed on N other subjects of each record that names none: those of other records with the "
      "same "
      "prompt around them (default: 0)");
  add("natural", po::value(&options.natural)->value_name("N")->default_value(0),
      "also *_natural: does the model give the answer and end the text itself, within N tokens? 0: not "
      "asked");
  add("generations", po::value(&options.generations)->value_name("N"),
      "free texts a record at most, for fluency and consistency (all that the data has)");
  add("snippets", po::value(&options.snippets)->value_name("FILE"),
      "reference texts for consistency (attribute_snippets.json)");
  add("idf", po::value(&options.idf)->value_name("DIR"),
      "word weights for consistency: a folder with the papers' idf.npy and tfidf_vocab.json (those of "
      "--snippets)");
  add("drift-text", po::value(&options.drift_text)->value_name("FILE"),
      "plain text on which drift is measured (text that the statistics held back)");
  add("drift-tokens", po::value(&options.drift_tokens)->value_name("N")->default_value(256),
      "tokens of that text; 0: drift is not measured");
}

}  // namespace

Parsed parse_eval(const std::vector<std::string>& arguments, EvalCommandOptions& options) {
  Syntax syntax;
  syntax.command = "eval";
  syntax.synopsis =
      "--dataset NAME --data FILE --out DIR --model M [OPTIONS]\n       emend eval compare A B\n       emend "
      "eval abilities --model M --data FILE...";
  syntax.help =
      "Edits the records of a data set and measures the edited models against the unedited one: efficacy, "
      "paraphrase, neighbourhood, generated text, drift. Writes summary.json, records.jsonl, report.md and "
      "report.html.\n"
      "Started by mpirun, all processes share the records, with --device cuda on a GPU each.";
  syntax.uses_statistics = true;
  add_record_options(options, syntax.own);
  add_question_options(options, syntax.own);
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  options.arguments = arguments;
  require_given(!options.dataset.empty(), "eval", "--dataset NAME");
  find_dataset(options.dataset);  // throws for an unknown one
  for (const std::string& method : options.methods) require_method("--method", method);
  require_given(!options.data.empty(), "eval", "--data FILE");
  require_given(!options.out.empty(), "eval", "--out DIR");
  require_given(!options.common.model.empty(), "eval", "--model PATH");
  require_given(options.idf.empty() || !options.snippets.empty(), "eval",
                "--snippets FILE, whose words --idf weighs,");
  require_at_least("drift-tokens", options.drift_tokens, 0);
  require_at_least("generations", options.generations, -1);
  require_at_least("other-subjects", options.other_subjects, 0);
  return Parsed::kRun;
}

BenchmarkOptions benchmark_options(const EvalCommandOptions& options) {
  BenchmarkOptions benchmark;
  benchmark.dataset = options.dataset;
  benchmark.data = options.data;
  std::tie(benchmark.first_record, benchmark.end_record) = parse_range(options.records);
  benchmark.known = options.known;
  benchmark.mode = parse_eval_mode(options.mode);
  benchmark.curve = options.curve;
  benchmark.methods =
      benchmark_methods(options.methods, {options.method_files.begin(), options.method_files.end()});
  constexpr std::int64_t kMostLayers = 1'000'000;  // any larger number is told as this one
  if (options.layer >= 0)
    benchmark.layer = {{static_cast<int>(std::min(options.layer, kMostLayers))}, "--layer"};
  benchmark.statistics = options.common.statistics;
  benchmark.bos = options.common.bos.value_or("auto");
  benchmark.form = parse_form(options.form);
  benchmark.seed = options.common.seed;
  benchmark.natural = options.natural;
  benchmark.plus = options.plus;
  benchmark.edited_neighbours = options.edited_neighbours;
  benchmark.generations = options.generations;
  benchmark.other_subjects = options.other_subjects;
  benchmark.snippets = options.snippets;
  benchmark.idf = options.idf;
  benchmark.drift_text = options.drift_text;
  benchmark.drift_tokens = options.drift_tokens;
  benchmark.out = options.out;
  benchmark.resume = options.resume;
  std::tie(benchmark.shard, benchmark.shards) = parse_shard(options.shard);
  return benchmark;
}

std::pair<std::int64_t, std::int64_t> parse_range(const std::string& text) {
  if (text.empty()) return {0, -1};
  const std::size_t colon = text.find(':');
  const std::string first = text.substr(0, colon), last = text.substr(std::min(colon, text.size() - 1) + 1);
  const auto begin = first.empty() ? 0 : whole_number(first), end = last.empty() ? -1 : whole_number(last);
  if (colon == std::string::npos || !begin || !end || (!last.empty() && *begin >= *end))
    throw Error(ErrorKind::kUsage, "--records must be A:B with 0 <= A < B, found " + quote(text));
  return {*begin, *end};
}

}  // namespace emend
