#include "base/utf8.h"

#include <utf8proc.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "base/nearest.h"
#include "base/strings.h"

namespace emend {
namespace {

bool is_continuation(std::string_view text, std::size_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
}

// The second byte decides overlong forms, surrogates and the upper end.
bool second_byte_fits(unsigned char first, unsigned char second) {
  switch (first) {
    case 0xE0:
      return second >= 0xA0;
    case 0xED:
      return second <= 0x9F;
    case 0xF0:
      return second >= 0x90;
    case 0xF4:
      return second <= 0x8F;
    default:
      return true;
  }
}

// How many of the bytes from `at` on are ASCII, counted eight at a time.
std::size_t ascii_run(std::string_view text, std::size_t at) {
  const std::size_t begin = at;
  while (at + 8 <= text.size()) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, sizeof word);
    if ((word & 0x8080808080808080u) != 0) break;
    at += 8;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
  return at - begin;
}

}  // namespace

std::size_t utf8_length(std::string_view text, std::size_t at) {
  if (at >= text.size()) return 0;
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const std::size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(text, at + i)) return 0;
  }
  return second_byte_fits(first, static_cast<unsigned char>(text[at + 1])) ? length : 0;
}

std::optional<std::size_t> find_invalid_utf8(std::string_view text) {
  std::size_t at = 0;
  while (true) {
    at += ascii_run(text, at);
    if (at >= text.size()) return std::nullopt;
    const std::size_t length = utf8_length(text, at);
    if (length == 0) return at;
    at += length;
  }
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string valid;
  while (const auto bad = find_invalid_utf8(text)) {
    valid.append(text.substr(0, *bad)).append("\xEF\xBF\xBD");
    text.remove_prefix(*bad + 1);
  }
  return valid.append(text);
}

namespace {

// The text in the form NFC; std::nullopt if it is not UTF-8.
std::optional<std::string> composed(std::string_view text) {
  utf8proc_uint8_t* result = nullptr;
  const utf8proc_ssize_t length = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
      &result, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(result, std::free);
  if (length < 0) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(result), static_cast<std::size_t>(length));
}

std::string lower_ascii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words = split_at(text, ' ');
  std::erase(words, "");
  return words;
}

// The run of words of the prompt, as many as the subject has, that is most like the subject: it may be meant.
std::optional<std::string> mistyped(std::string_view prompt, std::string_view subject) {
  const std::vector<std::string> words = words_of(prompt);
  const std::size_t count = words_of(subject).size();
  std::vector<std::string> runs;
  for (std::size_t begin = 0; count > 0 && begin + count <= words.size(); ++begin) {
    std::string run = words[begin];
    for (std::size_t i = begin + 1; i < begin + count; ++i) run += " " + words[i];
    while (!run.empty() && std::string_view(",.:;!?").find(run.back()) != std::string_view::npos)
      run.pop_back();
    if (prompt.find(run) != std::string_view::npos) runs.push_back(run);
  }
  return nearest_name(subject, runs);
}

}  // namespace

bool contains_in_other_form(std::string_view text, std::string_view part) {
  if (text.find(part) != std::string_view::npos) return false;
  const auto composed_text = composed(text), composed_part = composed(part);
  return composed_text && composed_part && composed_text->find(*composed_part) != std::string::npos;
}

std::string other_form_hint(std::string_view prompt, std::string_view subject) {
  if (prompt.find(subject) != std::string_view::npos) return "";
  const std::size_t at = lower_ascii(prompt).find(lower_ascii(subject));
  if (at != std::string::npos)
    return "; it has " + quote(prompt.substr(at, subject.size())) + ", and case matters";
  if (!contains_in_other_form(prompt, subject)) {
    const std::optional<std::string> meant = mistyped(prompt, subject);
    return meant ? "; did you mean " + quote(*meant) + "?" : "";
  }
  return "; it stands there in another Unicode form (NFC or NFD), which looks the same: copy it from the "
         "prompt";
}

}  // namespace emend
