// How deep an expression is. Evaluating one calls itself once a level, so that there must be a bound.
#pragma once

#include <algorithm>
#include <vector>

#include "text/jinja/syntax.h"

namespace emend::text::jinja {

inline constexpr int kMaxExpressionDepth = 100;

inline int depth_of(const ExpressionPtr& expression) {
  return expression ? expression->depth : 0;
}

inline int depth_of(const std::vector<ExpressionPtr>& expressions) {
  int depth = 0;
  for (const ExpressionPtr& expression : expressions) depth = std::max(depth, depth_of(expression));
  return depth;
}

inline int depth_of(const CallArguments& arguments) {
  int depth = std::max(
      {depth_of(arguments.positional), depth_of(arguments.more_positional), depth_of(arguments.more_named)});
  for (const auto& [name, value] : arguments.named) depth = std::max(depth, depth_of(value));
  return depth;
}

}  // namespace emend::text::jinja
