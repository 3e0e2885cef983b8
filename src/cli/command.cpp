#include "cli/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "base/nearest.h"
#include "base/strings.h"
#include "console/command_help.h"
#include "console/options.h"
#include "emend/error.h"
#include "report/display_text.h"

namespace emend {
namespace {

void print_commands(const std::string& prefix, const std::vector<Command>& commands, std::ostream& out) {
  out << "Usage: emend " << prefix << "COMMAND [OPTIONS]\n\nCommands:\n";
  for (const Command& command : commands)
    if (command.run != nullptr)
      out << wrapped_help("  " + pad_to_width(command.name, 12, Align::kLeft) + command.help, 14);
  out << "\n"
      << wrapped_help(fmt::format(
             "emend {0}COMMAND --help, or emend help {0}COMMAND, tells the options of a command.", prefix));
}

std::vector<std::string> present_names(const std::vector<Command>& commands) {
  std::vector<std::string> names;
  for (const Command& command : commands)
    if (command.run != nullptr) names.push_back(command.name);
  return names;
}

// "help COMMAND ...".
bool asks_for_help_of(const std::vector<std::string>& arguments) {
  return arguments.size() > 1 && arguments[0] == "help";
}

// "COMMAND ... --help-of-command".
std::vector<std::string> as_help_option(const std::vector<std::string>& arguments) {
  std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
  rest.emplace_back(kHelpOfCommand);
  return rest;
}

// nullptr if there is none of that name.
const Command* find_command(const std::vector<Command>& commands, const std::string& name) {
  const auto found = std::find_if(commands.begin(), commands.end(),
                                  [&](const Command& command) { return command.name == name; });
  return found == commands.end() ? nullptr : &*found;
}

// The lines of all commands of a table.
void describe_all(const std::string& prefix, const std::vector<Command>& commands) {
  for (const Command& command : commands) {
    if (command.run == nullptr) continue;
    std::cout << described(prefix + command.name, command.help);
    command.run({std::string(kDescribe)});
  }
}

int run(const std::string& prefix, const Command& command, const std::vector<std::string>& arguments) {
  if (command.run == nullptr)
    throw Error(ErrorKind::kUsage,
                fmt::format("'emend {}{}' is not part of this version yet", prefix, command.name));
  return command.run(arguments);
}

}  // namespace

int run_command(const std::string& prefix, const std::vector<Command>& commands,
                const std::vector<std::string>& arguments) {
  if (arguments.empty()) {
    if (!prefix.empty()) print_commands(prefix, commands, std::cerr);
    throw Error(ErrorKind::kUsage, prefix.empty() ? "no command was given" : prefix + "wants a command");
  }
  const std::string& name = arguments[0];
  if (name == kDescribe) {
    describe_all(prefix, commands);
    return 0;
  }
  if (asks_for_help_of(arguments)) return run_command(prefix, commands, as_help_option(arguments));
  if (name == "--help" || name == "-h" || name == "help" || name == kHelpOfCommand) {
    print_commands(prefix, commands, std::cout);
    return 0;
  }
  if (name == "--version" || name == "version") {
    std::cout << "emend " << emend_version() << "\n";
    return 0;
  }
  const Command* const found = find_command(commands, name);
  if (found == nullptr)
    throw Error(ErrorKind::kUsage, fmt::format("there is no command {}{}", quote(prefix + name),
                                               did_you_mean(name, present_names(commands))));
  return run(prefix, *found, {arguments.begin() + 1, arguments.end()});
}

int run_command_or(const std::string& prefix, const std::vector<Command>& commands,
                   const std::vector<std::string>& arguments,
                   int (*other)(const std::vector<std::string>& arguments)) {
  if (asks_for_help_of(arguments)) return run_command_or(prefix, commands, as_help_option(arguments), other);
  if (arguments.size() == 1 && arguments[0] == kDescribe) describe_all(prefix, commands);
  const Command* const found = arguments.empty() ? nullptr : find_command(commands, arguments[0]);
  if (found == nullptr) return other(arguments);
  return run(prefix, *found, {arguments.begin() + 1, arguments.end()});
}

}  // namespace emend
