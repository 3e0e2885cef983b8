// Filters that make numbers, and `default`.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>

#include "text/jinja/access.h"
#include "text/jinja/characters.h"
#include "text/jinja/filters.h"
#include "text/jinja/operators.h"

namespace emend::text::jinja {
namespace {

// int(text) and float(text) of Python, without underscores between digits.
template <typename Number>
std::optional<Number> parse(std::string_view text) {
  text = strip(text, Side::kBoth);
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  Number number{};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec == std::errc::result_out_of_range) throw Fault{"a number is out of range"};
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::int64_t> whole_part(double number) {
  if (std::isnan(number) || std::isinf(number)) return std::nullopt;
  if (!(std::abs(number) < 9.2e18)) throw Fault{"a number does not fit into 64 bits"};
  return static_cast<std::int64_t>(number);
}

Value to_int(Runtime&, const Value& value, const Arguments& arguments) {
  const Bound bound = bind("int", arguments, {"default", "base"});
  if (int_or("int", bound[1], 10) != 10)
    throw Fault{"int with another base than 10 is not supported by emend"};
  std::optional<std::int64_t> number;
  if (value.is(Kind::kInt) || value.is(Kind::kBool)) number = value.integer();
  if (value.is(Kind::kFloat)) number = whole_part(value.number());
  if (value.is(Kind::kString)) {
    number = parse<std::int64_t>(value.text());
    if (!number)
      if (const auto real = parse<double>(value.text())) number = whole_part(*real);
  }
  if (number) return *number;
  if (value.is(Kind::kUndefined)) throw Fault{value.why()};
  return bound[0].value_or(std::int64_t{0});
}

Value to_float(Runtime&, const Value& value, const Arguments& arguments) {
  const Bound bound = bind("float", arguments, {"default"});
  if (value.is_number()) return value.number();
  if (value.is(Kind::kString))
    if (const auto number = parse<double>(value.text())) return *number;
  if (value.is(Kind::kUndefined)) throw Fault{value.why()};
  return bound[0].value_or(0.0);
}

Value absolute(Runtime&, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("abs");
  if (value.is(Kind::kFloat)) return std::abs(value.number());
  const std::int64_t number = require_int("abs", value);
  return number < 0 ? negative(value) : Value(number);
}

// Python's round(): to the even neighbour at a tie, by the digits that the number really has.
double rounded(double value, std::int64_t precision) {
  if (precision > 300 || !std::isfinite(value)) return value;
  if (precision < 0) throw Fault{"round with a negative precision is not supported by emend"};
  const std::string digits = fmt::format("{:.{}f}", value, precision);
  double result = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), result);
  return result;
}

Value round(Runtime&, const Value& value, const Arguments& arguments) {
  const Bound bound = bind("round", arguments, {"precision", "method"});
  const std::int64_t precision = int_or("round", bound[0], 0);
  const std::string method = text_or("round", bound[1], "common");
  if (method != "common" && method != "ceil" && method != "floor")
    throw Fault{"round: the method must be common, ceil or floor"};
  if (!value.is_number()) return require_int("round", value);
  if (method == "common") {
    if (value.is(Kind::kFloat)) return rounded(value.number(), precision);
    if (precision < 0) throw Fault{"round with a negative precision is not supported by emend"};
    return value.integer();
  }
  if (precision < 0 || precision > 300) throw Fault{"round: this precision is not supported by emend"};
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = value.number() * scale;
  return (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale;
}

Value default_value(Runtime&, const Value& value, const Arguments& arguments) {
  const Bound bound = bind("default", arguments, {"default_value", "boolean"});
  const bool boolean = bound[1] && truth(*bound[1]);
  if (value.is(Kind::kUndefined) || (boolean && !truth(value))) return bound[0].value_or("");
  return value;
}

Value count(Runtime&, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("length");
  return static_cast<std::int64_t>(length(value));
}

Value sum(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound = bind("sum", arguments, {"attribute", "start"});
  Value total = bound[1].value_or(std::int64_t{0});
  if (total.is(Kind::kString)) throw Fault{"sum cannot add strings; use join"};
  for (const Value& item : iterate(runtime, value))
    total = arithmetic(runtime, "+", total, is_given(bound[0]) ? get_path(runtime, item, *bound[0]) : item);
  return total;
}

constexpr std::array kFilters = std::to_array<NamedFilter>({
    {"abs", absolute},
    {"count", count},
    {"d", default_value},
    {"default", default_value},
    {"float", to_float},
    {"int", to_int},
    {"length", count},
    {"round", round},
    {"sum", sum},
});

}  // namespace

FilterFunction find_number_filter(std::string_view name) {
  return find_filter(kFilters, name);
}

}  // namespace emend::text::jinja
