// emend locate
#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <tuple>

#include "cli/command.h"
#include "cli/command_frame.h"
#include "console/option_values.h"
#include "emend/locate_run.h"
#include "emend/memory_estimate.h"
#include "emend/report.h"
#include "pipeline/locate_options.h"
#include "reports/locate_report.h"

namespace emend {
namespace {

struct LocateArguments {
  LocateOptions run;
  std::string trial_layers;   // a list, read once the model is there; empty: chosen
  std::filesystem::path svg;  // folder of pictures
};

constexpr double kFastShare = 0.2;
constexpr std::int64_t kMostCount = 1'000'000;

void add_fact_options(OptionList& options, LocateOptions& run) {
  options.text("prompt", run.prompt, "P", "a prompt whose next words are the fact")
      .text("subject", run.subject, "S", "the subject in it")
      .count("subject-occurrence", run.occurrence, "N",
             "which one, from 1, when it stands there more than once", kMostCount)
      .text("answer", run.answer, "A", "trace this answer (default: the likeliest next token)")
      .text("facts", run.facts, "FILE", "JSON or JSON lines with prompt, subject and the expected answer",
            Use::kReads)
      .count("limit", run.limit, "N", "only the first N facts that the model answers as expected")
      .text("out", run.out, "DIR", "keep the results there, one file a fact", Use::kWritesFolder)
      .flag("resume", run.resume, "go on with what is in --out")
      .value("shard", "i/N", "only part i of N, from 0; all parts share --out",
             [&run](const std::string& text) { std::tie(run.shard, run.shards) = parse_shard(text); });
}

void add_trace_options(Syntax& syntax, OptionList& options, TraceOptions& trace) {
  options
      .value(
          "noise", "CODE",
          "what corrupts the subject: sX (X standard deviations of the subjects' embeddings), a level, uX or "
          "usX (uniform), tD (Student, D degrees), tokens (other tokens)",
          [&trace](const std::string& text) {
            const bool numpy = trace.noise.numpy;
            trace.noise = parse_noise(text);
            trace.noise.numpy = numpy;
          },
          "s3")
      .flag("reference-noise", trace.noise.numpy,
            "the draws of NumPy's RandomState(1), as the reference program's")
      .count("samples", trace.samples, "N", "corrupted runs of each fact", kMostCount)
      .count("window", trace.window, "N",
             "layers restored together in the MLP and attention grids (default: 10 of 48, in proportion)",
             kMostCount)
      .count("knockout-window", trace.knockout_window, "N",
             "layers of an attention knockout (default: --window, made odd)", kMostCount)
      .without("no-severed", trace.severed, "without severed paths")
      .without("no-knockout", trace.knockout, "without attention knockout");
  syntax.own.add_options()(
      "fast", po::value(&trace.exact_share)->value_name("SHARE")->implicit_value(kFastShare, "0.2"),
      "run exactly only this share of the cells (0.2), chosen by one backward pass, and the rows of the "
      "subject's and the prompt's last token");
  options
      .flag("estimates", trace.estimates,
            "also estimate all cells from one backward pass, and say how well the ranks agree")
      .value(
          "form", "FORM", "raw, or chat",
          [&trace](const std::string& text) { trace.form = parse_form(text); }, "raw");
}

void add_trial_options(OptionList& options, LocateArguments& asked) {
  LocateOptions& run = asked.run;
  options
      .count("trial", run.trial, "N",
             "edit N facts, each alone, at several layers, and decide by the measured scores")
      .text("trial-layers", asked.trial_layers, "LIST",
            "those layers, for example 0,3,5-7 (default: the three best of the trace and those around the "
            "depth default)")
      .count("check", run.check, "M",
             "edit M more facts at those layers, and say whether the decision holds there")
      .text("trial-data", run.trial_data, "FILE",
            "edits to try (default: the facts file, when it names targets)", Use::kReads)
      .text("trial-dataset", run.trial_dataset, "NAME", "their form, as in emend eval")
      .text("method", run.method, "M", "the editor of the trial (default: rome)")
      .flag("keep-decision", run.keep_decision,
            "keep the decision in the statistics folder, where `layer: auto` of edit files looks for it")
      .report("write an HTML page with all pictures")
      .text("svg", asked.svg, "DIR", "write every picture as an SVG file", Use::kWritesFolder);
}

// The layers of the trial, before it is known how many the model has: all stand for one of them.
std::vector<int> named_layers(const std::string& text) {
  if (text == "all") return {0};
  return text.empty() ? std::vector<int>{}
                      : parse_layers(text, static_cast<int>(kMostCount), "--trial-layers");
}

void add_locate_options(CommandFrame& frame, LocateArguments& asked) {
  frame.syntax.uses_statistics = true;
  frame.syntax.uses_memory = true;
  add_fact_options(frame.options, asked.run);
  add_trace_options(frame.syntax, frame.options, asked.run.trace);
  add_trial_options(frame.options, asked);
  frame.options.needs_model().check([&] {
    asked.run.statistics = frame.common.statistics;
    asked.run.bos = frame.bos();
    asked.run.trace.seed = frame.common.seed;
    asked.run.trace.token_budget = frame.common.token_budget;
    asked.run.trial_layers = named_layers(asked.trial_layers);
    check_locate_options(asked.run);
  });
}

std::string unfinished_text(const LocateOptions& options, std::int64_t missing) {
  return fmt::format(
      "Part {}/{} is done; {} facts of other parts are not there yet. Once they are, the same command with "
      "--resume and without --shard gives the averages.",
      options.shard, options.shards, missing);
}

// What is written besides the page and the JSON: the pictures, and the decision.
std::string write_pictures_text(const LocateArguments& asked, const LocateOutcome& outcome,
                                const Model& model) {
  std::string text;
  if (!asked.svg.empty()) {
    const auto written = write_pictures(locate_report(outcome, asked.run, model), asked.svg);
    text += fmt::format("{} pictures in {}\n", written.size(), asked.svg.string());
  }
  if (!outcome.kept.empty()) text += fmt::format("Kept for `layer: auto` in {}\n", outcome.kept.string());
  const bool can_be_kept = asked.run.trial == 0 || asked.run.trial >= kLeastTrialFacts;
  if (!asked.run.facts.empty() && !asked.run.keep_decision && can_be_kept)
    text += "Nothing was kept beside the model; --keep-decision keeps the decision for `layer: auto`.\n";
  return text;
}

}  // namespace

int locate_command(const std::vector<std::string>& arguments) {
  LocateArguments asked;
  CommandFrame frame(
      "locate", "--model M (--prompt P --subject S | --facts FILE) [OPTIONS]",
      "Where does the model keep a fact, and which layer should be edited? Runs the prompt clean, with a "
      "corrupted subject, and with single inner vectors restored (causal tracing).");
  frame.syntax.examples = {
      "locate --model model.gguf --prompt \"The Louvre is located in the city of\" --subject Louvre"};
  add_locate_options(frame, asked);
  return frame.run(arguments, [&](Console& console) {
    LocateOptions& how = asked.run;
    const LocateInput input = read_locate_input(how);
    const TraceSize size{.samples = how.trace.samples, .token_budget = frame.common.token_budget};
    Model model = frame.load(console, [&](const ModelConfig& config) { return trace_bytes(config, size); });
    how.trace.token_budget = frame.common.token_budget;
    if (!asked.trial_layers.empty())
      how.trial_layers = parse_layers(asked.trial_layers, model.config().layers, "--trial-layers");
    const LocateOutcome outcome = run_locate(model, input, how, console.progress());
    for (const std::string& note : outcome.notes) console.note(note);
    if (outcome.result.missing > 0) {
      console.note(unfinished_text(how, outcome.result.missing));
      return kExitDone;
    }
    const ReportStyle style{console.columns(), console.colours()};
    return frame.show(console, full_report(outcome, style) + write_pictures_text(asked, outcome, model),
                      to_json(outcome, model),
                      {.report = [&] { return locate_page(locate_report(outcome, how, model)); }});
  });
}

}  // namespace emend
