// What editors may keep between calls on one model as it stands, not across a ScopedEdit: a cache that the
// caller makes and passes (EditorContext::cache). Nothing is thrown out before the cache itself goes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "emend/key_factors.h"

namespace emend {

// Any thread may call any method. Everything is kept under a name that holds all that it depends on.
class EditorCache {
 public:
  KeyFactors& factors() { return factors_; }

  // The sampled context texts of this name; `sample` makes them when they are not there.
  std::vector<std::vector<std::int64_t>> contexts(
      const std::string& identity, const std::function<std::vector<std::vector<std::int64_t>>()>& sample);

 private:
  KeyFactors factors_;
  std::mutex mutex_;
  std::map<std::string, std::vector<std::vector<std::int64_t>>> contexts_;
};

}  // namespace emend
