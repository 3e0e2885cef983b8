// A small aggregation over the invented world.
#pragma once

#include "emend/memory_aggregate.h"
#include "memories/scans.h"

namespace emend::test {

inline AggregateOptions small_aggregate(const Model& model) {
  AggregateOptions options;
  static_cast<TextOptions&>(options) = small_scan(model);
  options.block_tokens = 0;
  options.tokens = 300;
  options.examples = 10;
  options.coalitions = 2;
  return options;
}

}  // namespace emend::test
