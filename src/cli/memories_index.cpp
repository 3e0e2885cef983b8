// emend memories cell, search, patterns and import: what is read of an index, and labels put into it.
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/command_frame.h"
#include "console/hints.h"
#include "console/option_values.h"
#include "emend/error.h"
#include "emend/memory_index.h"
#include "emend/memory_labels.h"
#include "emend/memory_search.h"
#include "memories/index_files.h"
#include "reports/memory_page.h"
#include "reports/memory_report.h"
#include "reports/patterns_report.h"
#include "reports/search_report.h"

namespace emend {

int memories_cell_command(const std::vector<std::string>& arguments) {
  std::string address;
  std::filesystem::path folder;
  std::int64_t examples = 25;
  CommandFrame frame(
      "memories cell", "L12D771 --index INDEX [--model M] [OPTIONS]",
      "Shows all that an index knows of one cell: what triggers it at both ends, examples from between, and "
      "how its coefficient\nis distributed. Layers and cells count from 0. With --model, the index must be "
      "of that model.",
      {"bos", "seed", "token-budget"});
  frame.syntax.examples = {"memories cell L12D771 --index index"};
  frame.options.argument("cell", address, "the cell, for example L12D771")
      .index(folder)
      .count("examples", examples, "N", "examples of each list on the terminal")
      .report("write an HTML page of the cell")
      .check([&] { parse_memory_id(address); });
  return frame.run(arguments, [&](Console& console) {
    const MemoryIndex index(folder);
    const MemoryRecord record = index.cell(parse_memory_id(address));
    if (!frame.common.model.empty()) index.require_of(frame.load(console));
    return frame.show(
        console,
        with_commands(cell_text(record, index.head(), static_cast<std::size_t>(examples), console.columns())),
        cell_json(record, index.head()), {.report = [&] { return cell_html(record, index.head()); }});
  });
}

int memories_search_command(const std::vector<std::string>& arguments) {
  std::vector<std::string> words;
  std::string index;
  int limit = 20;
  CommandFrame frame("memories search", "WORD... --index INDEX [--limit N]",
                     "Finds the cells whose values promote these words or whose triggers end with them.",
                     kWithoutModel);
  frame.syntax.examples = {"memories search river bridge --index index"};
  frame.options.arguments("word", words, -1, "a word")
      .text("index", index, "DIR", "an index that emend memories values was run on",
            Use::kFolder | Use::kNeeded)
      .number("limit", limit, "N", "cells listed, at most")
      .report("write an HTML page of the cells");
  return frame.run(arguments, [&](Console& console) {
    const SearchOutcome outcome = search_memories(index, words, limit);
    return frame.show(console, search_text(outcome, console.columns()), search_json(outcome, words),
                      {.report = [&] { return search_page(outcome, words, MemoryIndex(index)); }});
  });
}

namespace {

// Without mutations and topics no model is read.
void require_unset(const CommonOptions& common, const MutationOptions& mutation, bool topics) {
  const MutationOptions standard;
  const CommonOptions plain;
  const std::vector<std::pair<const char*, bool>> of_mutations = {
      {"--token-budget", common.token_budget_given},
      {"--unit", mutation.unit != standard.unit},
      {"--clip", mutation.clip},
      {"--longest", mutation.longest != standard.longest}};
  const std::vector<std::pair<const char*, bool>> of_both = {{"--model", !common.model.empty()},
                                                             {"--device", common.device != plain.device},
                                                             {"--dtype", common.dtype != plain.dtype}};
  const auto refuse = [](const auto& options, const char* without) {
    for (const auto& [option, is_given] : options)
      if (is_given)
        throw Error(ErrorKind::kUsage, fmt::format("{} changes nothing without {}", option, without));
  };
  if (!topics)
    refuse(of_both,
           "--mutations N: only mutated prefixes are run through a model, and only --topics reads its "
           "embeddings");
  refuse(of_mutations, "--mutations N: only mutated prefixes are run through a model");
}

}  // namespace

int memories_patterns_command(const std::vector<std::string>& arguments) {
  PatternOptions how;
  MutationOptions mutation;
  mutation.top = 0;
  std::string layers, sheet, unit = "word";
  CommandFrame frame(
      "memories patterns",
      "--index INDEX [--layers LIST] [--export FILE.csv] [--annotations FILE.csv...] [--model M [--mutations "
      "N] [--topics]] "
      "[OPTIONS]",
      "What the trigger examples of a cell have in common: words at the end, and content words, each tested "
      "against chance;\nwith --model and --mutations, what becomes of the coefficient when a word of the "
      "prefix is "
      "taken away.",
      {"bos"});
  frame.options.index(how.index)
      .text("layers", layers, "LIST", "for example 0,3,5-7 (default: those of the index)")
      .number("cells", how.cells, "N", "cells of a layer, drawn; 0: all")
      .number("top", how.top, "N", "trigger examples of a cell that are read")
      .number("background", how.background, "N", "prefixes drawn from the text, to compare with")
      .text("export", sheet, "FILE",
            "write what was found as a sheet for annotators, and the prefixes beside it", Use::kWrites)
      .texts("annotations", how.annotations, "FILE", "such sheets, filled in: measure how annotators agree",
             Use::kReads)
      .flag("topics", how.topics, "also topics without a common word, by the token embeddings of --model")
      .number("mutations", mutation.top, "N",
              "trigger examples of a cell that are mutated, up to 1,000; 0: none")
      .text("unit", unit, "UNIT", "what is taken away: word or token")
      .flag("clip", mutation.clip, "of changed coefficients count nothing below 0")
      .number("longest", mutation.longest, "N", "tokens of a mutated prefix; of a longer one its end")
      .report()
      .check([&] {
        require_given((mutation.top == 0 && !how.topics) || !frame.common.model.empty(), "memories patterns",
                      "--model M");
        mutation.unit = parse_mutation_unit(unit);
        if (mutation.top != 0)
          check_mutations(mutation);
        else
          require_unset(frame.common, mutation, how.topics);
      });
  return frame.run(arguments, [&](Console& console) {
    how.seed = frame.common.seed;
    require_index(how.index);
    if (!layers.empty()) how.layers = parse_layers(layers, MemoryIndex(how.index).head().model_layers);
    std::optional<Model> model;
    if (mutation.top != 0 || how.topics) model = frame.load(console);
    if (mutation.top != 0) check_mutations(*model, how, mutation);
    PatternsOutcome outcome =
        model ? find_patterns(*model, how, console.progress()) : find_patterns(how, console.progress());
    mutation.token_budget = frame.common.token_budget;
    if (mutation.top != 0) measure_mutations(*model, how, mutation, outcome, console.progress());
    std::string text = patterns_text(outcome, how, console.columns());
    ResultJson json = patterns_json(outcome, how);
    json["outputs"] = ResultJson::array();
    const auto written =
        sheet.empty() ? std::vector<std::filesystem::path>() : export_annotation(how, outcome, sheet);
    for (const std::filesystem::path& file : written) {
      text += fmt::format("Written: {}\n", file.string());
      json["outputs"].push_back(file.string());
    }
    return frame.show(console, text, json, {.report = [&] { return patterns_page(outcome, how); }});
  });
}

int memories_import_command(const std::vector<std::string>& arguments) {
  std::vector<std::filesystem::path> files;
  std::filesystem::path index;
  CommandFrame frame("memories import", "FILE... --index INDEX",
                     "Takes labels of cells into an index: .json {\"L12D771\": \"text\"}, explanations of "
                     "Neuronpedia (.jsonl, .jsonl.gz)\nor of delphi (.txt).",
                     kWithoutModel);
  frame.options.arguments("file", files, -1, "a file of labels", Use::kReads).index(index);
  return frame.run(arguments, [&](Console& console) {
    const LabelImport found = import_labels(index, files);
    return frame.show(console,
                      fmt::format("{} labels read, {} of them new; {} cells have labels now: {}\n",
                                  found.read, found.added, found.cells, found.output.string()),
                      ResultJson{{"read", found.read},
                                 {"added", found.added},
                                 {"cells", found.cells},
                                 {"outputs", {found.output.string()}}});
  });
}

}  // namespace emend
