#include "cli/command_frame.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "cli/process_group_run.h"
#include "emend/error.h"

namespace emend {

namespace {

// The error that ends the work is the last thing in the file of --log. `opens_log`: the work opens that file.
int logged(Console& console, bool opens_log, const std::function<int()>& work) {
  console.begin_log();
  if (!opens_log) console.open_log();
  try {
    return work();
  } catch (...) {
    console.log_error(describe_failure(std::current_exception()).message);  // as stderr has it
    throw;
  }
}

}  // namespace

CommandFrame::CommandFrame(const char* command, const char* synopsis, const std::string& help,
                           std::vector<std::string> unused) {
  syntax.command = command;
  syntax.synopsis = synopsis;
  syntax.help = help;
  syntax.unused = std::move(unused);
}

bool CommandFrame::parse(const std::vector<std::string>& arguments) {
  if (parse_options(syntax, arguments, common) == Parsed::kAnswered) return false;
  if (answers && answers()) return false;
  options.run_checks();
  return true;
}

int CommandFrame::run(const std::vector<std::string>& arguments, const std::function<int(Console&)>& work) {
  if (!parse(arguments)) return kExitDone;
  Console console(common);
  check_paths(console);
  return logged(console, late_outputs, [&] { return work(console); });
}

int CommandFrame::run_in_group(
    const std::vector<std::string>& arguments,
    const std::function<int(Console&, ProcessGroup* group, std::string& what_stays)>& work) {
  if (!parse(arguments)) return kExitDone;
  return emend::run_in_group(common, [&](ProcessGroup* group, std::string& what_stays) {
    Console console(common);
    if (!is_first(group)) return work(console, group, what_stays);
    check_paths(console);
    return logged(console, late_outputs, [&] { return work(console, group, what_stays); });
  });
}

void CommandFrame::check_paths(const Console& console) const {
  OtherFiles others = other_paths ? other_paths() : OtherFiles();
  others.model = common.model;
  others.statistics.emplace_back(common.statistics);
  std::vector<std::pair<std::string, std::filesystem::path>> products, pages;
  for (const OptionList::Bound& option : options.bound())
    for (const std::string& path : option.texts()) {
      const auto is = [&](Use use) { return has_use(option.uses, use); };
      if (is(Use::kWritesFolder)) require_writable_folder(path);
      if (is(Use::kReads)) others.files.emplace_back(path);
      if (is(Use::kFolder | Use::kWritesFolder)) others.statistics.emplace_back(path);
      if (is(Use::kWrites)) products.emplace_back("--" + option.name, path);
      if (is(Use::kPage)) pages.emplace_back("--" + option.name, path);
    }
  std::vector<std::filesystem::path> inputs = others.files;
  inputs.push_back(others.model);
  for (const auto& [option, file] : products) {
    require_writable_file(file);
    require_not_among(file, inputs);
    require_output_apart(option, file, {{}, {}, others.statistics});
    others.files.push_back(file);
  }
  for (const auto& [option, file] : pages) {
    console.check_result_file(option, file, others);
    others.files.push_back(file);
  }
  console.keep_json_apart(others);
}

Model CommandFrame::load(Console& console, const WorkBytes& work, Spare spare) {
  Model model = load_model(common.model, common, console, work, spare);
  const bool takes_budget =
      std::find(syntax.unused.begin(), syntax.unused.end(), "token-budget") == syntax.unused.end();
  if (takes_budget) fit_token_budget(model, common, console);
  return model;
}

int CommandFrame::show(Console& console, const std::string& text, const std::string& json,
                       const ResultFiles& files) {
  console.print(text);
  if (!options.junit_file.empty()) console.write_result_file(options.junit_file, files.junit());
  if (!options.report_file.empty()) {
    console.write_result_file(options.report_file, files.report());
    console.print("Report: " + options.report_file + "\n");
  }
  console.write_json(json);
  return kExitDone;
}

int CommandFrame::show(Console& console, const std::string& text, const ResultJson& json,
                       const ResultFiles& files) {
  return show(console, text, dump_json(json), files);
}

}  // namespace emend
