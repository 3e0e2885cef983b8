// Filters that make texts.
#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/access.h"
#include "text/jinja/characters.h"
#include "text/jinja/filters.h"
#include "text/jinja/operators.h"
#include "text/jinja/percent_format.h"
#include "text/jinja/python_text.h"
#include "text/jinja/string_methods.h"
#include "text/unicode.h"

namespace emend::text::jinja {
namespace {

// str(value), markup staying markup.
Value soft_text(Runtime& runtime, const Value& value) {
  return value.is(Kind::kString) ? value : Value(to_text(runtime, value));
}

template <std::string (*change)(std::string_view)>
Value change_case(Runtime& runtime, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("this filter");
  const Value text = soft_text(runtime, value);
  runtime.use_bytes(text.text().size());
  return {change(text.text()), text.is_markup()};
}

// A filter that is the method of the same name.
Value call_method(Runtime& runtime, const Value& value, std::string_view name, const Arguments& arguments) {
  return call(runtime, *find_string_method(soft_text(runtime, value), name), arguments);
}

Value trim(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound = bind("trim", arguments, {"chars"});
  Arguments chars;
  if (bound[0]) chars.positional.push_back(*bound[0]);
  return call_method(runtime, value, "strip", chars);
}

Value center(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound = bind("center", arguments, {"width"});
  Arguments width;
  width.positional.push_back(bound[0].value_or(std::int64_t{80}));
  return call_method(runtime, value, "center", width);
}

// The first letter of each word upper, the rest lower; words begin behind space and - ( { [ <.
Value title_filter(Runtime& runtime, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("title");
  const Value text = soft_text(runtime, value);
  runtime.use_bytes(text.text().size());
  std::string result;
  bool begins = true;
  for (const std::string_view character : characters(text.text())) {
    const bool between =
        leading_space(character) > 0 || std::string_view("-({[<").find(character) != std::string_view::npos;
    result += between ? std::string(character) : begins ? upper(character) : lower(character);
    begins = between;
  }
  return {std::move(result), text.is_markup()};
}

Value replace(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound = bind("replace", arguments, {"old", "new", "count"}, 2);
  return replaced(runtime, to_text(runtime, value), to_text(runtime, *bound[0]), to_text(runtime, *bound[1]),
                  int_or("replace", bound[2], -1));
}

Value indent(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound = bind("indent", arguments, {"width", "first", "blank"});
  const bool first = bound[1] && truth(*bound[1]), blank = bound[2] && truth(*bound[2]);
  std::string margin = "    ";
  if (is_given(bound[0]) && bound[0]->is(Kind::kString)) {
    margin = bound[0]->text();
  } else if (is_given(bound[0])) {
    const std::int64_t width = std::max<std::int64_t>(require_int("indent", *bound[0]), 0);
    runtime.check_text(static_cast<std::size_t>(width));
    margin.assign(static_cast<std::size_t>(width), ' ');
  }
  const std::string text = require_text("indent", value) + "\n";  // so that a line end at the end stays
  std::string result;
  bool is_first = true;
  for (const std::string_view line : split_lines(text, false)) {
    if (!is_first) runtime.append(result, "\n");
    if (is_first ? first : blank || !line.empty()) runtime.append(result, margin);
    runtime.append(result, line);
    is_first = false;
  }
  return {std::move(result), value.is_markup()};
}

Value join(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound = bind("join", arguments, {"d", "attribute"});
  const std::string between = bound[0] ? to_text(runtime, *bound[0]) : std::string();
  std::string result;
  bool first = true;
  for (const Value& item : iterate(runtime, value)) {
    if (!first) runtime.append(result, between);
    first = false;
    runtime.append(result, to_text(runtime, is_given(bound[1]) ? get_path(runtime, item, *bound[1]) : item));
  }
  return result;
}

Value string(Runtime& runtime, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("string");
  return soft_text(runtime, value);
}

Value safe(Runtime& runtime, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("safe");
  return {to_text(runtime, value), true};
}

Value escape(Runtime& runtime, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("escape");
  if (value.is_markup()) return value;
  runtime.use_bytes(value.is(Kind::kString) ? value.text().size() : 0);
  std::string text = escape_html(to_text(runtime, value));
  runtime.check_text(text.size());
  return {std::move(text), true};
}

Value format(Runtime& runtime, const Value& value, const Arguments& arguments) {
  if (!arguments.named.empty()) throw Fault{"format with named values is not supported by emend"};
  return percent_format(runtime, soft_text(runtime, value), Value::tuple(arguments.positional));
}

Value truncate(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound = bind("truncate", arguments, {"length", "killwords", "end", "leeway"});
  const std::int64_t most = int_or("truncate", bound[0], 255), leeway = int_or("truncate", bound[3], 5);
  const bool cuts_words = bound[1] && truth(*bound[1]);
  const std::string end = text_or("truncate", bound[2], "...");
  Value text = soft_text(runtime, value);
  const std::vector<std::string_view> all = characters(text.text());
  const auto end_size = static_cast<std::int64_t>(count_characters(end));
  if (most < end_size)
    throw Fault{fmt::format("truncate: expected a length of at least {}, found {}", end_size, most)};
  if (leeway < 0) throw Fault{"truncate: the leeway must not be negative"};
  if (static_cast<std::int64_t>(all.size()) <= most + leeway) return text;
  std::string result;
  for (std::int64_t i = 0; i < most - end_size; ++i) result += all[static_cast<std::size_t>(i)];
  if (!cuts_words) result = result.substr(0, result.rfind(' '));
  return {result + end, text.is_markup()};
}

JsonStyle json_style(Runtime& runtime, const Bound& bound) {
  JsonStyle style;
  style.ascii_only = bound[0] && truth(*bound[0]);
  if (is_given(bound[1])) {
    style.item_separator = ",";
    const bool text = bound[1]->is(Kind::kString);
    const std::int64_t width = text ? 0 : std::max<std::int64_t>(require_int("tojson", *bound[1]), 0);
    runtime.check_text(static_cast<std::size_t>(width));
    style.indent = text ? bound[1]->text() : std::string(static_cast<std::size_t>(width), ' ');
  }
  if (is_given(bound[2])) {
    const std::vector<Value> separators = iterate(runtime, *bound[2]);
    if (separators.size() != 2) throw Fault{"tojson: separators must be two strings"};
    style.item_separator = require_text("tojson", separators[0]);
    style.key_separator = require_text("tojson", separators[1]);
  }
  style.sort_keys = bound[3] && truth(*bound[3]);
  return style;
}

Value tojson(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound = bind("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  return to_json(runtime, value, json_style(runtime, bound));
}

Value word_count(Runtime& runtime, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("wordcount");
  const std::string text = to_text(runtime, value);
  std::int64_t count = 0;
  bool inside = false;
  for (const std::string_view character : characters(text)) {
    const char32_t c = code_point_at(character, 0).code_point;
    if (c >= 0x80) throw Fault{"wordcount of a text that is not ASCII is not supported by emend"};
    const bool word = c == '_' || is_letter(c) || is_decimal(c);
    if (word && !inside) ++count;
    inside = word;
  }
  return count;
}

constexpr std::array kFilters = std::to_array<NamedFilter>({
    {"capitalize", change_case<capitalize>},
    {"center", center},
    {"e", escape},
    {"escape", escape},
    {"format", format},
    {"indent", indent},
    {"join", join},
    {"lower", change_case<lower>},
    {"replace", replace},
    {"safe", safe},
    {"string", string},
    {"title", title_filter},
    {"tojson", tojson},
    {"trim", trim},
    {"truncate", truncate},
    {"upper", change_case<upper>},
    {"wordcount", word_count},
});

}  // namespace

FilterFunction find_text_filter(std::string_view name) {
  return find_filter(kFilters, name);
}

}  // namespace emend::text::jinja
