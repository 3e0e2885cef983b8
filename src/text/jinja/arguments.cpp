#include "text/jinja/arguments.h"

#include <fmt/format.h>

#include <algorithm>

namespace emend::text::jinja {

const Value* Arguments::find(std::string_view name) const {
  const auto found =
      std::find_if(named.begin(), named.end(), [&](const auto& entry) { return entry.first == name; });
  return found == named.end() ? nullptr : &found->second;
}

void Arguments::refuse_any(std::string_view function) const {
  if (!positional.empty() || !named.empty()) throw Fault{fmt::format("{} takes no arguments", function)};
}

Bound bind(std::string_view function, const Arguments& arguments,
           std::initializer_list<std::string_view> parameters, std::size_t required) {
  if (arguments.positional.size() > parameters.size())
    throw Fault{fmt::format("{} takes at most {} arguments, found {}", function, parameters.size(),
                            arguments.positional.size())};
  Bound bound(parameters.size());
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) bound[i] = arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    const auto parameter = std::find(parameters.begin(), parameters.end(), name);
    if (parameter == parameters.end())
      throw Fault{fmt::format("{} has no argument named '{}'", function, name)};
    auto& slot = bound[static_cast<std::size_t>(parameter - parameters.begin())];
    if (slot) throw Fault{fmt::format("{} is given '{}' twice", function, name)};
    slot = value;
  }
  for (std::size_t i = 0; i < required; ++i)
    if (!bound[i])
      throw Fault{fmt::format("{} needs its argument '{}'", function, *(parameters.begin() + i))};
  return bound;
}

std::int64_t require_int(std::string_view function, const Value& value) {
  if (value.is(Kind::kUndefined)) throw Fault{value.why()};
  if (!value.is(Kind::kInt) && !value.is(Kind::kBool))
    throw Fault{fmt::format("{} needs an integer, found {}", function, type_name(value))};
  return value.integer();
}

const std::string& require_text(std::string_view function, const Value& value) {
  if (value.is(Kind::kUndefined)) throw Fault{value.why()};
  if (!value.is(Kind::kString))
    throw Fault{fmt::format("{} needs a string, found {}", function, type_name(value))};
  return value.text();
}

bool is_given(const std::optional<Value>& argument) {
  return argument && !argument->is(Kind::kNone);
}

std::int64_t int_or(std::string_view function, const std::optional<Value>& argument, std::int64_t fallback) {
  return is_given(argument) ? require_int(function, *argument) : fallback;
}

std::string text_or(std::string_view function, const std::optional<Value>& argument,
                    std::string_view fallback) {
  return is_given(argument) ? require_text(function, *argument) : std::string(fallback);
}

}  // namespace emend::text::jinja
