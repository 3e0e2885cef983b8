// The methods of strings, lists, tuples and dicts that a template may call; those that change a value are
// refused, as the sandbox of transformers does.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "text/jinja/access.h"
#include "text/jinja/operators.h"
#include "text/jinja/string_methods.h"

namespace emend::text::jinja {
namespace {

using Method = Value (*)(Runtime&, const Value&, const Arguments&);

struct NamedMethod {
  std::string_view name;
  Method call;
};

Value dict_keys(Runtime&, const Value& self, const Arguments& arguments) {
  arguments.refuse_any("keys()");
  std::vector<Value> keys;
  for (const Entry& entry : self.entries()) keys.push_back(entry.first);
  return Value::sequence(Kind::kDictKeys, std::move(keys));
}

Value dict_values(Runtime&, const Value& self, const Arguments& arguments) {
  arguments.refuse_any("values()");
  std::vector<Value> values;
  for (const Entry& entry : self.entries()) values.push_back(entry.second);
  return Value::sequence(Kind::kDictValues, std::move(values));
}

Value dict_items(Runtime&, const Value& self, const Arguments& arguments) {
  arguments.refuse_any("items()");
  std::vector<Value> items;
  for (const Entry& entry : self.entries()) items.push_back(Value::tuple({entry.first, entry.second}));
  return Value::sequence(Kind::kDictItems, std::move(items));
}

Value dict_get(Runtime& runtime, const Value& self, const Arguments& arguments) {
  if (!arguments.named.empty()) throw Fault{"get() takes no named arguments"};
  const Bound bound = bind("get()", arguments, {"key", "default"}, 1);
  require_hashable(*bound[0]);
  for (const Entry& entry : self.entries())
    if (equal(runtime, entry.first, *bound[0])) return entry.second;
  return bound[1].value_or(Value());
}

Value copy(Runtime&, const Value& self, const Arguments& arguments) {
  arguments.refuse_any("copy()");
  return self;
}

Value list_count(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound = bind("count()", arguments, {"value"}, 1);
  return static_cast<std::int64_t>(
      std::count_if(self.items().begin(), self.items().end(),
                    [&](const Value& item) { return equal(runtime, item, *bound[0]); }));
}

Value list_index(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound = bind("index()", arguments, {"value"}, 1);
  for (std::size_t i = 0; i < self.items().size(); ++i)
    if (equal(runtime, self.items()[i], *bound[0])) return static_cast<std::int64_t>(i);
  throw Fault{"index(): the list does not hold this value"};
}

constexpr std::array kDictMethods = std::to_array<NamedMethod>(
    {{"copy", copy}, {"get", dict_get}, {"items", dict_items}, {"keys", dict_keys}, {"values", dict_values}});
constexpr std::array kListMethods =
    std::to_array<NamedMethod>({{"copy", copy}, {"count", list_count}, {"index", list_index}});

constexpr std::array<std::string_view, 6> kDictRefused = {"clear",   "fromkeys",   "pop",
                                                          "popitem", "setdefault", "update"};
constexpr std::array<std::string_view, 8> kListRefused = {"append", "clear",  "extend",  "insert",
                                                          "pop",    "remove", "reverse", "sort"};
constexpr std::array<std::string_view, 13> kNumberAttributes = {
    "as_integer_ratio", "bit_count", "bit_length", "conjugate", "denominator",
    "from_bytes",       "fromhex",   "hex",        "imag",      "is_integer",
    "numerator",        "real",      "to_bytes"};

template <std::size_t count>
std::optional<Value> find_in(const std::array<NamedMethod, count>& methods, const Value& object,
                             std::string_view name) {
  for (const NamedMethod& method : methods)
    if (method.name == name)
      return Value::callable(
          std::string(name),
          [object, call = method.call](Runtime& runtime, const Arguments& arguments) {
            return call(runtime, object, arguments);
          },
          &object);
  return std::nullopt;
}

// A method that Python has and the sandbox does not let a template call.
template <std::size_t count>
std::optional<Value> find_refused(const std::array<std::string_view, count>& names, const Value& object,
                                  std::string_view name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) return std::nullopt;
  return Value::undefined(fmt::format("'{}' of {} cannot be used in a template", name, type_name(object)));
}

std::optional<Value> find_number_attribute(const Value& object, std::string_view name) {
  if (std::find(kNumberAttributes.begin(), kNumberAttributes.end(), name) == kNumberAttributes.end())
    return std::nullopt;
  throw Fault{fmt::format("'{}' of {} is not supported by emend", name, type_name(object))};
}

}  // namespace

std::optional<Value> find_method(const Value& object, std::string_view name) {
  switch (object.kind()) {
    case Kind::kString:
      return find_string_method(object, name);
    case Kind::kDict:
      if (auto found = find_in(kDictMethods, object, name)) return found;
      return find_refused(kDictRefused, object, name);
    case Kind::kList:
      if (auto found = find_in(kListMethods, object, name)) return found;
      return find_refused(kListRefused, object, name);
    case Kind::kTuple:
    case Kind::kRange:
      return name == "copy" ? std::nullopt : find_in(kListMethods, object, name);
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
      return find_number_attribute(object, name);
    default:
      return std::nullopt;
  }
}

}  // namespace emend::text::jinja
