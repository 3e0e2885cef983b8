// emend memories compare, cluster, audit, export and report.
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/command_frame.h"
#include "console/option_values.h"
#include "memories/index_files.h"
#include "reports/memories_page.h"
#include "reports/survey_report.h"

namespace emend {

int memories_compare_command(const std::vector<std::string>& arguments) {
  CompareOptions how;
  std::vector<std::string> models, indexes;
  std::string layers = "all";
  CommandFrame frame(
      "memories compare", "A B [--index INDEX_A INDEX_B] [OPTIONS]",
      "Two checkpoints of one shape cell by cell: keys, values, what values promote, and triggers.",
      {"model", "bos", "seed", "token-budget"});
  frame.options.arguments("model-path", models, 2, "", Use::kReads)
      .texts("index", indexes, "INDEX", "a scan of each, over the same text", Use::kFolder)
      .text("layers", layers, "LIST", kLayersHelp)
      .number("cells", how.cells, "N", "cells listed, those that differ most")
      .number("top", how.top, "K", "tokens listed of a value")
      .value(
          "lens", "LENS", "lin or raw", [&](const std::string& text) { how.lens = parse_lens(text); }, "lin")
      .report()
      .check([&] {
        require_given(models.size() == 2, "memories compare",
                      models.empty() ? "a pair of models" : "the second model");
        require_given(indexes.empty() || indexes.size() == 2, "memories compare",
                      "--index with an index of each model");
      });
  return frame.run(arguments, [&](Console& console) {
    if (!indexes.empty()) {
      how.index_a = indexes[0];
      how.index_b = indexes[1];
    }
    const Model a = load_model(models[0], frame.common, console),
                b = load_model(models[1], frame.common, console);
    how.layers = parse_layers(layers, a.config().layers);
    const CompareOutcome outcome = compare_memories(a, b, how, console.progress());
    return frame.show(console, compare_text(outcome, console.columns()), compare_json(outcome, a, b),
                      {.report = [&] { return compare_page(outcome, a, b); }});
  });
}

int memories_cluster_command(const std::vector<std::string>& arguments) {
  ClusterOptions how;
  std::string layers = "all";
  CommandFrame frame(
      "memories cluster", "--model M [--layers LIST] [--clusters K] [OPTIONS]",
      "Cells whose values promote the same words: spherical k-means over the values of layers.",
      {"bos", "token-budget"});
  frame.options.needs_model()
      .text("layers", layers, "LIST", kLayersHelp)
      .number("clusters", how.clusters, "K", "0: one for 32 cells")
      .number("sweeps", how.sweeps, "N", "sweeps over all cells, at most")
      .number("members", how.members, "N", "cells listed of a cluster")
      .number("top", how.top, "K", "tokens listed of a cluster")
      .report();
  return frame.run(arguments, [&](Console& console) {
    how.seed = frame.common.seed;
    const Model model = frame.load(console);
    how.layers = parse_layers(layers, model.config().layers);
    const ClusterOutcome outcome = cluster_memories(model, how, console.progress());
    return frame.show(console, cluster_text(outcome, console.columns()), cluster_json(outcome, model, how),
                      {.report = [&] { return cluster_page(outcome, model); }});
  });
}

int memories_audit_command(const std::vector<std::string>& arguments) {
  AuditOptions how;
  CommandFrame frame(
      "memories audit", "--index INDEX [--patterns FILE] [--model M] [OPTIONS]",
      "Cells whose triggers match regular expressions, such as addresses and numbers; with --model also dead "
      "and duplicate cells,\nand what removing them changes.",
      {"bos", "seed", "token-budget"});
  frame.options.index(how.index)
      .text("patterns", how.patterns, "FILE", "one a line: a name, a blank, a regular expression",
            Use::kReads)
      .number("least", how.least, "SHARE", "share of a cell's triggers that must match for it to be listed")
      .number("cells", how.cells, "N", "cells listed for each expression")
      .number("duplicate", how.duplicate, "COSINE",
              "cosine of two values above which their cells are duplicates")
      .number("tokens", how.tokens, "N", "tokens that perplexity is measured on")
      .report();
  return frame.run(arguments, [&](Console& console) {
    require_index(how.index);
    std::optional<Model> model;
    if (!frame.common.model.empty()) model = frame.load(console);
    const AuditOutcome outcome = audit_memories(model ? &*model : nullptr, how, console.progress());
    return frame.show(console, audit_text(outcome, console.columns()), audit_json(outcome, how),
                      {.report = [&] { return audit_page(outcome, how); }});
  });
}

int memories_export_command(const std::vector<std::string>& arguments) {
  ExportOptions how;
  std::string form;
  CommandFrame frame("memories export", "neuronpedia|delphi --index INDEX --out DIR [OPTIONS]",
                     "Writes an index in the files that Neuronpedia or delphi read.", kWithoutModel);
  frame.options.argument("form", form, "neuronpedia or delphi")
      .index(how.index)
      .text("out", how.out, "DIR", "folder to write, new or empty", Use::kFolder | Use::kNeeded)
      .text("model-name", how.model, "NAME", "what the other program calls the model")
      .text("set", how.set, "NAME", "Neuronpedia's name of the source set")
      .check([&] { how.form = parse_export_form(form); });
  return frame.run(arguments, [&](Console& console) {
    const ExportOutcome outcome = export_memories(how, console.progress());
    return frame.show(console, export_text(outcome, how), export_json(outcome));
  });
}

int memories_report_command(const std::vector<std::string>& arguments) {
  MemoriesPageOptions how;
  std::filesystem::path index;
  std::string out;
  CommandFrame frame(
      "memories report", "--index INDEX --out FILE.html [--with FILE.json...] [OPTIONS]",
      "One HTML page over an index: layers, curves of other results, and cells with a search in the page.",
      kWithoutModel);
  frame.options.index(index)
      .text("out", out, "FILE", "the page", Use::kPage | Use::kNeeded)
      .texts("with", how.results, "FILE",
             "results of values, aggregate and patterns, written by their --json", Use::kReads)
      .from(0, "cells", how.cells, "N", "cells of a layer, those with the largest contributions; 0: all")
      .from(0, "examples", how.examples, "N", "examples of each end of a cell");
  return frame.run(arguments, [&](Console& console) {
    const MemoriesPage page = memories_page(MemoryIndex(index), how);
    console.write_result_file(out, page.html);
    return frame.show(console, fmt::format("Report: {} ({} cells)\n", out, page.cells),
                      ResultJson{{"cells", page.cells}, {"results", page.results}, {"outputs", {out}}});
  });
}

}  // namespace emend
