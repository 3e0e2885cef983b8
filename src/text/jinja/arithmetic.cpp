#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "text/jinja/characters.h"
#include "text/jinja/operators.h"
#include "text/jinja/percent_format.h"

namespace emend::text::jinja {
namespace {

[[noreturn]] void refuse(std::string_view operation, const Value& a, const Value& b) {
  for (const Value* value : {&a, &b})
    if (value->is(Kind::kUndefined)) throw Fault{value->why()};
  throw Fault{fmt::format("{} and {} cannot be used with '{}'", type_name(a), type_name(b), operation)};
}

[[noreturn]] void too_large() {
  throw Fault{"a number does not fit into 64 bits"};
}

[[noreturn]] void divided_by_zero() {
  throw Fault{"division by zero"};
}

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  if (b == 0) divided_by_zero();
  if (b == -1) {
    std::int64_t result = 0;
    if (__builtin_sub_overflow(std::int64_t{0}, a, &result)) too_large();
    return result;
  }
  return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

// Has the sign of b.
std::int64_t modulo(std::int64_t a, std::int64_t b) {
  if (b == 0) divided_by_zero();
  if (b == -1) return 0;
  const std::int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

double modulo(double a, double b) {
  if (b == 0) divided_by_zero();
  double rest = std::fmod(a, b);
  if (rest != 0 && (rest < 0) != (b < 0)) rest += b;
  return rest == 0 ? std::copysign(0.0, b) : rest;
}

double floor_divide(double a, double b) {
  if (b == 0) divided_by_zero();
  const double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0 && (rest < 0) != (b < 0)) quotient -= 1;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double floor = std::floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

std::int64_t power(std::int64_t base, std::int64_t exponent) {
  if (base == 0 || base == 1) return exponent == 0 ? 1 : base;
  if (base == -1) return exponent % 2 == 0 ? 1 : -1;
  std::int64_t result = 1;
  for (; exponent > 0; --exponent)
    if (__builtin_mul_overflow(result, base, &result)) too_large();
  return result;
}

Value float_power(double base, double exponent) {
  if (base == 0 && exponent < 0) divided_by_zero();
  const double result = std::pow(base, exponent);
  if (std::isnan(result) && !std::isnan(base) && !std::isnan(exponent))
    throw Fault{"complex numbers are not supported"};
  if (std::isinf(result) && std::isfinite(base) && std::isfinite(exponent))
    throw Fault{"a number is out of range"};
  return result;
}

Value of_integers(std::string_view operation, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool overflows = false;
  if (operation == "+")
    overflows = __builtin_add_overflow(a, b, &result);
  else if (operation == "-")
    overflows = __builtin_sub_overflow(a, b, &result);
  else if (operation == "*")
    overflows = __builtin_mul_overflow(a, b, &result);
  else if (operation == "//")
    result = floor_divide(a, b);
  else if (operation == "%")
    result = modulo(a, b);
  else if (operation == "**" && b >= 0)
    result = power(a, b);
  else if (operation == "**")
    return float_power(static_cast<double>(a), static_cast<double>(b));
  else {
    if (b == 0) divided_by_zero();
    return static_cast<double>(a) / static_cast<double>(b);
  }
  if (overflows) too_large();
  return result;
}

Value of_floats(std::string_view operation, double a, double b) {
  if (operation == "+") return a + b;
  if (operation == "-") return a - b;
  if (operation == "*") return a * b;
  if (operation == "//") return floor_divide(a, b);
  if (operation == "%") return modulo(a, b);
  if (operation == "**") return float_power(a, b);
  if (b == 0) divided_by_zero();
  return a / b;
}

// Where one of them is markup, the other is escaped: markupsafe's Markup does so with autoescape off too.
Value add_texts(Runtime& runtime, const Value& a, const Value& b) {
  const bool markup = a.is_markup() || b.is_markup();
  const auto side = [&](const Value& value) {
    return markup && !value.is_markup() ? escape_html(value.text()) : value.text();
  };
  std::string result;
  runtime.append(result, side(a));
  runtime.append(result, side(b));
  return {std::move(result), markup};
}

Value repeated(Runtime& runtime, const Value& value, std::int64_t count) {
  const auto times = static_cast<std::size_t>(std::max<std::int64_t>(count, 0));
  if (value.is(Kind::kString)) {
    std::string result;
    if (value.text().empty()) return value;
    for (std::size_t i = 0; i < times; ++i) runtime.append(result, value.text());
    return {std::move(result), value.is_markup()};
  }
  std::vector<Value> items;
  if (value.items().empty()) return value;
  runtime.step(times);
  for (std::size_t i = 0; i < times; ++i) {
    runtime.step(value.items().size());
    items.insert(items.end(), value.items().begin(), value.items().end());
  }
  return Value::sequence(value.kind(), std::move(items));
}

bool is_repeatable(const Value& value) {
  return value.is(Kind::kString) || value.is(Kind::kList) || value.is(Kind::kTuple);
}

bool is_integer(const Value& value) {
  return value.is(Kind::kInt) || value.is(Kind::kBool);
}

Value joined_lists(Runtime& runtime, const Value& a, const Value& b) {
  std::vector<Value> items = a.items();
  items.insert(items.end(), b.items().begin(), b.items().end());
  runtime.step(items.size());
  return Value::sequence(a.kind(), std::move(items));
}

}  // namespace

Value arithmetic(Runtime& runtime, std::string_view operation, const Value& a, const Value& b) {
  if (is_integer(a) && is_integer(b)) return of_integers(operation, a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return of_floats(operation, a.number(), b.number());
  if (operation == "+") {
    if (a.is(Kind::kString) && b.is(Kind::kString)) return add_texts(runtime, a, b);
    if (a.kind() == b.kind() && (a.is(Kind::kList) || a.is(Kind::kTuple))) return joined_lists(runtime, a, b);
  }
  if (operation == "*") {
    if (is_repeatable(a) && is_integer(b)) return repeated(runtime, a, b.integer());
    if (is_integer(a) && is_repeatable(b)) return repeated(runtime, b, a.integer());
  }
  if (operation == "%" && a.is(Kind::kString)) return percent_format(runtime, a, b);
  refuse(operation, a, b);
}

Value negative(const Value& value) {
  if (is_integer(value)) return of_integers("-", 0, value.integer());
  if (value.is(Kind::kFloat)) return -value.number();
  if (value.is(Kind::kUndefined)) throw Fault{value.why()};
  throw Fault{fmt::format("{} has no negative", type_name(value))};
}

Value positive(const Value& value) {
  if (is_integer(value)) return value.integer();
  if (value.is(Kind::kFloat)) return value;
  if (value.is(Kind::kUndefined)) throw Fault{value.why()};
  throw Fault{fmt::format("'+' needs a number, found {}", type_name(value))};
}

}  // namespace emend::text::jinja
