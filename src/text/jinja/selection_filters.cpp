// Filters that go through a list with another filter, a test or an attribute: map, select and their kin.
#include <fmt/format.h>

#include "text/jinja/access.h"
#include "text/jinja/filters.h"
#include "text/jinja/operators.h"
#include "text/jinja/value_tests.h"

namespace emend::text::jinja {
namespace {

// The arguments from `count` on.
Arguments behind(const Arguments& arguments, std::size_t count) {
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() + static_cast<std::ptrdiff_t>(count));
  return rest;
}

// Jinja2 looks at the truth of the value first, so that none has no items here.
std::vector<Value> items_of(Runtime& runtime, const Value& value) {
  return truth(value) ? iterate(runtime, value) : std::vector<Value>{};
}

Value map_attribute(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Value* attribute = arguments.find("attribute");
  const Value* fallback = arguments.find("default");
  if (arguments.named.size() > (fallback ? 2u : 1u))
    throw Fault{"map knows the named arguments attribute and default"};
  std::vector<Value> result;
  for (const Value& item : items_of(runtime, value)) {
    Value found = get_path(runtime, item, *attribute);
    if (found.is(Kind::kUndefined) && fallback && !fallback->is(Kind::kNone)) found = *fallback;
    result.push_back(std::move(found));
  }
  return Value::iterator(std::move(result), "generator");
}

Value map(Runtime& runtime, const Value& value, const Arguments& arguments) {
  if (arguments.positional.empty() && arguments.find("attribute"))
    return map_attribute(runtime, value, arguments);
  if (arguments.positional.empty()) throw Fault{"map needs the name of a filter"};
  const std::string& filter = require_text("map", arguments.positional[0]);
  const Arguments rest = behind(arguments, 1);
  std::vector<Value> result;
  for (const Value& item : items_of(runtime, value))
    result.push_back(apply_filter(runtime, filter, item, rest));
  return Value::iterator(std::move(result), "generator");
}

enum class Looks { kAtItem, kAtAttribute };

template <Looks looks, bool keeps>
Value select(Runtime& runtime, const Value& value, const Arguments& arguments) {
  constexpr std::size_t kBefore = looks == Looks::kAtAttribute ? 1 : 0;
  if (arguments.positional.size() < kBefore)
    throw Fault{"selectattr and rejectattr need the name of an attribute"};
  const bool has_test = arguments.positional.size() > kBefore;
  const std::string test = has_test ? require_text("select", arguments.positional[kBefore]) : std::string();
  const Arguments rest = behind(arguments, has_test ? kBefore + 1 : kBefore);
  std::vector<Value> result;
  for (const Value& item : items_of(runtime, value)) {
    const Value seen = looks == Looks::kAtAttribute ? get_path(runtime, item, arguments.positional[0]) : item;
    const bool passes = has_test ? apply_test(runtime, test, seen, rest) : truth(seen);
    if (passes == keeps) result.push_back(item);
  }
  return Value::iterator(std::move(result), "generator");
}

// The attribute alone, never the item of that name.
Value attribute(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound = bind("attr", arguments, {"name"}, 1);
  const std::string& name = require_text("attr", *bound[0]);
  if (value.is(Kind::kDict)) {
    if (name.starts_with("_")) return Value::undefined("this attribute is not safe");
    return find_method(value, name)
        .value_or(Value::undefined(fmt::format("a dict has no attribute '{}'", name)));
  }
  return get_attribute(runtime, value, name);
}

constexpr std::array kFilters = std::to_array<NamedFilter>({
    {"attr", attribute},
    {"map", map},
    {"reject", select<Looks::kAtItem, false>},
    {"rejectattr", select<Looks::kAtAttribute, false>},
    {"select", select<Looks::kAtItem, true>},
    {"selectattr", select<Looks::kAtAttribute, true>},
});

}  // namespace

FilterFunction find_selection_filter(std::string_view name) {
  return find_filter(kFilters, name);
}

}  // namespace emend::text::jinja
