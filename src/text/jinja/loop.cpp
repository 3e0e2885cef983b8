#include "text/jinja/loop.h"

#include <utility>

#include "text/jinja/operators.h"

namespace emend::text::jinja {

bool Loop::peek() {
  if (!ahead_.empty()) return true;
  std::optional<Value> item = fetch_ ? fetch_() : std::nullopt;
  if (!item) return false;
  ahead_.push_back(std::move(*item));
  return true;
}

bool Loop::advance() {
  if (!peek()) return false;
  before_ = std::exchange(current_, std::move(ahead_.front()));
  ahead_.pop_front();
  ++index0_;
  return true;
}

void Loop::finish() {
  fetch_ = nullptr;
  last_changed_.reset();  // it may hold this loop
  is_over_ = true;
}

std::size_t Loop::length() {
  if (!length_) {
    while (std::optional<Value> item = fetch_ ? fetch_() : std::nullopt) ahead_.push_back(std::move(*item));
    length_ = static_cast<std::size_t>(index0_ + 1) + ahead_.size();
  }
  return *length_;
}

std::optional<Value> Loop::attribute(std::string_view name) {
  if (name == "index0") return Value(index0_);
  if (name == "index") return Value(index0_ + 1);
  if (name == "first") return Value(index0_ == 0);
  if (name == "last") return Value(!peek());
  if (name == "length") return Value(static_cast<std::int64_t>(length()));
  if (name == "revindex") return Value(static_cast<std::int64_t>(length()) - index0_);
  if (name == "revindex0") return Value(static_cast<std::int64_t>(length()) - index0_ - 1);
  if (name == "depth") return Value(std::int64_t{1});
  if (name == "depth0") return Value(std::int64_t{0});
  if (name == "previtem") return index0_ == 0 ? Value::undefined("there is no previous item") : before_;
  if (name == "nextitem") return peek() ? ahead_.front() : Value::undefined("there is no next item");
  return std::nullopt;
}

bool Loop::changed(Runtime& runtime, const Value& values) {
  if (last_changed_ && equal(runtime, *last_changed_, values)) return false;
  if (!is_over_) last_changed_ = values;
  return true;
}

}  // namespace emend::text::jinja
