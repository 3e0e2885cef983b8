// emend convert facts --from NAME IN OUT.yaml
#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "cli/command.h"
#include "cli/console.h"
#include "emend/convert_run.h"
#include "emend/dataset.h"
#include "emend/report.h"
#include "pipeline/failure.h"

namespace emend {
namespace {

struct ConvertArguments {
  CommonOptions common;
  std::string from;
  std::vector<std::string> files;
  std::int64_t limit = 0;  // 0: all
};

std::vector<std::string> dataset_names() {
  std::vector<std::string> names;
  for (const DatasetHelp& dataset : list_datasets()) names.push_back(dataset.name);
  return names;
}

std::string help_text() {
  std::string text =
      "Writes the records of a data set as an edit file, or, for OUT.jsonl, as one of JSON lines. Records "
      "that an edit file cannot hold are left out "
      "and "
      "counted.\n\nNAME is one of\n";
  for (const DatasetHelp& dataset : list_datasets())
    text += fmt::format("  {:<17} {}\n", dataset.name, dataset.help);
  text.pop_back();
  return text;
}

Parsed parse_convert(const std::vector<std::string>& arguments, ConvertArguments& options) {
  Syntax syntax;
  syntax.command = "convert facts";
  syntax.synopsis = "--from NAME IN OUT.yaml|OUT.jsonl [--limit N]";
  syntax.help = help_text();
  syntax.positional = "files";
  syntax.positionals = 2;
  syntax.unused = {"model", "device", "dtype", "bos", "threads", "seed", "token-budget"};
  syntax.own.add_options()("files", po::value(&options.files))(
      "from", po::value(&options.from)->value_name("NAME"), "the data set that IN is of")(
      "limit", po::value(&options.limit)->value_name("N")->notifier([](std::int64_t n) {
        require_at_least("limit", n, 1);
      }),
      "edits to write, at most: the first ones that fit");
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!options.from.empty(), syntax.command, "--from NAME");
  require_one_of("from", options.from, dataset_names());
  require_given(options.files.size() == 2 && !options.files[0].empty() && !options.files[1].empty(),
                syntax.command, "IN or OUT.yaml");
  return Parsed::kRun;
}

int convert(const std::vector<std::string>& arguments) {
  ConvertArguments given;
  if (parse_convert(arguments, given) == Parsed::kAnswered) return kExitDone;
  const ConvertOptions options{given.from, given.files[0], given.files[1], given.limit};
  Console console(given.common);
  console.keep_json_apart({{options.in, options.out}, "", {}});
  require_not_among(options.out, {options.in});
  require_writable_file(options.out);
  const ConvertOutcome outcome = convert_facts(options);
  std::cout << full_report(outcome, {console.columns()});
  console.write_json(to_json(outcome));
  return kExitDone;
}

const std::vector<Command> kConvertCommands = {
    {"facts", "turn a data set's records into an edit file", convert},
};

}  // namespace

int convert_command(const std::vector<std::string>& arguments) {
  return run_command("convert ", kConvertCommands, arguments);
}

}  // namespace emend
