// emend memories compare, cluster, audit, export and report.
#include <fmt/format.h>

#include "cli/load_model.h"
#include "cli/memories_analysis.h"
#include "cli/memories_commands.h"
#include "cli/option_values.h"
#include "reports/memories_page.h"
#include "reports/survey_report.h"

namespace emend {

namespace po = boost::program_options;

int memories_compare_command(const std::vector<std::string>& arguments) {
  CompareOptions how;
  std::vector<std::string> models, indexes;
  std::string layers = "all", lens = "lin";
  AnalysisCommand command;
  Syntax& syntax = command.syntax;
  syntax.command = "memories compare";
  syntax.synopsis = "A B [--index INDEX_A INDEX_B] [OPTIONS]";
  syntax.help = "Two checkpoints of one shape cell by cell: keys, values, what values promote, and triggers.";
  syntax.positional = "model-path";
  syntax.positionals = 2;
  syntax.unused = {"model", "bos", "seed", "token-budget"};
  syntax.own.add_options()("model-path", po::value(&models)->composing())(
      "index", po::value(&indexes)->multitoken()->value_name("INDEX"), "a scan of each, over the same text")(
      "layers", po::value(&layers)->value_name("LIST")->default_value("all"), "all, or for example 0,3,5-7")(
      "cells", po::value(&how.cells)->value_name("N")->default_value(20),
      "cells listed, those that differ most")("top", po::value(&how.top)->value_name("K")->default_value(5),
                                              "tokens listed of a value")(
      "lens", po::value(&lens)->value_name("LENS")->default_value("lin"), "lin or raw");
  command.check = [&] {
    require_given(models.size() == 2, syntax.command, "two models");
    require_given(indexes.empty() || indexes.size() == 2, syntax.command,
                  "--index with an index of each model");
    how.lens = parse_lens(lens);
    if (indexes.size() == 2) {
      how.index_a = indexes[0];
      how.index_b = indexes[1];
    }
    AnalysisPaths paths{models, indexes};
    return paths;
  };
  command.run = [&](Console& console) {
    const Model a = load_model(models[0], command.common, console),
                b = load_model(models[1], command.common, console);
    how.layers = parse_layers(layers, a.config().layers);
    const CompareOutcome outcome = compare_memories(a, b, how, console.progress());
    return AnalysisShown{compare_text(outcome, console.columns()), compare_json(outcome, a, b),
                         compare_page(outcome, a, b)};
  };
  return run_analysis(command, arguments);
}

int memories_cluster_command(const std::vector<std::string>& arguments) {
  ClusterOptions how;
  std::string layers = "all";
  AnalysisCommand command;
  Syntax& syntax = command.syntax;
  syntax.command = "memories cluster";
  syntax.synopsis = "--model M [--layers LIST] [--clusters K] [OPTIONS]";
  syntax.help = "Cells whose values promote the same words: spherical k-means over the values of layers.";
  syntax.unused = {"bos", "token-budget"};
  syntax.own.add_options()("layers", po::value(&layers)->value_name("LIST")->default_value("all"),
                           "all, or for example 0,3,5-7")(
      "clusters", po::value(&how.clusters)->value_name("K")->default_value(0), "0: one for 32 cells")(
      "sweeps", po::value(&how.sweeps)->value_name("N")->default_value(25), "sweeps over all cells, at most")(
      "members", po::value(&how.members)->value_name("N")->default_value(10), "cells listed of a cluster")(
      "top", po::value(&how.top)->value_name("K")->default_value(30), "tokens listed of a cluster");
  command.check = [&] {
    require_given(!command.common.model.empty(), syntax.command, "--model PATH");
    how.seed = command.common.seed;
    return AnalysisPaths{};
  };
  command.run = [&](Console& console) {
    const Model model = load_model(command.common.model, command.common, console);
    how.layers = parse_layers(layers, model.config().layers);
    const ClusterOutcome outcome = cluster_memories(model, how, console.progress());
    return AnalysisShown{cluster_text(outcome, console.columns()), cluster_json(outcome, model, how),
                         cluster_page(outcome, model)};
  };
  return run_analysis(command, arguments);
}

int memories_audit_command(const std::vector<std::string>& arguments) {
  AuditOptions how;
  std::string index, patterns;
  AnalysisCommand command;
  Syntax& syntax = command.syntax;
  syntax.command = "memories audit";
  syntax.synopsis = "--index INDEX [--patterns FILE] [--model M] [OPTIONS]";
  syntax.help =
      "Cells whose triggers match regular expressions, such as addresses and numbers; with --model also dead "
      "and "
      "duplicate cells,\nand what removing the dead ones changes.";
  syntax.unused = {"bos", "seed", "token-budget"};
  syntax.own.add_options()("index", po::value(&index)->value_name("INDEX"),
                           "folder that emend memories scan wrote")(
      "patterns", po::value(&patterns)->value_name("FILE"),
      "one a line: a name, a blank, a regular expression")(
      "least", po::value(&how.least)->value_name("SHARE")->default_value(0.5),
      "share of a cell's triggers that must match for it to be listed")(
      "cells", po::value(&how.cells)->value_name("N")->default_value(100),
      "cells listed for each expression")(
      "duplicate", po::value(&how.duplicate)->value_name("COSINE")->default_value(0.98),
      "cosine above which two values are duplicates")(
      "tokens", po::value(&how.tokens)->value_name("N")->default_value(2000),
      "tokens that perplexity is measured on");
  command.check = [&] {
    require_given(!index.empty(), syntax.command, "--index INDEX");
    how.index = index;
    how.patterns = patterns;
    return AnalysisPaths{{patterns}, {index}};
  };
  command.run = [&](Console& console) {
    std::optional<Model> model;
    if (!command.common.model.empty()) model = load_model(command.common.model, command.common, console);
    const AuditOutcome outcome = audit_memories(model ? &*model : nullptr, how, console.progress());
    return AnalysisShown{audit_text(outcome, console.columns()), audit_json(outcome, how),
                         audit_page(outcome, how)};
  };
  return run_analysis(command, arguments);
}

int memories_export_command(const std::vector<std::string>& arguments) {
  ExportOptions how;
  std::string form, index, out;
  AnalysisCommand command;
  command.has_page = false;
  Syntax& syntax = command.syntax;
  syntax.command = "memories export";
  syntax.synopsis = "neuronpedia|delphi --index INDEX --out DIR [OPTIONS]";
  syntax.help = "Writes an index in the files that Neuronpedia or delphi read.";
  syntax.positional = "form";
  syntax.positionals = 1;
  syntax.unused = {"model", "device", "dtype", "bos", "seed", "token-budget", "threads"};
  syntax.own.add_options()("form", po::value(&form))("index", po::value(&index)->value_name("INDEX"),
                                                     "folder that emend memories scan wrote")(
      "out", po::value(&out)->value_name("DIR"), "folder to write, new or empty")(
      "model-name", po::value(&how.model)->value_name("NAME"), "what the other program calls the model")(
      "set", po::value(&how.set)->value_name("NAME")->default_value("mlp"),
      "Neuronpedia's name of the source set");
  command.check = [&] {
    require_given(!form.empty(), syntax.command, "neuronpedia or delphi");
    require_given(!index.empty(), syntax.command, "--index INDEX");
    require_given(!out.empty(), syntax.command, "--out DIR");
    how.form = parse_export_form(form);
    how.index = index;
    how.out = out;
    return AnalysisPaths{{}, {index, out}};
  };
  command.run = [&](Console& console) {
    const ExportOutcome outcome = export_memories(how, console.progress());
    return AnalysisShown{export_text(outcome, how), export_json(outcome)};
  };
  return run_analysis(command, arguments);
}

int memories_report_command(const std::vector<std::string>& arguments) {
  MemoriesPageOptions how;
  std::string index, out;
  std::vector<std::string> results;
  AnalysisCommand command;
  command.has_page = false;
  Syntax& syntax = command.syntax;
  syntax.command = "memories report";
  syntax.synopsis = "--index INDEX --out FILE.html [--with FILE.json...] [OPTIONS]";
  syntax.help =
      "One HTML page over an index: layers, curves of other results, and cells with a search in the page.";
  syntax.unused = {"model", "device", "dtype", "bos", "seed", "token-budget", "threads"};
  syntax.own.add_options()("index", po::value(&index)->value_name("INDEX"),
                           "folder that emend memories scan wrote")(
      "out", po::value(&out)->value_name("FILE"), "the page")(
      "with", po::value(&results)->multitoken()->composing()->value_name("FILE"),
      "results of values, aggregate and patterns, written by their --json")(
      "cells", po::value(&how.cells)->value_name("N")->default_value(20),
      "cells of a layer, those with the largest contributions; 0: all")(
      "examples", po::value(&how.examples)->value_name("N")->default_value(5),
      "examples of each end of a cell");
  command.check = [&] {
    require_given(!index.empty(), syntax.command, "--index INDEX");
    require_given(!out.empty(), syntax.command, "--out FILE");
    require_at_least("cells", how.cells, 0);
    require_at_least("examples", how.examples, 0);
    require_writable_file(out);
    how.results.assign(results.begin(), results.end());
    require_output_apart("--out", out, {how.results, {}, {index}});
    AnalysisPaths paths{results, {index}};
    paths.files.push_back(out);
    return paths;
  };
  command.run = [&](Console& console) {
    const MemoriesPage page = memories_page(MemoryIndex(index), how);
    console.write_result_file(out, page.html);
    return AnalysisShown{fmt::format("Report: {} ({} cells)\n", out, page.cells),
                         {{"cells", page.cells}, {"results", page.results}, {"outputs", {out}}}};
  };
  return run_analysis(command, arguments);
}

}  // namespace emend
