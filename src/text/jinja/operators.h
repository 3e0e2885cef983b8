// Truth, equality, order, arithmetic and membership, as Python has them. All throw Fault where Python raises.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "text/jinja/runtime.h"

namespace emend::text::jinja {

bool truth(const Value& value);
bool equal(Runtime& runtime, const Value& a, const Value& b);
// a < b.
bool less(Runtime& runtime, const Value& a, const Value& b);
// `operation` is one of == != < <= > >= in "not in".
bool compare(Runtime& runtime, std::string_view operation, const Value& a, const Value& b);
bool contains(Runtime& runtime, const Value& container, const Value& item);

// `operation` is one of + - * / // % **.
Value arithmetic(Runtime& runtime, std::string_view operation, const Value& a, const Value& b);
Value negative(const Value& value);
Value positive(const Value& value);

// The items of a value that can be iterated over: characters, keys, items. An iterator is emptied by this.
std::vector<Value> iterate(Runtime& runtime, const Value& value);
// len(value).
std::size_t length(const Value& value);
// Lists, dicts and the like cannot be keys.
void require_hashable(const Value& value);

}  // namespace emend::text::jinja
