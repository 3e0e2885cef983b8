// emend memories search WORDS
#include <iostream>

#include "cli/command.h"
#include "cli/console.h"
#include "emend/memory_search.h"
#include "pipeline/failure.h"
#include "reports/search_report.h"

namespace emend {

int memories_search_command(const std::vector<std::string>& arguments) {
  Syntax syntax;
  CommonOptions common;
  std::vector<std::string> words;
  std::string index;
  int limit = 20;
  syntax.command = "memories search";
  syntax.synopsis = "WORD... --index INDEX [--limit N]";
  syntax.help = "Finds the cells whose values promote these words or whose triggers end with them.";
  syntax.positional = "word";
  syntax.positionals = -1;
  syntax.unused = {"model", "device", "dtype", "bos", "seed", "token-budget", "threads"};
  syntax.own.add_options()("word", po::value(&words)->composing())(
      "index", po::value(&index)->value_name("DIR"), "an index that emend memories values was run on")(
      "limit", po::value(&limit)->value_name("N")->default_value(20), "cells listed, at most");
  if (parse_options(syntax, arguments, common) == Parsed::kAnswered) return kExitDone;
  require_given(!words.empty(), "memories search", "a word");
  require_given(!index.empty(), "memories search", "--index DIR");
  Console console(common);
  console.keep_json_apart({{}, {}, {index}});
  const SearchOutcome outcome = search_memories(index, words, limit);
  std::cout << search_text(outcome, console.columns());
  console.write_json(search_json(outcome, words));
  return kExitDone;
}

}  // namespace emend
