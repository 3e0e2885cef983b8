#include "text/jinja/value_tests.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "text/jinja/characters.h"
#include "text/jinja/filters.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/string_methods.h"

namespace emend::text::jinja {
namespace {

using TestFunction = bool (*)(Runtime&, const Value&, const Arguments&);

struct NamedTest {
  std::string_view name;
  TestFunction test;
};

const Value& only_argument(const Arguments& arguments) {
  if (arguments.positional.size() != 1 || !arguments.named.empty())
    throw Fault{fmt::format("this test needs one argument, found {}",
                            arguments.positional.size() + arguments.named.size())};
  return arguments.positional[0];
}

template <Kind... kinds>
bool is_one_of(Runtime&, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("this test");
  return (value.is(kinds) || ...);
}

bool is_defined(Runtime&, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("this test");
  return !value.is(Kind::kUndefined);
}

bool is_true(Runtime&, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("this test");
  return value.is(Kind::kBool) && value.boolean();
}

bool is_false(Runtime&, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("this test");
  return value.is(Kind::kBool) && !value.boolean();
}

// What has a length and items by number or key, as far as jinja2 looks.
bool is_sequence(Runtime&, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("this test");
  return value.is(Kind::kString) || value.is(Kind::kList) || value.is(Kind::kTuple) ||
         value.is(Kind::kRange) || value.is(Kind::kDict) || value.is(Kind::kUndefined);
}

bool is_iterable(Runtime&, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("this test");
  return value.is_sequence() || value.is(Kind::kString) || value.is(Kind::kDict) ||
         value.is(Kind::kIterator) || value.is(Kind::kLoop) || value.is(Kind::kUndefined);
}

// value % divisor is a number equal to `wanted`.
bool leaves(Runtime& runtime, const Value& value, const Value& divisor, double wanted) {
  const Value rest = arithmetic(runtime, "%", value, divisor);
  return rest.is_number() && rest.number() == wanted;
}

bool is_odd(Runtime& runtime, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("odd");
  return leaves(runtime, value, std::int64_t{2}, 1);
}

bool is_even(Runtime& runtime, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("even");
  return leaves(runtime, value, std::int64_t{2}, 0);
}

bool is_divisible(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return leaves(runtime, value, only_argument(arguments), 0);
}

template <bool upper_case>
bool has_case(Runtime& runtime, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("this test");
  const Value text(to_text(runtime, value));
  return find_string_method(text, upper_case ? "isupper" : "islower")->function().call(runtime, {}).boolean();
}

bool is_same(Runtime&, const Value& value, const Arguments& arguments) {
  const Value& other = only_argument(arguments);
  if (value.is_number() && other.is_number() && !value.is(Kind::kBool) && !other.is(Kind::kBool))
    throw Fault{"sameas between numbers is not supported by emend"};
  return value.is_same(other);
}

bool is_in(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return contains(runtime, only_argument(arguments), value);
}

bool is_escaped(Runtime&, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("escaped");
  return value.is_markup();
}

bool names_filter(Runtime& runtime, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("filter");
  return has_filter(to_text(runtime, value));
}

bool names_test(Runtime& runtime, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("test");
  return has_test(to_text(runtime, value));
}

enum class Order { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };

template <Order order>
bool compares(Runtime& runtime, const Value& value, const Arguments& arguments) {
  constexpr std::array<std::string_view, 6> kOperations = {"==", "!=", "<", "<=", ">", ">="};
  return compare(runtime, kOperations[static_cast<std::size_t>(order)], value, only_argument(arguments));
}

constexpr std::array kTests = std::to_array<NamedTest>({
    {"!=", compares<Order::kNotEqual>},
    {"<", compares<Order::kLess>},
    {"<=", compares<Order::kLessOrEqual>},
    {"==", compares<Order::kEqual>},
    {">", compares<Order::kGreater>},
    {">=", compares<Order::kGreaterOrEqual>},
    {"boolean", is_one_of<Kind::kBool>},
    {"callable", is_one_of<Kind::kCallable, Kind::kLoop, Kind::kUndefined>},
    {"defined", is_defined},
    {"divisibleby", is_divisible},
    {"eq", compares<Order::kEqual>},
    {"equalto", compares<Order::kEqual>},
    {"escaped", is_escaped},
    {"even", is_even},
    {"false", is_false},
    {"filter", names_filter},
    {"float", is_one_of<Kind::kFloat>},
    {"ge", compares<Order::kGreaterOrEqual>},
    {"greaterthan", compares<Order::kGreater>},
    {"gt", compares<Order::kGreater>},
    {"in", is_in},
    {"integer", is_one_of<Kind::kInt>},
    {"iterable", is_iterable},
    {"le", compares<Order::kLessOrEqual>},
    {"lessthan", compares<Order::kLess>},
    {"lower", has_case<false>},
    {"lt", compares<Order::kLess>},
    {"mapping", is_one_of<Kind::kDict>},
    {"ne", compares<Order::kNotEqual>},
    {"none", is_one_of<Kind::kNone>},
    {"number", is_one_of<Kind::kInt, Kind::kFloat, Kind::kBool>},
    {"odd", is_odd},
    {"sameas", is_same},
    {"sequence", is_sequence},
    {"string", is_one_of<Kind::kString>},
    {"test", names_test},
    {"true", is_true},
    {"undefined", is_one_of<Kind::kUndefined>},
    {"upper", has_case<true>},
});

}  // namespace

bool has_test(std::string_view name) {
  return std::any_of(kTests.begin(), kTests.end(), [&](const NamedTest& test) { return test.name == name; });
}

bool apply_test(Runtime& runtime, std::string_view name, const Value& value, const Arguments& arguments) {
  runtime.step();
  for (const NamedTest& test : kTests)
    if (test.name == name) return test.test(runtime, value, arguments);
  throw Fault{fmt::format("there is no test '{}'", name)};
}

}  // namespace emend::text::jinja
