// What all commands have in common: parse, check what is read and written, load the model, show the result.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/process_group.h"
#include "cli/load_model.h"
#include "console/console.h"
#include "console/option_list.h"
#include "pipeline/failure.h"

namespace emend {

// Common options that have no effect on a command without a model.
inline const std::vector<std::string> kWithoutModel = {"model", "device",       "dtype",  "bos",
                                                       "seed",  "token-budget", "threads"};
// Help that several commands give.
inline constexpr const char* kCorpusHelp = "files and folders of plain text or .jsonl, also .gz and .zst";
inline constexpr const char* kTokensHelp =
    "tokens to read, of a seeded sample of documents; all: the whole corpus";
inline constexpr const char* kLayersHelp = "all, or for example 0,3,5-7";

// What the files of a result hold, made only if they were asked for.
struct ResultFiles {
  std::function<std::string()> report = {};  // the page of --report
  std::function<std::string()> junit = {};   // the XML of --junit
};

class CommandFrame {
 public:
  // `command`: "patch verify". `synopsis`: what follows it. `unused`: common options without effect here.
  CommandFrame(const char* command, const char* synopsis, const std::string& help,
               std::vector<std::string> unused = {});

  Syntax syntax;
  CommonOptions common;
  OptionList options{syntax, common};
  // Whether the options ask for something that is answered at once, instead of the work; answers it.
  std::function<bool()> answers;
  // Paths of the command that no option names by itself, which outputs are kept apart from; called behind the
  // checks.
  std::function<OtherFiles()> other_paths;
  // Whether the work itself keeps outputs apart, because it finds out what else is written: the file of --log
  // is then opened by the work, behind that (Console::open_log).
  bool late_outputs = false;

  // Parses, checks the options and the paths that they name, and calls `work`, whose exit code it returns.
  int run(const std::vector<std::string>& arguments, const std::function<int(Console&)>& work);
  // The same for a command that mpirun may have started in many processes (process_group_run.h). The paths
  // are checked by the first one.
  int run_in_group(const std::vector<std::string>& arguments,
                   const std::function<int(Console&, ProcessGroup* group, std::string& what_stays)>& work);

  // --bos, or auto.
  std::string bos() const { return common.bos.value_or("auto"); }
  // --model, with a token budget that fits its device where the command takes one. `work`: what the command
  // needs beside the weights, within --memory.
  Model load(
      Console& console, const WorkBytes& work = [](const ModelConfig&) { return 0; },
      Spare spare = Spare::kForWeights);

  // Prints the text, writes what was asked for of `files`, and writes the JSON; returns kExitDone.
  int show(Console& console, const std::string& text, const std::string& json, const ResultFiles& files = {});
  int show(Console& console, const std::string& text, const ResultJson& json, const ResultFiles& files = {});

 private:
  bool parse(const std::vector<std::string>& arguments);
  void check_paths(const Console& console) const;
};

}  // namespace emend
