// emend convert facts --from NAME IN OUT.yaml
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/command_frame.h"
#include "emend/convert_run.h"
#include "emend/dataset.h"
#include "emend/error.h"
#include "emend/report.h"

namespace emend {
namespace {

std::vector<std::string> dataset_names() {
  std::vector<std::string> names;
  for (const DatasetHelp& dataset : list_datasets()) names.push_back(dataset.name);
  return names;
}

std::string help_text() {
  std::string text =
      "Writes the records of a data set as an edit file, or, for OUT.jsonl, as one of JSON lines. Records "
      "that an edit file cannot hold are left out and counted.\n\nNAME is one of\n";
  for (const DatasetHelp& dataset : list_datasets())
    text += fmt::format("  {:<17} {}\n", dataset.name, dataset.help);
  text.pop_back();
  return text;
}

int convert(const std::vector<std::string>& arguments) {
  ConvertOptions how;
  std::vector<std::string> files;
  CommandFrame frame("convert facts", "--from NAME IN OUT.yaml|OUT.jsonl [--limit N]", help_text(),
                     kWithoutModel);
  frame.syntax.examples = {"convert facts --from counterfact counterfact.json edits.yaml --limit 100"};
  frame.options.arguments("files", files, 2, "", Use::kReads)
      .text("from", how.dataset, "NAME", "the data set that IN is of", Use::kNeeded)
      .count("limit", how.limit, "N", "edits to write, at most: the first ones that fit")
      .check([&] {
        if (how.dataset == "easyedit")
          throw Error(ErrorKind::kUsage,
                      "--from names a form of records, not a program: files of EasyEdit have the forms "
                      "counterfact-flat, zsre-alt or knowedit");
        require_one_of("from", how.dataset, dataset_names());
        require_given(files.size() == 2 && !files[0].empty() && !files[1].empty(), "convert facts",
                      "IN or OUT.yaml");
        how.in = files[0];
        how.out = files[1];
        require_not_among(how.out, {how.in});
        require_writable_file(how.out);
      });
  return frame.run(arguments, [&](Console& console) {
    const ConvertOutcome outcome = convert_facts(how);
    return frame.show(console, full_report(outcome, {console.columns()}), to_json(outcome));
  });
}

const std::vector<Command> kConvertCommands = {
    {"facts", "turn a data set's records into an edit file", convert},
};

}  // namespace

int convert_command(const std::vector<std::string>& arguments) {
  return run_command("convert ", kConvertCommands, arguments);
}

}  // namespace emend
