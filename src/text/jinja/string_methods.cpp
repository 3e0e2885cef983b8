#include "text/jinja/string_methods.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "text/jinja/brace_format.h"
#include "text/jinja/characters.h"
#include "text/jinja/operators.h"
#include "text/jinja/split.h"
#include "text/unicode.h"

namespace emend::text::jinja {
namespace {

using Method = Value (*)(Runtime&, const Value&, const Arguments&);

template <Side side>
Value strip_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound = bind("strip()", arguments, {"chars"});
  runtime.use_bytes(self.text().size());
  const std::string_view result = is_given(bound[0])
                                      ? strip(self.text(), side, require_text("strip()", *bound[0]))
                                      : strip(self.text(), side);
  return {std::string(result), self.is_markup()};
}

template <std::string (*change)(std::string_view)>
Value case_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  arguments.refuse_any("this method of a string");
  runtime.use_bytes(self.text().size());
  return {change(self.text()), self.is_markup()};
}

// startswith and endswith: one string or a tuple of them.
template <bool at_end>
Value affix_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  constexpr std::string_view kName = at_end ? "endswith()" : "startswith()";
  const Bound bound = bind(kName, arguments, {"affix"}, 1);
  const std::vector<Value> affixes =
      bound[0]->is(Kind::kTuple) ? bound[0]->items() : std::vector<Value>{*bound[0]};
  runtime.step(affixes.size());
  return std::any_of(affixes.begin(), affixes.end(), [&](const Value& affix) {
    const std::string& text = require_text(kName, affix);
    runtime.use_bytes(text.size());
    return at_end ? self.text().ends_with(text) : self.text().starts_with(text);
  });
}

template <bool at_end>
Value remove_affix(Runtime&, const Value& self, const Arguments& arguments) {
  const Bound bound = bind(at_end ? "removesuffix()" : "removeprefix()", arguments, {"affix"}, 1);
  const std::string& affix = require_text("removeprefix()", *bound[0]);
  std::string_view text = self.text();
  if (at_end && text.ends_with(affix)) text.remove_suffix(affix.size());
  if (!at_end && text.starts_with(affix)) text.remove_prefix(affix.size());
  return {std::string(text), self.is_markup()};
}

Value replace_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound = bind("replace()", arguments, {"old", "new", "count"}, 2);
  const std::string& by = require_text("replace()", *bound[1]);
  const std::string text = replaced(runtime, self.text(), require_text("replace()", *bound[0]),
                                    self.is_markup() && !bound[1]->is_markup() ? escape_html(by) : by,
                                    int_or("replace()", bound[2], -1));
  return {text, self.is_markup()};
}

Value join_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound = bind("join()", arguments, {"iterable"}, 1);
  std::string result;
  bool first = true;
  if (bound[0]->is(Kind::kUndefined)) return {result, self.is_markup()};
  for (const Value& item : iterate(runtime, *bound[0])) {
    if (!first) runtime.append(result, self.text());
    first = false;
    const std::string& text = require_text("join()", item);
    runtime.append(result, self.is_markup() && !item.is_markup() ? escape_html(text) : text);
  }
  return {std::move(result), self.is_markup()};
}

enum class Search { kFind, kLast, kIndex, kCount };

// Counts in characters; without begin and end.
template <Search search>
Value search_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound = bind("find()", arguments, {"part"}, 1);
  const std::string& part = require_text("find()", *bound[0]);
  const std::string& text = self.text();
  runtime.use_bytes(text.size() * (1 + part.size() / 256));
  if (search == Search::kCount) {
    std::int64_t count = 0;
    if (part.empty()) return static_cast<std::int64_t>(count_characters(text)) + 1;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
      ++count;
    return count;
  }
  const std::size_t at = search == Search::kLast ? text.rfind(part) : text.find(part);
  if (at != std::string::npos)
    return static_cast<std::int64_t>(count_characters(std::string_view(text).substr(0, at)));
  if (search == Search::kIndex) throw Fault{"index(): the string does not hold this part"};
  return std::int64_t{-1};
}

Value splitlines(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound = bind("splitlines()", arguments, {"keepends"});
  std::vector<Value> lines;
  for (const std::string_view line : split_lines(self.text(), bound[0] && truth(*bound[0]))) {
    runtime.step();
    lines.emplace_back(std::string(line), self.is_markup());
  }
  return Value::list(std::move(lines));
}

using CharacterTest = bool (*)(char32_t);

bool is_ascii(char32_t c) {
  return c < 0x80;
}

bool is_space_character(char32_t c) {
  return is_space(c);
}

bool is_letter_or_digit(char32_t c) {
  return is_letter(c) || is_decimal(c);
}

// Python counts more characters as digits than the decimal ones.
void refuse_other_digits(char32_t c) {
  if (c >= 0x80 && is_number(c) && !is_decimal(c))
    throw Fault{fmt::format("whether U+{:04X} is a digit is not supported", std::uint32_t{c})};
}

template <CharacterTest test, bool empty_passes = false, bool about_digits = false>
Value all_characters(Runtime& runtime, const Value& self, const Arguments& arguments) {
  arguments.refuse_any("this method of a string");
  runtime.use_bytes(self.text().size());
  if (self.text().empty()) return empty_passes;
  for (const std::string_view character : characters(self.text())) {
    const char32_t c = code_point_at(character, 0).code_point;
    if (about_digits) refuse_other_digits(c);
    if (!test(c)) return false;
  }
  return true;
}

// isupper, islower: some character has a case, and none the other one.
template <CharacterTest wanted, CharacterTest other>
Value has_case(Runtime& runtime, const Value& self, const Arguments& arguments) {
  arguments.refuse_any("this method of a string");
  runtime.use_bytes(self.text().size());
  bool found = false;
  for (const std::string_view character : characters(self.text())) {
    const char32_t c = code_point_at(character, 0).code_point;
    if (other(c)) return false;
    found = found || wanted(c);
  }
  return found;
}

// ljust, rjust, center: `side` says where the text stands.
template <Side side>
Value justify(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound = bind("ljust()", arguments, {"width", "fillchar"}, 1);
  const std::string fill = text_or("ljust()", bound[1], " ");
  if (count_characters(fill) != 1) throw Fault{"the character to fill with must be one character"};
  const auto width = require_int("ljust()", *bound[0]);
  const auto size = static_cast<std::int64_t>(count_characters(self.text()));
  const std::int64_t total = std::max<std::int64_t>(width - size, 0);
  std::int64_t left = side == Side::kRight ? total : 0;
  if (side == Side::kBoth) left = total / 2 + (total & width & 1);
  std::string result;
  for (std::int64_t i = 0; i < left; ++i) runtime.append(result, fill);
  runtime.append(result, self.text());
  for (std::int64_t i = left; i < total; ++i) runtime.append(result, fill);
  return {std::move(result), self.is_markup()};
}

struct NamedMethod {
  std::string_view name;
  Method call;
};

constexpr std::array kMethods = std::to_array<NamedMethod>({
    {"capitalize", case_method<capitalize>},
    {"center", justify<Side::kBoth>},
    {"count", search_method<Search::kCount>},
    {"endswith", affix_method<true>},
    {"find", search_method<Search::kFind>},
    {"format", brace_format},
    {"index", search_method<Search::kIndex>},
    {"isalnum", all_characters<is_letter_or_digit, false, true>},
    {"isalpha", all_characters<is_letter>},
    {"isascii", all_characters<is_ascii, true>},
    {"isdecimal", all_characters<is_decimal>},
    {"isdigit", all_characters<is_decimal, false, true>},
    {"islower", has_case<is_lower, is_upper>},
    {"isnumeric", all_characters<is_decimal, false, true>},
    {"isspace", all_characters<is_space_character>},
    {"isupper", has_case<is_upper, is_lower>},
    {"join", join_method},
    {"ljust", justify<Side::kLeft>},
    {"lower", case_method<lower>},
    {"lstrip", strip_method<Side::kLeft>},
    {"partition", partition_method},
    {"removeprefix", remove_affix<false>},
    {"removesuffix", remove_affix<true>},
    {"replace", replace_method},
    {"rfind", search_method<Search::kLast>},
    {"rjust", justify<Side::kRight>},
    {"rpartition", rpartition_method},
    {"rsplit", rsplit_method},
    {"rstrip", strip_method<Side::kRight>},
    {"split", split_method},
    {"splitlines", splitlines},
    {"startswith", affix_method<false>},
    {"strip", strip_method<Side::kBoth>},
    {"swapcase", case_method<swapcase>},
    {"title", case_method<title>},
    {"upper", case_method<upper>},
});

constexpr std::array<std::string_view, 11> kUnknownToUs = {
    "casefold", "encode",    "expandtabs", "format_map", "isidentifier", "isprintable",
    "istitle",  "maketrans", "translate",  "zfill",      "rindex"};

}  // namespace

std::optional<Value> find_string_method(const Value& object, std::string_view name) {
  for (const NamedMethod& method : kMethods)
    if (method.name == name)
      return Value::callable(std::string(name),
                             [object, call = method.call](Runtime& runtime, const Arguments& arguments) {
                               return call(runtime, object, arguments);
                             });
  if (std::find(kUnknownToUs.begin(), kUnknownToUs.end(), name) == kUnknownToUs.end()) return std::nullopt;
  return Value::callable(std::string(name), [name = std::string(name)](Runtime&, const Arguments&) -> Value {
    throw Fault{fmt::format("the method '{}' of a string is not supported by emend", name)};
  });
}

std::string replaced(Runtime& runtime, std::string_view text, std::string_view old, std::string_view by,
                     std::int64_t count) {
  runtime.use_bytes(text.size() * (1 + old.size() / 256));
  std::string result;
  std::size_t done = 0;
  if (old.empty()) {  // between all characters
    for (const std::string_view character : characters(text)) {
      if (count-- != 0)
        runtime.append(result, by);
      else
        count = 0;
      runtime.append(result, character);
    }
    if (count != 0) runtime.append(result, by);
    return result;
  }
  for (std::size_t at = text.find(old); at != std::string_view::npos && count != 0;
       at = text.find(old, done)) {
    runtime.append(result, text.substr(done, at - done));
    runtime.append(result, by);
    done = at + old.size();
    --count;
  }
  runtime.append(result, text.substr(done));
  return result;
}

}  // namespace emend::text::jinja
