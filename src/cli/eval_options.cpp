#include "cli/eval_options.h"

#include <algorithm>

#include "base/strings.h"
#include "emend/error.h"

namespace emend {

namespace po = boost::program_options;

Parsed parse_eval(const std::vector<std::string>& arguments, EvalCommandOptions& options) {
  Syntax syntax;
  syntax.command = "eval";
  syntax.synopsis = "--dataset NAME --data FILE --out DIR --model M [OPTIONS]\n       emend eval compare A B";
  syntax.help =
      "Edits the records of a data set and measures the edited models against the unedited one: efficacy, "
      "paraphrase, "
      "neighbourhood, generated text, drift. Writes summary.json, records.jsonl, report.md and report.html.\n"
      "Started by mpirun, all processes share the records, with --device cuda on a GPU each.";
  syntax.uses_statistics = true;
  auto& contenders = options.contenders;
  syntax.own.add_options()(
      "dataset", po::value(&options.dataset)->value_name("NAME"),
      "form of the data: counterfact, counterfact-flat, zsre, zsre-alt, known, knowedit, fastedit, emend")(
      "data", po::value(&options.data)->value_name("FILE"), "the data file")(
      "method", po::value(&contenders.methods)->composing()->value_name("M"),
      "an editor with its defaults; may be given again")(
      "options", po::value(&contenders.files)->composing()->value_name("FILE"),
      "YAML with label, method, layer, statistics, options: one more method on the same records; may be "
      "given again")("layer", po::value(&contenders.layer)->value_name("N"),
                     "edit this layer where an options file names none")(
      "records", po::value(&options.records)->value_name("A:B"),
      "only records A to B - 1 of the usable ones, counted from 0")(
      "known", po::bool_switch(&options.known), "only records whose present answer the unedited model gives")(
      "mode", po::value(&options.mode)->value_name("MODE")->default_value("single"),
      "single: each record on a fresh model; batch:N: N records together; sequential:N: N at a time onto the "
      "same model")("out", po::value(&options.out)->value_name("DIR"), "folder of the results")(
      "resume", po::bool_switch(&options.resume), "take up the run that was begun in --out")(
      "shard", po::value(&options.shard)->value_name("i/N"),
      "only part i of N, from 0; the last part to end joins all (mpirun makes the parts by itself)")(
      "form", po::value(&options.form)->value_name("FORM")->default_value("raw"), "raw, or chat")(
      "edited-neighbours", po::bool_switch(&options.edited_neighbours),
      "in batch and sequential mode also ask neighbours that the same edit rewrites")(
      "plus", po::bool_switch(&options.plus),
      "also CounterFact+: neighbours after the edited statement, and their divergence")(
      "generations", po::value(&options.generations)->value_name("N"),
      "free texts a record at most, for fluency and consistency (all that the data has)")(
      "snippets", po::value(&options.snippets)->value_name("FILE"),
      "reference texts for consistency (attribute_snippets.json)")(
      "idf", po::value(&options.idf)->value_name("DIR"),
      "word weights for consistency: a folder with the papers' idf.npy and tfidf_vocab.json (those of "
      "--snippets)")("drift-text", po::value(&options.drift_text)->value_name("FILE"),
                     "plain text on which drift is measured (text that the statistics held back)")(
      "drift-tokens", po::value(&options.drift_tokens)->value_name("N")->default_value(256),
      "tokens of that text; 0: drift is not measured");
  if (parse_options(syntax, arguments, contenders.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!options.dataset.empty(), "eval", "--dataset NAME");
  require_given(!options.data.empty(), "eval", "--data FILE");
  require_given(!options.out.empty(), "eval", "--out DIR");
  require_given(!contenders.common.model.empty(), "eval", "--model PATH");
  require_given(options.idf.empty() || !options.snippets.empty(), "eval",
                "--snippets FILE, whose words --idf weighs,");
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
    throw Error(ErrorKind::kUsage,
                "--records " + text + ": the file has " + std::to_string(size) + " usable records");
  if (begin < 0 || end < 0 || begin >= end)
    throw Error(ErrorKind::kUsage, "--records must be A:B with 0 <= A < B, found " + quote(text));
  return {begin, std::min(end, size)};
}

}  // namespace emend
