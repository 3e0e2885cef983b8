// Filters that order and cut lists.
#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/access.h"
#include "text/jinja/characters.h"
#include "text/jinja/filters.h"
#include "text/jinja/operators.h"

namespace emend::text::jinja {
namespace {

Value first(Runtime& runtime, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("first");
  if (value.is(Kind::kIterator)) {
    Iterator& iterator = value.iterator();
    if (iterator.next < iterator.items.size()) return iterator.items[iterator.next++];
    return Value::undefined("there is no first item: the sequence is empty");
  }
  const std::vector<Value> items = iterate(runtime, value);
  return items.empty() ? Value::undefined("there is no first item: the sequence is empty") : items.front();
}

void require_reversible(std::string_view filter, const Value& value) {
  if (value.is(Kind::kIterator)) throw Fault{fmt::format("{} cannot read {}", filter, type_name(value))};
}

Value last(Runtime& runtime, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("last");
  require_reversible("last", value);
  if (value.is(Kind::kUndefined)) throw Fault{value.why()};
  const std::vector<Value> items = iterate(runtime, value);
  return items.empty() ? Value::undefined("there is no last item: the sequence is empty") : items.back();
}

Value list(Runtime& runtime, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("list");
  return Value::list(iterate(runtime, value));
}

Value reverse(Runtime& runtime, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("reverse");
  std::vector<Value> items = iterate(runtime, value);
  std::reverse(items.begin(), items.end());
  if (value.is(Kind::kIterator) || value.is(Kind::kUndefined)) return Value::list(std::move(items));
  if (!value.is(Kind::kString)) return Value::iterator(std::move(items), "a reversed iterator");
  std::string text;
  for (const Value& item : items) text += item.text();
  return {std::move(text), value.is_markup()};
}

Value items(Runtime& runtime, const Value& value, const Arguments& arguments) {
  arguments.refuse_any("items");
  std::vector<Value> pairs;
  if (!value.is(Kind::kUndefined) && !value.is(Kind::kDict))
    throw Fault{fmt::format("items needs a dict, found {}", type_name(value))};
  if (value.is(Kind::kDict))
    for (const Entry& entry : value.entries()) pairs.push_back(Value::tuple({entry.first, entry.second}));
  runtime.step(pairs.size());
  return Value::iterator(std::move(pairs), "generator");
}

// What items are compared by: an attribute if one is named; strings without case unless case matters.
class SortKey {
 public:
  SortKey(Runtime& runtime, const std::optional<Value>& case_sensitive, const std::optional<Value>& attribute)
      : runtime_(runtime), keeps_case_(case_sensitive && truth(*case_sensitive)) {
    if (!is_given(attribute)) return;
    if (!attribute->is(Kind::kString)) {
      paths_.push_back(*attribute);
      return;
    }
    std::string_view rest = attribute->text();
    for (std::size_t comma = rest.find(','); comma != std::string_view::npos; comma = rest.find(',')) {
      paths_.emplace_back(std::string(rest.substr(0, comma)));
      rest.remove_prefix(comma + 1);
    }
    paths_.emplace_back(std::string(rest));
  }

  Value of(const Value& item) const {
    if (paths_.empty()) return without_case(item);
    if (paths_.size() == 1) return without_case(get_path(runtime_, item, paths_[0]));
    std::vector<Value> keys;
    for (const Value& path : paths_) keys.push_back(without_case(get_path(runtime_, item, path)));
    return Value::list(std::move(keys));
  }

  // The items with their keys before them.
  std::vector<Entry> keyed(std::vector<Value> items) const {
    std::vector<Entry> result;
    for (Value& item : items) {
      Value key = of(item);
      result.emplace_back(std::move(key), std::move(item));
    }
    return result;
  }

 private:
  Value without_case(const Value& value) const {
    if (keeps_case_ || !value.is(Kind::kString)) return value;
    runtime_.use_bytes(value.text().size());
    return lower(value.text());
  }

  Runtime& runtime_;
  bool keeps_case_;
  std::vector<Value> paths_;
};

// Stable in both directions, as Python's sorted(reverse=True) is. Keys that have no order are found before
// sorting.
void sort_entries(Runtime& runtime, std::vector<Entry>& entries, bool descending) {
  for (std::size_t i = 1; i < entries.size(); ++i) less(runtime, entries[i - 1].first, entries[i].first);
  std::stable_sort(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) {
    return descending ? less(runtime, b.first, a.first) : less(runtime, a.first, b.first);
  });
}

Value values_of(std::vector<Entry> entries) {
  std::vector<Value> values;
  values.reserve(entries.size());
  for (Entry& entry : entries) values.push_back(std::move(entry.second));
  return Value::list(std::move(values));
}

Value sort(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound = bind("sort", arguments, {"reverse", "case_sensitive", "attribute"});
  std::vector<Entry> entries = SortKey(runtime, bound[1], bound[2]).keyed(iterate(runtime, value));
  sort_entries(runtime, entries, bound[0] && truth(*bound[0]));
  return values_of(std::move(entries));
}

Value dictsort(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound = bind("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const std::string by = text_or("dictsort", bound[1], "key");
  if (by != "key" && by != "value") throw Fault{"dictsort sorts by \"key\" or by \"value\""};
  if (value.is(Kind::kUndefined)) throw Fault{value.why()};
  if (!value.is(Kind::kDict)) throw Fault{fmt::format("dictsort needs a dict, found {}", type_name(value))};
  const SortKey key(runtime, bound[0], std::nullopt);
  std::vector<Entry> entries;
  for (const Entry& entry : value.entries())
    entries.emplace_back(key.of(by == "key" ? entry.first : entry.second),
                         Value::tuple({entry.first, entry.second}));
  sort_entries(runtime, entries, bound[2] && truth(*bound[2]));
  return values_of(std::move(entries));
}

Value unique(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound = bind("unique", arguments, {"case_sensitive", "attribute"});
  std::vector<Value> seen, result;
  for (Entry& entry : SortKey(runtime, bound[0], bound[1]).keyed(iterate(runtime, value))) {
    require_hashable(entry.first);
    const bool known = std::any_of(seen.begin(), seen.end(),
                                   [&](const Value& key) { return equal(runtime, key, entry.first); });
    if (known) continue;
    seen.push_back(std::move(entry.first));
    result.push_back(std::move(entry.second));
  }
  return Value::iterator(std::move(result), "generator");
}

template <bool largest>
Value extreme(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound = bind(largest ? "max" : "min", arguments, {"case_sensitive", "attribute"});
  std::vector<Entry> entries = SortKey(runtime, bound[0], bound[1]).keyed(iterate(runtime, value));
  if (entries.empty()) return Value::undefined("there is no such item: the sequence is empty");
  std::size_t best = 0;
  for (std::size_t i = 1; i < entries.size(); ++i) {
    const bool better = largest ? less(runtime, entries[best].first, entries[i].first)
                                : less(runtime, entries[i].first, entries[best].first);
    if (better) best = i;
  }
  return entries[best].second;
}

Value batch(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound = bind("batch", arguments, {"linecount", "fill_with"}, 1);
  const std::int64_t size = require_int("batch", *bound[0]);
  if (size < 1) throw Fault{"batch needs a size of at least 1"};
  std::vector<Value> rows, row;
  for (Value& item : iterate(runtime, value)) {
    if (static_cast<std::int64_t>(row.size()) == size) rows.push_back(Value::list(std::exchange(row, {})));
    row.push_back(std::move(item));
  }
  while (!row.empty() && is_given(bound[1]) && static_cast<std::int64_t>(row.size()) < size) {
    runtime.step();
    row.push_back(*bound[1]);
  }
  if (!row.empty()) rows.push_back(Value::list(std::move(row)));
  return Value::iterator(std::move(rows), "generator");
}

Value slice(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound = bind("slice", arguments, {"slices", "fill_with"}, 1);
  const std::int64_t count = require_int("slice", *bound[0]);
  if (count < 1) throw Fault{"slice needs at least one slice"};
  const std::vector<Value> all = iterate(runtime, value);
  const auto size = static_cast<std::int64_t>(all.size());
  std::vector<Value> slices;
  std::size_t next = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    runtime.step();
    const bool longer = i < size % count;
    std::vector<Value> part;
    for (std::int64_t j = 0; j < size / count + (longer ? 1 : 0); ++j) part.push_back(all[next++]);
    if (is_given(bound[1]) && !longer) part.push_back(*bound[1]);
    slices.push_back(Value::list(std::move(part)));
  }
  return Value::iterator(std::move(slices), "generator");
}

constexpr std::array kFilters = std::to_array<NamedFilter>({
    {"batch", batch},
    {"dictsort", dictsort},
    {"first", first},
    {"items", items},
    {"last", last},
    {"list", list},
    {"max", extreme<true>},
    {"min", extreme<false>},
    {"reverse", reverse},
    {"slice", slice},
    {"sort", sort},
    {"unique", unique},
});

}  // namespace

FilterFunction find_sequence_filter(std::string_view name) {
  return find_filter(kFilters, name);
}

}  // namespace emend::text::jinja
