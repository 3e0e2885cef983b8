#include "text/jinja/split.h"

#include <algorithm>

#include "text/jinja/characters.h"

namespace emend::text::jinja {
namespace {

Value list_of(Runtime& runtime, const std::vector<std::string_view>& parts, const Value& self) {
  std::vector<Value> items;
  for (const std::string_view part : parts) {
    runtime.step();
    items.emplace_back(std::string(part), self.is_markup());
  }
  return Value::list(std::move(items));
}

// At most `most` cuts, from the left; all if it is negative.
std::vector<std::string_view> split_at(std::string_view text, std::string_view separator, std::int64_t most) {
  std::vector<std::string_view> parts;
  for (; most != 0; most -= most > 0 ? 1 : 0) {  // negative: without limit
    const std::size_t at = text.find(separator);
    if (at == std::string_view::npos) break;
    parts.push_back(text.substr(0, at));
    text.remove_prefix(at + separator.size());
  }
  parts.push_back(text);
  return parts;
}

std::vector<std::string_view> rsplit_at(std::string_view text, std::string_view separator,
                                        std::int64_t most) {
  std::vector<std::string_view> parts;
  for (; most != 0; most -= most > 0 ? 1 : 0) {
    const std::size_t at = text.rfind(separator);
    if (at == std::string_view::npos) break;
    parts.push_back(text.substr(at + separator.size()));
    text = text.substr(0, at);
  }
  parts.push_back(text);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

// The runs of characters that are no space.
std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  std::size_t begin = 0, at = 0;
  const auto end_word = [&] {
    if (at > begin) words.push_back(text.substr(begin, at - begin));
  };
  for (const std::string_view character : characters(text)) {
    if (leading_space(character) > 0) {
      end_word();
      begin = at + character.size();
    }
    at += character.size();
  }
  end_word();
  return words;
}

// Without a separator there are no empty parts; what is behind the last cut keeps the space at its end.
std::vector<std::string_view> split_at_space(std::string_view text, std::int64_t most) {
  std::vector<std::string_view> words = words_of(text);
  if (most < 0 || static_cast<std::size_t>(most) >= words.size()) return words;
  words.resize(static_cast<std::size_t>(most) + 1);
  words.back() = text.substr(static_cast<std::size_t>(words.back().data() - text.data()));
  return words;
}

std::vector<std::string_view> rsplit_at_space(std::string_view text, std::int64_t most) {
  std::vector<std::string_view> words = words_of(text);
  if (most < 0 || static_cast<std::size_t>(most) >= words.size()) return words;
  words.erase(words.begin(), words.end() - most - 1);
  const std::string_view first = words.front();
  words.front() = text.substr(0, static_cast<std::size_t>(first.data() - text.data()) + first.size());
  return words;
}

Value split_by(Runtime& runtime, const Value& self, const Arguments& arguments, bool from_right) {
  const Bound bound = bind("split()", arguments, {"sep", "maxsplit"});
  const std::int64_t most = int_or("split()", bound[1], -1);
  const std::string& text = self.text();
  if (!is_given(bound[0])) {
    runtime.use_bytes(text.size());
    return list_of(runtime, from_right ? rsplit_at_space(text, most) : split_at_space(text, most), self);
  }
  const std::string& separator = require_text("split()", *bound[0]);
  if (separator.empty()) throw Fault{"split(): the separator is empty"};
  runtime.use_bytes(text.size() * (1 + separator.size() / 256));
  return list_of(runtime, from_right ? rsplit_at(text, separator, most) : split_at(text, separator, most),
                 self);
}

Value partition_by(Runtime& runtime, const Value& self, const Arguments& arguments, bool from_right) {
  const Bound bound = bind("partition()", arguments, {"sep"}, 1);
  const std::string& separator = require_text("partition()", *bound[0]);
  if (separator.empty()) throw Fault{"partition(): the separator is empty"};
  const std::string_view text = self.text();
  runtime.use_bytes(text.size() * (1 + separator.size() / 256));
  const std::size_t at = from_right ? text.rfind(separator) : text.find(separator);
  std::vector<std::string_view> parts = {text, "", ""};
  if (at == std::string_view::npos && from_right) parts = {"", "", text};
  if (at != std::string_view::npos)
    parts = {text.substr(0, at), separator, text.substr(at + separator.size())};
  std::vector<Value> items;
  items.reserve(parts.size());
  for (const std::string_view part : parts) items.emplace_back(std::string(part), self.is_markup());
  return Value::tuple(std::move(items));
}

}  // namespace

Value split_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  return split_by(runtime, self, arguments, false);
}

Value rsplit_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  return split_by(runtime, self, arguments, true);
}

Value partition_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  return partition_by(runtime, self, arguments, false);
}

Value rpartition_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  return partition_by(runtime, self, arguments, true);
}

}  // namespace emend::text::jinja
