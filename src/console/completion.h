// Completion of the command line in a shell, made from what the commands say of their options.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "console/command_help.h"

namespace emend {

// The words that an option may have as its value, by the option's name: "form" -> raw, chat.
using OptionWords = std::map<std::string, std::vector<std::string>>;

// A script for the shell to read. Commands complete to commands and options, options to their words, or to
// files or folders where the help calls their value so.
std::string bash_completion(const std::vector<CommandHelp>& commands, const OptionWords& words);
std::string zsh_completion(const std::vector<CommandHelp>& commands, const OptionWords& words);
std::string fish_completion(const std::vector<CommandHelp>& commands, const OptionWords& words);

}  // namespace emend
