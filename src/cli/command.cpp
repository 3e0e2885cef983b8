#include "cli/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "base/nearest.h"
#include "base/strings.h"
#include "cli/options.h"
#include "emend/error.h"
#include "report/display_text.h"

namespace emend {
namespace {

void print_commands(const std::string& prefix, const std::vector<Command>& commands, std::ostream& out) {
  out << "Usage: emend " << prefix << "COMMAND [OPTIONS]\n\nCommands:\n";
  for (const Command& command : commands)
    if (command.run != nullptr)
      out << "  " << pad_to_width(command.name, 10, Align::kLeft) << command.help << "\n";
  out << "\nemend " << prefix << "COMMAND --help tells the options of a command.\n";
}

std::vector<std::string> present_names(const std::vector<Command>& commands) {
  std::vector<std::string> names;
  for (const Command& command : commands)
    if (command.run != nullptr) names.push_back(command.name);
  return names;
}

}  // namespace

int run_command(const std::string& prefix, const std::vector<Command>& commands,
                const std::vector<std::string>& arguments) {
  if (arguments.empty()) {
    print_commands(prefix, commands, std::cerr);
    throw Error(ErrorKind::kUsage, prefix.empty() ? "no command was given" : prefix + "wants a command");
  }
  const std::string& name = arguments[0];
  if (name == "--help" || name == "-h" || name == "help") {
    print_commands(prefix, commands, std::cout);
    return 0;
  }
  if (name == "--version") {
    std::cout << "emend " << emend_version() << "\n";
    return 0;
  }
  const auto found = std::find_if(commands.begin(), commands.end(),
                                  [&](const Command& command) { return command.name == name; });
  if (found == commands.end())
    throw Error(ErrorKind::kUsage, fmt::format("there is no command {}{}", quote(prefix + name),
                                               did_you_mean(name, present_names(commands))));
  if (found->run == nullptr)
    throw Error(ErrorKind::kUsage, fmt::format("'emend {}{}' is not part of this version yet", prefix, name));
  return found->run({arguments.begin() + 1, arguments.end()});
}

}  // namespace emend
