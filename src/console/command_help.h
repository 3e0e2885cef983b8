// What the commands of the program take, as data: completion of shells and manual pages are made from it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "console/options.h"

namespace emend {

struct OptionHelpEntry {
  std::string name;      // without dashes
  std::string value;     // how the help calls its value; empty: it takes none
  std::string standard;  // the default; empty: none
  std::string help;
};

struct CommandHelp {
  std::string name;     // "patch verify"
  std::string summary;  // one line, as tables of commands tell it
  std::string synopsis, help;
  std::vector<std::string> examples;
  std::vector<OptionHelpEntry> options;  // its own, then the common ones; empty for a table of commands
};

// Commands answer this one argument with a line of JSON for each command that they stand for. It is no option
// of the program: shells and readers of manual pages do not see it.
inline constexpr std::string_view kDescribe = "--describe-command";

// What `emend help COMMAND...` asks of the command: as --help, but whatever stands before it is no argument
// of the command, so there is no command of that name.
inline constexpr std::string_view kHelpOfCommand = "--help-of-command";

// One such line of a command, and of an entry in a table of commands, with a line feed.
std::string described(const Syntax& syntax, const boost::program_options::options_description& common);
std::string described(const std::string& name, const std::string& summary);

// All lines together, sorted by name; what table and command say of one name is joined.
std::vector<CommandHelp> read_commands(const std::string& lines);

// How wide help is: the terminal's width where stdout is one (40 to 140 columns), else 100.
unsigned help_columns();
// A text of help, ended with a line feed: wrapped on a terminal, whole elsewhere. Lines behind the first one
// are indented.
std::string wrapped_help(const std::string& text, std::size_t indent = 0);

}  // namespace emend
