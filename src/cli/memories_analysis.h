// What the analyses of memories have in common at the command line: text on the terminal, --json, --report.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/console.h"
#include "cli/options.h"

namespace emend {

// What a command names that it reads or writes, besides the model.
struct AnalysisPaths {
  std::vector<std::string> files;  // read or written, one by one; empty texts stand for nothing
  std::vector<std::string> folders;
};

struct AnalysisShown {
  std::string text;
  ResultJson json;
  std::string page = {};  // for --report
  int code = 0;           // what the program ends with
};

struct AnalysisCommand {
  Syntax syntax;
  CommonOptions common;
  bool has_page = true;
  // Behind the parsing: what is wrong with the options throws; returns the paths that they name.
  std::function<AnalysisPaths()> check;
  std::function<AnalysisShown(Console&)> run;
};

// Parses, checks, runs and shows. Returns the exit code.
int run_analysis(AnalysisCommand& command, const std::vector<std::string>& arguments);

}  // namespace emend
