#include "text/jinja/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "text/jinja/characters.h"
#include "text/jinja/loop.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"

namespace emend::text::jinja {
namespace {

void require_defined(const Value& object) {
  if (object.is(Kind::kUndefined)) throw Fault{object.why()};
}

std::string described(const Value& object) {
  if (object.is(Kind::kNone)) return "None";
  return fmt::format("'{} object'", type_name(object));
}

Value bound_loop_method(const Value& object, std::string_view name) {
  return Value::callable(
      std::string(name), [object, name = std::string(name)](Runtime& runtime, const Arguments& a) {
        if (name == "changed") return Value(object.loop().changed(runtime, Value::tuple(a.positional)));
        if (a.positional.empty()) throw Fault{"loop.cycle needs at least one argument"};
        return a.positional[static_cast<std::size_t>(object.loop().index0()) % a.positional.size()];
      });
}

std::optional<Value> find_attribute(const Value& object, std::string_view name) {
  if (object.is(Kind::kNamespace)) {
    const Value* found = object.name_space().find(name);
    return found ? std::optional<Value>(*found) : std::nullopt;
  }
  if (object.is(Kind::kLoop)) {
    if (name == "cycle" || name == "changed") return bound_loop_method(object, name);
    return object.loop().attribute(name);
  }
  if (object.is(Kind::kCallable) && name == "name") return Value(object.function().name);
  return find_method(object, name);
}

std::optional<Value> find_entry(Runtime& runtime, const Value& dict, const Value& key) {
  for (const Entry& entry : dict.entries())
    if (equal(runtime, entry.first, key)) return entry.second;
  return std::nullopt;
}

// Where `index` stands in something of `size` items, counted from the end if it is negative.
std::optional<std::size_t> place_of(std::int64_t index, std::size_t size) {
  const auto count = static_cast<std::int64_t>(size);
  if (index < 0) index += count;
  if (index < 0 || index >= count) return std::nullopt;
  return static_cast<std::size_t>(index);
}

std::optional<Value> find_item(Runtime& runtime, const Value& object, const Value& key) {
  if (object.is(Kind::kDict)) return find_entry(runtime, object, key);
  if (!key.is(Kind::kInt) && !key.is(Kind::kBool)) return std::nullopt;
  if (object.is(Kind::kString)) {
    runtime.use_bytes(object.text().size());
    const std::vector<std::string_view> all = characters(object.text());
    const auto place = place_of(key.integer(), all.size());
    if (!place) return std::nullopt;
    return Value(std::string(all[*place]), object.is_markup());
  }
  const bool indexed = object.is(Kind::kList) || object.is(Kind::kTuple) || object.is(Kind::kRange);
  if (!indexed) return std::nullopt;
  const auto place = place_of(key.integer(), object.items().size());
  return place ? std::optional<Value>(object.items()[*place]) : std::nullopt;
}

Value missing(Runtime& runtime, const Value& object, const Value& key) {
  if (key.is(Kind::kString))
    return Value::undefined(fmt::format("{} has no attribute '{}'", described(object), key.text()));
  const std::string name = key.is(Kind::kUndefined) ? std::string("(undefined)") : repr(runtime, key);
  return Value::undefined(fmt::format("{} has no element {}", described(object), name));
}

// The positions that object[first:last:step] takes from `size` items.
std::vector<std::size_t> slice_places(const Value& first, const Value& last, const Value& step,
                                      std::size_t size) {
  const auto bound = [](const Value& value) { return require_int("a slice", value); };
  const std::int64_t by = step.is(Kind::kNone) ? 1 : bound(step);
  if (by == 0) throw Fault{"the step of a slice cannot be 0"};
  const auto count = static_cast<std::int64_t>(size);
  const std::int64_t lowest = by > 0 ? 0 : -1, highest = by > 0 ? count : count - 1;
  const auto clamped = [&](const Value& value, std::int64_t fallback) {
    if (value.is(Kind::kNone)) return fallback;
    const std::int64_t index = bound(value);
    return std::clamp(index < 0 ? std::max(index, -count - 1) + count : index, lowest, highest);
  };
  const std::int64_t begin = clamped(first, by > 0 ? lowest : highest);
  const std::int64_t end = clamped(last, by > 0 ? highest : lowest);
  std::vector<std::size_t> places;
  if (by > 0)
    for (std::int64_t i = begin; i<end; i = by> end - i ? end : i + by)
      places.push_back(static_cast<std::size_t>(i));
  else
    for (std::int64_t i = begin; i > end; i = by < end - i ? end : i + by)
      places.push_back(static_cast<std::size_t>(i));
  return places;
}

}  // namespace

Value get_attribute(Runtime& runtime, const Value& object, std::string_view name) {
  require_defined(object);
  if (name.starts_with("_") && !object.is(Kind::kDict))
    return Value::undefined(fmt::format("access to the attribute '{}' is not safe", name));
  if (auto found = find_attribute(object, name)) return *found;
  const Value key{std::string(name)};
  if (auto found = find_item(runtime, object, key)) return *found;
  return missing(runtime, object, key);
}

Value get_item(Runtime& runtime, const Value& object, const Value& key) {
  require_defined(object);
  if (auto found = find_item(runtime, object, key)) return *found;
  if (key.is(Kind::kString) && !key.text().starts_with("_"))
    if (auto found = find_attribute(object, key.text())) return *found;
  return missing(runtime, object, key);
}

Value get_path(Runtime& runtime, const Value& object, const Value& path) {
  if (!path.is(Kind::kString)) return get_item(runtime, object, path);
  Value value = object;
  std::string_view rest = path.text();
  while (true) {
    const std::size_t dot = rest.find('.');
    const std::string_view part = rest.substr(0, dot);
    std::int64_t index = 0;
    const auto read = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool is_index = !part.empty() && part[0] != '-' && read.ec == std::errc() && read.ptr == part.end();
    value = get_item(runtime, value, is_index ? Value(index) : Value(std::string(part)));
    if (dot == std::string_view::npos) return value;
    rest.remove_prefix(dot + 1);
  }
}

Value get_slice(Runtime& runtime, const Value& object, const Value& first, const Value& last,
                const Value& step) {
  require_defined(object);
  if (object.is(Kind::kString)) {
    runtime.use_bytes(object.text().size());
    const std::vector<std::string_view> all = characters(object.text());
    std::string text;
    for (const std::size_t place : slice_places(first, last, step, all.size())) text += all[place];
    return {std::move(text), object.is_markup()};
  }
  if (!object.is(Kind::kList) && !object.is(Kind::kTuple))
    throw Fault{fmt::format("slices of {} are not supported", type_name(object))};
  std::vector<Value> items;
  for (const std::size_t place : slice_places(first, last, step, object.items().size()))
    items.push_back(object.items()[place]);
  runtime.step(items.size());
  return Value::sequence(object.kind(), std::move(items));
}

Value call(Runtime& runtime, const Value& function, const Arguments& arguments) {
  require_defined(function);
  if (!function.is(Kind::kCallable)) throw Fault{fmt::format("{} cannot be called", type_name(function))};
  const Runtime::Nested nested(runtime);
  return function.function().call(runtime, arguments);
}

}  // namespace emend::text::jinja
