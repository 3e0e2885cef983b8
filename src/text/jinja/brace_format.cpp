#include "text/jinja/brace_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "text/jinja/python_text.h"

namespace emend::text::jinja {
namespace {

// Numbers the places that do not name their value.
class Places {
 public:
  explicit Places(const Arguments& arguments) : arguments_(arguments) {}

  const Value& value_of(std::string_view field) {
    const bool is_index =
        std::all_of(field.begin(), field.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (is_index) return at(index_of(field));
    if (field.find_first_of(".[") != std::string_view::npos)
      throw Fault{"format(): an attribute or item of a value is not supported by emend"};
    const Value* named = arguments_.find(field);
    if (named == nullptr) throw Fault{fmt::format("format(): there is no value named '{}'", field)};
    return *named;
  }

 private:
  std::size_t index_of(std::string_view field) {
    (field.empty() ? counted_ : numbered_) = true;
    if (counted_ && numbered_) throw Fault{"format(): {} and {0} cannot stand in one text"};
    if (field.empty()) return next_++;
    std::size_t index = 0;
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), index);
    if (error != std::errc() || end != field.data() + field.size())
      throw Fault{"format(): the number of a place is too large"};
    return index;
  }

  const Value& at(std::size_t index) const {
    if (index >= arguments_.positional.size()) throw Fault{"format(): there are fewer values than places"};
    return arguments_.positional[index];
  }

  const Arguments& arguments_;
  std::size_t next_ = 0;
  bool counted_ = false, numbered_ = false;
};

std::string text_of(Runtime& runtime, Places& places, std::string_view place) {
  if (place.find_first_of("{:") != std::string_view::npos)
    throw Fault{"format(): a format specification is not supported by emend"};
  const std::size_t mark = place.find('!');
  const Value& value = places.value_of(place.substr(0, mark));
  const std::string_view conversion = mark == std::string_view::npos ? "s" : place.substr(mark + 1);
  if (conversion == "r") return repr(runtime, value);
  if (conversion != "s") throw Fault{fmt::format("format(): the conversion '!{}' is not known", conversion)};
  return to_text(runtime, value);
}

}  // namespace

Value brace_format(Runtime& runtime, const Value& pattern, const Arguments& arguments) {
  if (pattern.is_markup()) throw Fault{"formatting a text made by safe or escape is not supported"};
  const std::string_view text = pattern.text();
  Places places(arguments);
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool doubled = i + 1 < text.size() && text[i + 1] == c;
    if ((c != '{' && c != '}') || doubled) {
      runtime.append(result, text.substr(i, 1));
      if (c == '{' || c == '}') ++i;
      continue;
    }
    const std::size_t end = text.find('}', i);
    if (c == '}' || end == std::string_view::npos) throw Fault{"format(): a brace stands alone"};
    runtime.append(result, text_of(runtime, places, text.substr(i + 1, end - i - 1)));
    i = end;
  }
  return result;
}

}  // namespace emend::text::jinja
