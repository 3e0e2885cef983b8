// emend memories cell L12D771 --index INDEX
#include <iostream>

#include "cli/command.h"
#include "cli/hints.h"
#include "cli/load_model.h"
#include "emend/memory_index.h"
#include "pipeline/failure.h"
#include "reports/memory_page.h"
#include "reports/memory_report.h"

namespace emend {

int memories_cell_command(const std::vector<std::string>& arguments) {
  Syntax syntax;
  CommonOptions common;
  std::string address, folder, report;
  std::int64_t examples = 25;
  syntax.command = "memories cell";
  syntax.synopsis = "L12D771 --index INDEX [--model M] [OPTIONS]";
  syntax.help =
      "Shows all that an index knows of one cell: what triggers it at both ends, examples from between, and "
      "how "
      "its coefficient\nis distributed. Layers and cells count from 0. With --model, the index must be of "
      "that "
      "model.";
  syntax.positional = "cell";
  syntax.positionals = 1;
  syntax.unused = {"bos", "seed", "token-budget"};
  syntax.own.add_options()("cell", po::value(&address))("index", po::value(&folder)->value_name("INDEX"),
                                                        "folder that emend memories scan wrote")(
      "examples", po::value(&examples)->value_name("N")->default_value(25)->notifier([](std::int64_t n) {
        require_at_least("examples", n, 1);
      }),
      "examples of each list on the terminal")("report", po::value(&report)->value_name("FILE"),
                                               "write an HTML page of the cell");
  if (parse_options(syntax, arguments, common) == Parsed::kAnswered) return kExitDone;
  require_given(!address.empty(), "memories cell", "the cell, for example L12D771");
  require_given(!folder.empty(), "memories cell", "--index INDEX");
  const MemoryId cell = parse_memory_id(address);
  Console console(common);
  console.check_report(report, {{}, common.model, {folder}});
  const MemoryIndex index(folder);
  const MemoryRecord record = index.cell(cell);
  if (!common.model.empty()) index.require_of(load_model(common.model, common, console));
  std::cout << with_commands(
      cell_text(record, index.head(), static_cast<std::size_t>(examples), console.columns()));
  console.write_report(report, [&] { return cell_html(record, index.head()); });
  console.write_json(cell_json(record, index.head()));
  return kExitDone;
}

}  // namespace emend
