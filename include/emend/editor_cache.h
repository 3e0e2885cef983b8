// What editors may keep between calls on one model as it stands: a cache that the caller makes and passes in
// EditorContext::cache. It does not serve across a ScopedEdit, which changes the model. Nothing is thrown out
// before the cache itself goes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace emend {

class KeyFactors;  // factors of second moments (src/linalg/key_factors.h)

// Any thread may call any method. Everything is kept under a name that holds all that it depends on.
class EditorCache {
 public:
  EditorCache();
  ~EditorCache();
  EditorCache(const EditorCache&) = delete;
  EditorCache& operator=(const EditorCache&) = delete;

  KeyFactors& factors();

  // The sampled context texts of this name, as ids; `sample` makes them if they are not there.
  std::vector<std::vector<std::int64_t>> contexts(
      const std::string& identity, const std::function<std::vector<std::vector<std::int64_t>>()>& sample);

 private:
  struct Kept;
  std::unique_ptr<Kept> kept_;
};

}  // namespace emend
