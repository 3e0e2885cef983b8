// What the library advises, as somebody types it: options with their dashes, and the command that does what
// is advised.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace emend {

// An advice of the library, word for word, and the command that follows it.
struct Hint {
  std::string_view advice, command;
};
const std::vector<Hint>& hints();

// A text of the library with each advice followed by its command: "check the model's weights (emend model
// check)". What stands in double quotes on a line stays as it is.
std::string with_commands(std::string_view text);

// A message of the library for the terminal: with_dashes (options.h) and with_commands.
std::string with_hints(std::string_view message);

}  // namespace emend
