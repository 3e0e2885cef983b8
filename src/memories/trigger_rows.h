// The rows of an index's text up to a trigger, as a model reads them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include "emend/memory_index.h"
#include "memories/index_text.h"

namespace emend {

class TriggerRows {
 public:
  // `index` must outlive this.
  explicit TriggerRows(const MemoryIndex& index);

  const IndexText& text() const { return text_; }
  // How many tokens that are not text begin every row: the prefix, or the token that the model began to write
  // behind, which stands there also where no text begins with a token of its own.
  std::int64_t opening() const { return opening_; }
  // Tokens up to the trigger's own, at most `longest`: what begins every row, and the end of the rest.
  std::vector<std::int64_t> prefix_of(const MemoryExample& example, std::int64_t longest) const;

 private:
  IndexText text_;
  std::int64_t opening_;
  std::map<std::pair<std::int64_t, std::int64_t>, const IndexText::Row*> rows_;  // by document and window
};

}  // namespace emend
