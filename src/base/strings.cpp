#include "base/strings.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "base/utf8.h"

namespace emend {
namespace {

std::string escape_byte(char byte) {
  if (byte == '"' || byte == '\\') return std::string("\\") + byte;
  return escape_code_point(static_cast<unsigned char>(byte));
}

bool needs_escape(char byte) {
  return byte == '"' || byte == '\\' || static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F;
}

constexpr std::string_view kBlank = " \t\r\n";

}  // namespace

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string joined;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) joined += separator;
    joined += parts[i];
  }
  return joined;
}

std::vector<std::string> split_at(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t end = text.find(separator); end != std::string_view::npos;
       end = text.find(separator, begin)) {
    parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  parts.emplace_back(text.substr(begin));
  return parts;
}

std::vector<std::size_t> find_occurrences(std::string_view text, std::string_view part) {
  std::vector<std::size_t> begins;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1))
    begins.push_back(at);
  return begins;
}

std::string quote(std::string_view text, std::size_t max_bytes) {
  std::string out = "\"";
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t length = utf8_length(text, at);
    const std::size_t step = length == 0 ? 1 : length;
    if (at + step > max_bytes) break;
    if (length == 0 || needs_escape(text[at])) {
      out += escape_byte(text[at]);
    } else {
      out += text.substr(at, length);
    }
    at += step;
  }
  out += at < text.size() ? "...\"" : "\"";
  return out;
}

std::string in_single_quotes(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

std::string shell_word(const std::string& word) {
  constexpr const char* kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:=@%+,";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  return in_single_quotes(word);
}

std::string escape_code_point(std::uint32_t code_point) {
  switch (code_point) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      return code_point < 0x100 ? fmt::format("\\x{:02X}", code_point) : fmt::format("\\u{:04X}", code_point);
  }
}

std::string human_bytes(std::uint64_t bytes) {
  constexpr std::array<const char*, 6> kUnits = {"kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1000) return fmt::format("{} {}", bytes, bytes == 1 ? "byte" : "bytes");
  double value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  // 999.5 would print as 1000: hand it to the next unit.
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  const int digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}", value, digits, kUnits[unit]);
}

std::string human_seconds(double seconds) {
  if (!(seconds >= 0) || std::isinf(seconds)) return "unknown time";
  if (seconds < 9.995) return fmt::format("{:.2f} s", seconds);
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const double whole = std::round(seconds);
  if (whole < 3600)
    return fmt::format("{} min {:02} s", static_cast<int>(whole) / 60, static_cast<int>(whole) % 60);
  const double minutes = std::floor(std::round(seconds / 60));
  return fmt::format("{:.0f} h {:02} min", std::floor(minutes / 60),
                     static_cast<int>(std::fmod(minutes, 60)));
}

std::string_view trim_back(std::string_view text) {
  const std::size_t last = text.find_last_not_of(kBlank);
  return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}

std::string_view trim(std::string_view text) {
  const std::string_view rest = trim_back(text);
  return rest.empty() ? rest : rest.substr(rest.find_first_not_of(kBlank));
}

}  // namespace emend
