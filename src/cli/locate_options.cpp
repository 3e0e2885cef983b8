#include "cli/locate_options.h"

#include <fmt/format.h>

#include <tuple>

#include "cli/load_model.h"
#include "cli/option_values.h"
#include "emend/error.h"
#include "pipeline/locate_options.h"

namespace emend {
namespace {

constexpr double kFastShare = 0.2;

// Texts that become values once they are checked.
struct RawOptions {
  std::string noise = "s3", form = "raw", shard, facts, out, trial_data;
  std::int64_t occurrence = 0, samples = 10, window = 0, knockout_window = 0;  // 0: not given
  double fast = 1;
  bool numpy = false, estimates = false, no_severed = false, no_knockout = false;
};

void require_positive(const char* name, std::int64_t value) {
  constexpr std::int64_t kMost = 1'000'000;
  require_at_least(name, value, 1);
  if (value > kMost) throw Error(ErrorKind::kUsage, fmt::format("--{} must be at most {}", name, kMost));
}

// An option that counts from 1. Checked only if it is given.
po::typed_value<std::int64_t>* count_option(std::int64_t& value, const char* name) {
  return po::value(&value)->value_name("N")->notifier([name](std::int64_t n) { require_positive(name, n); });
}

void add_decision_options(po::options_description& own, LocateArguments& asked, RawOptions& raw) {
  LocateOptions& options = asked.run;
  own.add_options()("trial", po::value(&options.trial)->value_name("N")->notifier([](std::int64_t n) {
    require_at_least("trial", n, 1);
  }),
                    "edit N facts, each alone, at several layers, and decide by the measured scores")(
      "trial-layers", po::value(&asked.trial_layers)->value_name("LIST"),
      "those layers, for example 0,3,5-7 (default: the three best of the trace and those around the depth "
      "default)")("check", po::value(&options.check)->value_name("M")->notifier([](std::int64_t n) {
    require_at_least("check", n, 1);
  }),
                  "edit M more facts at those layers, and say whether the decision holds there")(
      "trial-data", po::value(&raw.trial_data)->value_name("FILE"),
      "edits to try (default: the facts file, when it names targets)")(
      "trial-dataset", po::value(&options.trial_dataset)->value_name("NAME"), "their form, as in emend eval")(
      "method", po::value(&options.method)->value_name("M"), "the editor of the trial (default: rome)")(
      "report", po::value(&asked.report)->value_name("FILE"), "write an HTML page with all pictures")(
      "svg", po::value(&asked.svg)->value_name("DIR"), "write every picture as an SVG file");
}

void add_trace_options(po::options_description& own, RawOptions& raw) {
  own.add_options()("noise", po::value(&raw.noise)->value_name("CODE")->default_value("s3"),
                    "what corrupts the subject: sX (X standard deviations of the subjects' embeddings), a "
                    "level, uX or usX (uniform), "
                    "tD (Student, D degrees), tokens (other tokens)")(
      "reference-noise", po::bool_switch(&raw.numpy),
      "the draws of NumPy's RandomState(1), as the reference program's")(
      "samples", count_option(raw.samples, "samples")->default_value(10), "corrupted runs of each fact")(
      "window", count_option(raw.window, "window"),
      "layers restored together in the MLP and attention grids (default: 10 of 48, in proportion)")(
      "knockout-window", count_option(raw.knockout_window, "knockout-window"),
      "layers of an attention knockout (default: --window, made odd)")(
      "no-severed", po::bool_switch(&raw.no_severed), "without severed paths")(
      "no-knockout", po::bool_switch(&raw.no_knockout), "without attention knockout")(
      "fast", po::value(&raw.fast)->value_name("SHARE")->implicit_value(kFastShare),
      "run exactly only this share of the cells (0.2), chosen by one backward pass, and the rows of the "
      "subject's and the prompt's last token")(
      "estimates", po::bool_switch(&raw.estimates),
      "also estimate all cells from one backward pass, and say how well the ranks agree")(
      "form", po::value(&raw.form)->value_name("FORM")->default_value("raw"), "raw, or chat");
}

// The layers of the trial, before it is known how many the model has: all stand for one of them.
std::vector<int> named_layers(const std::string& text) {
  constexpr int kMostLayers = 1'000'000;
  if (text == "all") return {0};
  return text.empty() ? std::vector<int>{} : parse_layers(text, kMostLayers, "--trial-layers");
}

void settle(const RawOptions& raw, LocateArguments& asked) {
  LocateOptions& options = asked.run;
  options.facts = raw.facts;
  options.out = raw.out;
  options.trial_data = raw.trial_data;
  options.trial_layers = named_layers(asked.trial_layers);
  options.statistics = asked.common.statistics;
  options.bos = asked.common.bos.value_or("auto");
  TraceOptions& trace = options.trace;
  trace.noise = parse_noise(raw.noise);
  trace.noise.numpy = raw.numpy;
  trace.samples = static_cast<int>(raw.samples);
  trace.window = static_cast<int>(raw.window);
  trace.knockout_window = static_cast<int>(raw.knockout_window);
  options.occurrence = static_cast<int>(raw.occurrence);
  trace.severed = !raw.no_severed;
  trace.knockout = !raw.no_knockout;
  trace.estimates = raw.estimates;
  trace.exact_share = raw.fast;
  trace.form = parse_form(raw.form);
  trace.seed = asked.common.seed;
  trace.token_budget = asked.common.token_budget;
  std::tie(options.shard, options.shards) = parse_shard(raw.shard);
}

}  // namespace

Parsed parse_locate(const std::vector<std::string>& arguments, LocateArguments& asked) {
  LocateOptions& options = asked.run;
  RawOptions raw;
  Syntax syntax;
  syntax.command = "locate";
  syntax.synopsis = "--model M (--prompt P --subject S | --facts FILE) [OPTIONS]";
  syntax.help =
      "Where does the model keep a fact, and which layer should be edited? Runs the prompt clean, with a "
      "corrupted subject, and with "
      "single inner vectors restored (causal tracing).";
  syntax.uses_statistics = true;
  syntax.uses_memory = true;
  syntax.own.add_options()("prompt", po::value(&options.prompt)->value_name("P"),
                           "a prompt whose next words are the fact")(
      "subject", po::value(&options.subject)->value_name("S"), "the subject in it")(
      "subject-occurrence", count_option(raw.occurrence, "subject-occurrence"),
      "which one, from 1, when it stands there more than once")(
      "answer", po::value(&options.answer)->value_name("A"),
      "trace this answer (default: the likeliest next token)")(
      "facts", po::value(&raw.facts)->value_name("FILE"),
      "JSON or JSON lines with prompt, subject and the expected answer")(
      "limit", po::value(&options.limit)->value_name("N")->notifier([](std::int64_t n) {
        require_at_least("limit", n, 1);
      }),
      "only the first N facts that the model answers as expected")(
      "out", po::value(&raw.out)->value_name("DIR"), "keep the results there, one file a fact")(
      "resume", po::bool_switch(&options.resume), "go on with what is in --out")(
      "shard", po::value(&raw.shard)->value_name("i/N"), "only part i of N, from 0; all parts share --out");
  add_trace_options(syntax.own, raw);
  add_decision_options(syntax.own, asked, raw);
  if (parse_options(syntax, arguments, asked.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!asked.common.model.empty(), "locate", "--model PATH");
  settle(raw, asked);
  check_locate_options(options);
  return Parsed::kRun;
}

}  // namespace emend
