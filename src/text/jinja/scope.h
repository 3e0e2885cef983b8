// The names that a block of a template sees: its own, and those of the blocks around it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace emend::text::jinja {

class Scope {
 public:
  explicit Scope(Scope* parent = nullptr) : parent_(parent) {}

  // The innermost value of this name; null if there is none.
  const Value* find(std::string_view name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->parent_)
      for (const auto& [key, value] : scope->values_)
        if (key == name) return &value;
    return nullptr;
  }

  // Always in this scope: an outer variable of the same name stays as it is.
  void set(std::string_view name, Value value) {
    for (auto& [key, present] : values_) {
      if (key != name) continue;
      present = std::move(value);
      return;
    }
    values_.emplace_back(name, std::move(value));
  }

  // A macro that was defined here still sees these names when the block is over.
  void keep() {
    for (Scope* scope = this; scope != nullptr; scope = scope->parent_) scope->is_kept_ = true;
  }
  bool is_kept() const { return is_kept_; }

 private:
  Scope* parent_;
  bool is_kept_ = false;
  std::vector<std::pair<std::string, Value>> values_;
};

}  // namespace emend::text::jinja
