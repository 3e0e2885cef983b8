// What editors may keep between calls on one model. The caller makes the cache and passes it
// (EditorContext::cache), and must not use it for the same model with other weights, for example under a
// ScopedEdit. Entries stay until the cache is destroyed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace emend {

class KeyFactors;  // factors of second moments (src/linalg/key_factors.h)

// Any thread may call any method. The name of an entry contains everything that the entry depends on.
class EditorCache {
 public:
  EditorCache();
  // Factors of second moments are also kept in the statistics folder that they belong to, and so are
  // contexts, which are those of the unedited model (docs/formats.md).
  explicit EditorCache(const std::filesystem::path& statistics);
  // Contexts of its own, and the factors of `other`, which goes on using them: for the same model with other
  // weights, whose second moments are still those of the unedited model.
  static EditorCache with_factors_of(const EditorCache& other);
  ~EditorCache();
  EditorCache(EditorCache&&) noexcept;  // what was moved from has no use but to be destroyed or assigned to
  EditorCache& operator=(EditorCache&&) noexcept;
  EditorCache(const EditorCache&) = delete;
  EditorCache& operator=(const EditorCache&) = delete;

  KeyFactors& factors();

  // The sampled context texts of this name, as ids; `sample` makes them if the cache does not have them.
  std::vector<std::vector<std::int64_t>> contexts(
      const std::string& identity, const std::function<std::vector<std::vector<std::int64_t>>()>& sample);

 private:
  struct Kept;
  explicit EditorCache(std::unique_ptr<Kept> kept);
  std::unique_ptr<Kept> kept_;
};

}  // namespace emend
