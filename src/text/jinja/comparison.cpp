#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/characters.h"
#include "text/jinja/loop.h"
#include "text/jinja/operators.h"

namespace emend::text::jinja {
namespace {

bool equal_items(Runtime& runtime, const std::vector<Value>& a, const std::vector<Value>& b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(),
                    [&](const Value& x, const Value& y) { return equal(runtime, x, y); });
}

bool equal_dicts(Runtime& runtime, const std::vector<Entry>& a, const std::vector<Entry>& b) {
  if (a.size() != b.size()) return false;
  return std::all_of(a.begin(), a.end(), [&](const Entry& entry) {
    return std::any_of(b.begin(), b.end(), [&](const Entry& other) {
      return equal(runtime, entry.first, other.first) && equal(runtime, entry.second, other.second);
    });
  });
}

bool equal_numbers(const Value& a, const Value& b) {
  if (a.is(Kind::kFloat) || b.is(Kind::kFloat)) return a.number() == b.number();
  return a.integer() == b.integer();
}

bool less_items(Runtime& runtime, const std::vector<Value>& a, const std::vector<Value>& b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    if (!equal(runtime, a[i], b[i])) return less(runtime, a[i], b[i]);
  return a.size() < b.size();
}

}  // namespace

bool truth(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return value.integer() != 0;
    case Kind::kFloat:
      return value.number() != 0;
    case Kind::kIterator:
    case Kind::kNamespace:
    case Kind::kCallable:
      return true;
    default:
      return length(value) > 0;
  }
}

bool equal(Runtime& runtime, const Value& a, const Value& b) {
  const Runtime::Nested nested(runtime);
  runtime.step();
  if (a.is_number() && b.is_number()) return equal_numbers(a, b);
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kString:
      runtime.use_bytes(a.text().size());
      return a.text() == b.text();
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kRange:
      return equal_items(runtime, a.items(), b.items());
    case Kind::kDict:
      return equal_dicts(runtime, a.entries(), b.entries());
    default:
      return a.is_same(b);
  }
}

bool less(Runtime& runtime, const Value& a, const Value& b) {
  const Runtime::Nested nested(runtime);
  runtime.step();
  for (const Value* value : {&a, &b})
    if (value->is(Kind::kUndefined)) throw Fault{value->why()};
  if (a.is_number() && b.is_number()) {
    if (a.is(Kind::kFloat) || b.is(Kind::kFloat)) return a.number() < b.number();
    return a.integer() < b.integer();
  }
  if (a.is(Kind::kString) && b.is(Kind::kString)) {  // the order of UTF-8 is that of code points
    runtime.use_bytes(a.text().size());
    return a.text() < b.text();
  }
  const bool lists = a.kind() == b.kind() && (a.is(Kind::kList) || a.is(Kind::kTuple));
  if (!lists) throw Fault{fmt::format("{} and {} have no order", type_name(a), type_name(b))};
  return less_items(runtime, a.items(), b.items());
}

bool compare(Runtime& runtime, std::string_view operation, const Value& a, const Value& b) {
  if (operation == "==") return equal(runtime, a, b);
  if (operation == "!=") return !equal(runtime, a, b);
  if (operation == "in") return contains(runtime, b, a);
  if (operation == "not in") return !contains(runtime, b, a);
  if (operation == "<") return less(runtime, a, b);
  if (operation == ">") return less(runtime, b, a);
  return (operation == "<=" ? less(runtime, a, b) : less(runtime, b, a)) || equal(runtime, a, b);
}

bool contains(Runtime& runtime, const Value& container, const Value& item) {
  if (container.is(Kind::kString)) {
    if (!item.is(Kind::kString))
      throw Fault{fmt::format("'in' looks for strings in a string, found {}", type_name(item))};
    runtime.use_bytes(container.text().size() * (1 + item.text().size() / 256));
    return container.text().find(item.text()) != std::string::npos;
  }
  if (container.is(Kind::kDict)) {
    require_hashable(item);
    return std::any_of(container.entries().begin(), container.entries().end(),
                       [&](const Entry& entry) { return equal(runtime, entry.first, item); });
  }
  if (container.is(Kind::kIterator)) {  // read up to the item
    Iterator& iterator = container.iterator();
    while (iterator.next < iterator.items.size())
      if (equal(runtime, iterator.items[iterator.next++], item)) return true;
    return false;
  }
  if (container.is(Kind::kUndefined)) return false;
  if (!container.is_sequence()) throw Fault{fmt::format("'in' cannot look into {}", type_name(container))};
  return std::any_of(container.items().begin(), container.items().end(),
                     [&](const Value& other) { return equal(runtime, other, item); });
}

std::vector<Value> iterate(Runtime& runtime, const Value& value) {
  std::vector<Value> items;
  if (value.is(Kind::kString)) {
    for (const std::string_view character : characters(value.text())) {
      runtime.step();
      items.emplace_back(std::string(character), value.is_markup());
    }
  } else if (value.is(Kind::kDict)) {
    for (const Entry& entry : value.entries()) items.push_back(entry.first);
  } else if (value.is(Kind::kIterator)) {
    Iterator& iterator = value.iterator();
    items.assign(iterator.items.begin() + static_cast<std::ptrdiff_t>(iterator.next), iterator.items.end());
    iterator.next = iterator.items.size();
  } else if (value.is_sequence()) {
    items = value.items();
  } else if (!value.is(Kind::kUndefined)) {
    throw Fault{fmt::format("{} cannot be iterated over", type_name(value))};
  }
  runtime.step(items.size());
  return items;
}

std::size_t length(const Value& value) {
  if (value.is(Kind::kUndefined)) return 0;
  if (value.is(Kind::kString)) return count_characters(value.text());
  if (value.is(Kind::kDict)) return value.entries().size();
  if (value.is(Kind::kLoop)) return value.loop().length();
  if (value.is_sequence()) return value.items().size();
  throw Fault{fmt::format("{} has no length", type_name(value))};
}

void require_hashable(const Value& value) {
  if (value.is(Kind::kTuple))
    for (const Value& item : value.items()) require_hashable(item);
  if (value.is(Kind::kList) || value.is(Kind::kDict) || value.is(Kind::kDictKeys) ||
      value.is(Kind::kDictItems))
    throw Fault{fmt::format("{} cannot be a key", type_name(value))};
}

}  // namespace emend::text::jinja
