// The `loop` of a for statement. Items are fetched one at a time, since the condition of the statement may
// depend on what the body has done so far.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace emend::text::jinja {

class Loop {
 public:
  // `fetch` gives the next item, std::nullopt at the end. `length` is known unless a condition picks the
  // items.
  Loop(std::function<std::optional<Value>()> fetch, std::optional<std::size_t> length)
      : fetch_(std::move(fetch)), length_(length) {}

  // Moves on; false at the end.
  bool advance();
  const Value& item() const { return current_; }
  // The loop is over: what it has fetched stays readable.
  void finish();

  std::int64_t index0() const { return index0_; }
  std::size_t length();

  // loop.first, loop.nextitem, ...; std::nullopt for a name that a loop does not have.
  std::optional<Value> attribute(std::string_view name);
  // Whether `values` differ from those of the last call.
  bool changed(Runtime& runtime, const Value& values);

 private:
  bool peek();

  std::function<std::optional<Value>()> fetch_;
  std::optional<std::size_t> length_;
  std::deque<Value> ahead_;
  Value before_, current_;
  std::int64_t index0_ = -1;
  std::optional<Value> last_changed_;
  bool is_over_ = false;
};

}  // namespace emend::text::jinja
