// The arguments of a call, and how they meet the parameters of a function.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace emend::text::jinja {

class Arguments {
 public:
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  const Value* find(std::string_view name) const;
  void refuse_any(std::string_view function) const;
};

// One entry a parameter, in order; std::nullopt where no argument was given. The first `required` must be
// given.
using Bound = std::vector<std::optional<Value>>;
Bound bind(std::string_view function, const Arguments& arguments,
           std::initializer_list<std::string_view> parameters, std::size_t required = 0);

// What a parameter must be. Each throws Fault naming the function.
std::int64_t require_int(std::string_view function, const Value& value);
const std::string& require_text(std::string_view function, const Value& value);

// The same for optional parameters; none counts as not given.
bool is_given(const std::optional<Value>& argument);
std::int64_t int_or(std::string_view function, const std::optional<Value>& argument, std::int64_t fallback);
std::string text_or(std::string_view function, const std::optional<Value>& argument,
                    std::string_view fallback);

}  // namespace emend::text::jinja
