#include "console/hints.h"

#include <algorithm>
#include <cctype>

#include "console/options.h"

namespace emend {
namespace {

// Whether place `at` of the text lies between two double quotes of its line.
bool is_quoted(std::string_view text, std::size_t at) {
  const std::size_t line_end = text.rfind('\n', at);
  bool quoted = false;
  for (std::size_t i = line_end == std::string_view::npos ? 0 : line_end + 1; i < at; ++i) {
    if (quoted && text[i] == '\\')
      ++i;  // \" ends no quote
    else if (text[i] == '"')
      quoted = !quoted;
  }
  return quoted;
}

bool goes_on(std::string_view text, std::size_t end) {
  return end < text.size() && std::isalnum(static_cast<unsigned char>(text[end])) != 0;
}

std::string with_command(std::string_view text, const Hint& hint) {
  std::string told;
  std::size_t begin = 0;
  for (std::size_t at = 0; (at = text.find(hint.advice, at)) != std::string_view::npos;) {
    const std::size_t end = at + hint.advice.size();
    if (!is_quoted(text, at) && !goes_on(text, end)) {
      told.append(text.substr(begin, end - begin)).append(" (").append(hint.command).append(")");
      begin = end;
    }
    at = end;
  }
  return told.append(text.substr(begin));
}

}  // namespace

const std::vector<Hint>& hints() {
  static const std::vector<Hint> all = {
      {"an edit writes patches", "emend edit"},
      {"collect statistics of the layer", "emend stats"},
      {"statistics collected over text", "emend stats"},
      {"a collection of statistics", "emend stats"},
      {"collecting them together", "emend stats"},
      {"locating a file of facts", "emend locate"},
      {"converted into an edit file", "emend convert facts"},
      {"a benchmark's data sets", "emend eval"},
      {"check the model's weights", "emend model check"},
      {"a check of the model", "emend model check"},
      {"a scan of memories", "emend memories scan"},
      {"join the parts of the scan", "emend memories merge"},
      {"reading the values into the index", "emend memories values"},
      {"the analyses of memories", "emend memories"},
  };
  return all;
}

std::string with_commands(std::string_view text) {
  std::string told(text);
  for (const Hint& hint : hints()) told = with_command(told, hint);
  return told;
}

std::string with_hints(std::string_view message) {
  return with_commands(with_dashes(message));
}

}  // namespace emend
