#include "text/jinja/percent_format.h"

#include <fmt/format.h>

#include <cmath>

#include "text/jinja/python_text.h"

namespace emend::text::jinja {
namespace {

std::string as_integer(const Value& value) {
  if (!value.is_number()) throw Fault{fmt::format("%d needs a number, found {}", type_name(value))};
  if (!value.is(Kind::kFloat)) return fmt::format("{}", value.integer());
  if (!(std::abs(value.number()) < 9e18)) throw Fault{"%d: the number is out of range"};
  return fmt::format("{}", static_cast<std::int64_t>(value.number()));
}

}  // namespace

Value percent_format(Runtime& runtime, const Value& pattern, const Value& values) {
  if (pattern.is_markup()) throw Fault{"formatting a text made by safe or escape is not supported"};
  const std::vector<Value> parts = values.is(Kind::kTuple) ? values.items() : std::vector<Value>{values};
  std::size_t used = 0;
  std::string result;
  const std::string& text = pattern.text();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      runtime.append(result, std::string_view(text).substr(i, 1));
      continue;
    }
    const char kind = i + 1 < text.size() ? text[++i] : '\0';
    if (kind == '%') {
      runtime.append(result, "%");
      continue;
    }
    if (kind != 's' && kind != 'r' && kind != 'd')
      throw Fault{"formatting with '%' knows %s, %r, %d and %% only"};
    if (used == parts.size()) throw Fault{"formatting with '%': there are fewer values than places"};
    const Value& part = parts[used++];
    runtime.append(result, kind == 's'   ? to_text(runtime, part)
                           : kind == 'r' ? repr(runtime, part)
                                         : as_integer(part));
  }
  const bool may_be_unused = values.is(Kind::kDict);
  if (used < parts.size() && !may_be_unused)
    throw Fault{"formatting with '%': there are more values than places"};
  return result;
}

}  // namespace emend::text::jinja
