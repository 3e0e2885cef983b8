// emend convert facts --from NAME IN OUT.yaml
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>

#include "base/atomic_file.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/console.h"
#include "cli/exit_code.h"
#include "config/edit_file_writer.h"
#include "config/yaml_text.h"
#include "emend/dataset.h"
#include "emend/error.h"
#include "report/numbers.h"
#include "report/table.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

using Counts = std::map<std::string, std::int64_t>;

struct ConvertOptions {
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
      "Writes the records of a data set as an edit file. Records that an edit file cannot hold are left out "
      "and "
      "counted.\n\nNAME is one of\n";
  for (const DatasetHelp& dataset : list_datasets())
    text += "  " + dataset.name + std::string(18 - std::min<std::size_t>(dataset.name.size(), 17), ' ') +
            dataset.help + "\n";
  text.pop_back();
  return text;
}

Parsed parse_convert(const std::vector<std::string>& arguments, ConvertOptions& options) {
  Syntax syntax;
  syntax.command = "convert facts";
  syntax.synopsis = "--from NAME IN OUT.yaml [--limit N]";
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

bool is_edit_file(const ConvertOptions& options) {
  const std::string extension = fs::path(options.files[0]).extension().string();
  return options.from == "emend" && (extension == ".yaml" || extension == ".yml");
}

DatasetFile read_input(const ConvertOptions& options) {
  if (!is_edit_file(options)) return read_dataset(options.from, options.files[0]);
  DatasetFile file = records_of(read_edit_file(options.files[0]));
  file.notes.push_back(
      "Of an edit file only the edits are taken: model, method, options and checks stay behind.");
  return file;
}

std::int64_t sum_of(const Counts& counts) {
  std::int64_t sum = 0;
  for (const auto& [reason, count] : counts) sum += count;
  return sum;
}

// Questions whose answers must not move are the neighbours of an edit file, whatever the set calls them.
std::vector<EditRequest> requests_of(const DatasetFile& file) {
  std::vector<EditRequest> requests;
  for (const EvalRecord& record : file.records) {
    requests.push_back(record.request);
    std::transform(record.locality.begin(), record.locality.end(),
                   std::back_inserter(requests.back().neighbours), [](const KindQuestion& question) {
                     return Neighbour{question.prompt, question.answer};
                   });
  }
  return requests;
}

// Where the edits are from and what they lack: the table as the command prints it and as the file's comment
// keeps it.
struct Conversion {
  const ConvertOptions& options;
  const DatasetFile& file;
  FittedEdits fitted;
  Counts left_out;  // records, by reason

  std::int64_t read() const { return static_cast<std::int64_t>(file.records.size()) + sum_of(file.skipped); }
  std::int64_t written() const { return static_cast<std::int64_t>(fitted.edits.size()); }
};

Conversion convert(const ConvertOptions& options, const DatasetFile& file) {
  Conversion result{options, file, fit_edits(requests_of(file), static_cast<std::size_t>(options.limit)),
                    file.skipped};
  for (const auto& [reason, count] : result.fitted.left_out) result.left_out[reason] += count;
  if (result.fitted.beyond > 0)
    result.left_out["beyond --limit"] += static_cast<std::int64_t>(result.fitted.beyond);
  if (result.fitted.edits.empty())
    throw Error(ErrorKind::kConfig,
                options.files[0] + ": none of its " + count_text(result.read()) +
                    " records can stand in an edit file; for example: " + result.left_out.begin()->first);
  return result;
}

std::vector<std::string> comment_of(const Conversion& conversion) {
  const std::string name = fs::path(conversion.options.files[0]).filename().string();
  std::vector<std::string> lines = {"Written by emend " + emend_version() + ", convert facts --from " +
                                        conversion.options.from + ", from " + quote(name),
                                    "Records read: " + count_text(conversion.read()) +
                                        ", edits written: " + count_text(conversion.written())};
  for (const auto& [reason, count] : conversion.left_out)
    lines.push_back("Records left out, " + reason + ": " + count_text(count));
  for (const auto& [reason, count] : conversion.fitted.left_out_questions)
    lines.push_back("Questions left out, " + reason + ": " + count_text(count));
  lines.insert(lines.end(), conversion.file.notes.begin(), conversion.file.notes.end());
  return lines;
}

void require_readable_size(const std::string& text, const std::string& out) {
  if (text.size() > kMaxYamlBytes)
    throw Error(ErrorKind::kConfig, out + " would have " + human_bytes(text.size()) +
                                        "; an edit file has at most " + human_bytes(kMaxYamlBytes) +
                                        ": write fewer edits with --limit N");
}

void print_conversion(const Conversion& conversion, std::size_t columns) {
  Table table({{"what", Align::kLeft, 20}, {"count", Align::kRight}});
  table.add_row({"records read", count_text(conversion.read())});
  table.add_row({"edits written", count_text(conversion.written())});
  for (const auto& [reason, count] : conversion.left_out)
    table.add_row({"records left out: " + reason, count_text(count)});
  for (const auto& [reason, count] : conversion.fitted.left_out_questions)
    table.add_row({"questions left out: " + reason, count_text(count)});
  std::cout << table.text(columns);
  for (const std::string& example : conversion.file.skipped_examples)
    std::cout << "Left out: " << example << "\n";
  for (const std::string& sentence : conversion.file.notes) std::cout << "Note: " << sentence << "\n";
  std::cout << "Written to " << conversion.options.files[1] << "\n";
}

ResultJson conversion_json(const Conversion& conversion) {
  return {{"emend", emend_version()},
          {"dataset", conversion.options.from},
          {"input", conversion.options.files[0]},
          {"read", conversion.read()},
          {"written", conversion.written()},
          {"left_out", conversion.left_out},
          {"left_out_questions", conversion.fitted.left_out_questions},
          {"examples", conversion.file.skipped_examples},
          {"notes", conversion.file.notes},
          {"outputs", {conversion.options.files[1]}}};
}

int convert_facts(const std::vector<std::string>& arguments) {
  ConvertOptions options;
  if (parse_convert(arguments, options) == Parsed::kAnswered) return kExitDone;
  const std::string& in = options.files[0];
  const std::string& out = options.files[1];
  Console console(options.common);
  console.keep_json_apart({{in, out}, "", {}});
  require_not_among(out, {in});
  require_writable_file(out);
  const DatasetFile file = read_input(options);
  const Conversion conversion = convert(options, file);
  const std::string text = edit_file_text(conversion.fitted.edits, comment_of(conversion));
  require_readable_size(text, out);
  write_file_atomically(out, text);
  print_conversion(conversion, console.columns());
  console.write_json(conversion_json(conversion));
  return kExitDone;
}

const std::vector<Command> kConvertCommands = {
    {"facts", "turn a data set's records into an edit file", convert_facts},
};

}  // namespace

int convert_command(const std::vector<std::string>& arguments) {
  return run_command("convert ", kConvertCommands, arguments);
}

}  // namespace emend
