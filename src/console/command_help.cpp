#include "console/command_help.h"

#include <unistd.h>

#include <algorithm>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <map>
#include <sstream>
#include <utility>

#include "base/json.h"
#include "console/console.h"
#include "report/display_text.h"

namespace emend {
namespace {

Json option_json(const po::option_description& option) {
  const auto semantic = option.semantic();
  std::string value, standard;
  if (semantic->max_tokens() > 0) {
    value = semantic->name();  // "N (=0)", "[=SHARE(=0.2)]"
    const std::size_t begin = value.find("(=");
    if (begin != std::string::npos) {
      // "[=SHARE(=0.2)]": what the option alone means, and not what holds without it.
      if (!value.starts_with("[=")) standard = value.substr(begin + 2, value.find(')', begin) - begin - 2);
      value.erase(value.find_last_not_of(" ", begin - 1) + 1);
    }
    if (value.starts_with("[=")) value.erase(0, 2);
  }
  return {{"name", option.long_name()},
          {"value", value},
          {"standard", standard},
          {"help", one_line(option.description())}};
}

std::string text_of(const Json& json, const char* key) {
  return json.at(key).get<std::string>();
}

void take(CommandHelp& command, const Json& line) {
  if (line.contains("summary")) {
    command.summary = text_of(line, "summary");
    return;
  }
  command.synopsis = text_of(line, "synopsis");
  command.help = text_of(line, "help");
  command.examples = line.at("examples").get<std::vector<std::string>>();
  for (const Json& option : line.at("options"))
    command.options.push_back({text_of(option, "name"), text_of(option, "value"), text_of(option, "standard"),
                               text_of(option, "help")});
}

}  // namespace

std::string described(const Syntax& syntax, const po::options_description& common) {
  Json options = Json::array();
  for (const auto& option : syntax.own.options())
    if (option->long_name() != syntax.positional) options.push_back(option_json(*option));
  for (const auto& option : common.options()) options.push_back(option_json(*option));
  const Json line = {{"name", syntax.command},
                     {"synopsis", syntax.synopsis},
                     {"help", syntax.help},
                     {"examples", syntax.examples},
                     {"options", options}};
  return line.dump() + "\n";
}

std::string described(const std::string& name, const std::string& summary) {
  return Json{{"name", name}, {"summary", summary}}.dump() + "\n";
}

std::vector<CommandHelp> read_commands(const std::string& lines) {
  std::map<std::string, CommandHelp> by_name;
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) {
    const Json json = parse_json(line, "the description of a command");
    take(by_name[text_of(json, "name")], json);
  }
  std::vector<CommandHelp> commands;
  for (auto& [name, command] : by_name) {
    command.name = name;
    commands.push_back(std::move(command));
  }
  return commands;
}

unsigned help_columns() {
  constexpr std::size_t kUsual = 100, kLeast = 40, kMost = 140;
  const std::size_t columns = terminal_columns(STDOUT_FILENO);
  return static_cast<unsigned>(columns == 0 ? kUsual : std::clamp(columns, kLeast, kMost));
}

std::string wrapped_help(const std::string& text, std::size_t indent) {
  if (terminal_columns(STDOUT_FILENO) == 0) return text + "\n";
  const std::size_t columns = help_columns();
  const std::string first = wrap_to_width(text, columns).front();
  std::string wrapped = first + "\n";
  const std::size_t next = text.find_first_not_of(' ', first.size());
  if (next == std::string::npos) return wrapped;
  for (const std::string& line : wrap_to_width(text.substr(next), columns - indent))
    wrapped += std::string(indent, ' ') + line + "\n";
  return wrapped;
}

}  // namespace emend
