// Manual pages, made from what the commands say of themselves.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "console/command_help.h"

namespace emend {

// The pages by file name: emend.1, which lists the commands, and one for each command with options, as
// emend-patch-verify.1. Each is source for man(7); no page holds a date.
std::map<std::string, std::string> manual_pages(const std::vector<CommandHelp>& commands);

}  // namespace emend
