// Small helpers for messages that people read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace emend {

// "a, b, c". The separator stands only between parts.
std::string join(const std::vector<std::string>& parts, std::string_view separator = ", ");

// The parts between separators, empty ones too: "a||b" at '|' is "a", "", "b"; an empty text is one empty
// part.
std::vector<std::string> split_at(std::string_view text, char separator);

// Where `part` begins in `text`, overlapping occurrences included.
std::vector<std::size_t> find_occurrences(std::string_view text, std::string_view part);

// `text` in double quotes, safe to print: quotes, backslashes, control characters and bytes that are not
// UTF-8 are escaped (`\"`, `\\`, `\n`, `\x1B`), and what exceeds `max_bytes` of the text is cut and marked
// with "...".
std::string quote(std::string_view text, std::size_t max_bytes = 120);

// `text` in single quotes of a shell, which change nothing in it.
std::string in_single_quotes(std::string_view text);

// `word` for a command line that a person may copy: quoted where a shell would split or change it.
std::string shell_word(const std::string& word);

// A character that would not print, as its escape: `\n`, `\r`, `\t`, else `\x1B` or, from U+0100 on,
// `\u2028`.
std::string escape_code_point(std::uint32_t code_point);

// Powers of 1000, three digits: "0 bytes", "981 bytes", "98.1 MB", "1.25 GB".
std::string human_bytes(std::uint64_t bytes);

// "0.85 s", "12.4 s", "3 min 05 s", "2 h 07 min". Negative and NaN read "unknown time".
std::string human_seconds(double seconds);

// `text` without the spaces, tabs and line ends at both ends, or at the back only.
std::string_view trim(std::string_view text);
std::string_view trim_back(std::string_view text);

}  // namespace emend
