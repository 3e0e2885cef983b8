#include "memories/trigger_rows.h"

#include <algorithm>

#include "memories/index_files.h"

namespace emend {

TriggerRows::TriggerRows(const MemoryIndex& index)
    : text_(index_text_file(index.folder()), index.head().prefix.size()),
      opening_(static_cast<std::int64_t>(index.head().prefix.size())) {
  if (is_of_own_text(index.head())) opening_ = std::max<std::int64_t>(1, opening_);
  for (std::uint64_t address = 0; address < text_.tokens();) {
    const IndexText::Row* const row = text_.find(address)->row;
    rows_[{row->document, row->window}] = row;
    address += row->length;
  }
}

std::vector<std::int64_t> TriggerRows::prefix_of(const MemoryExample& example, std::int64_t longest) const {
  const IndexText::Row& row = *rows_.at({example.document, example.window});
  const std::int64_t end = example.position + 1, first = std::max(opening_, end - (longest - opening_));
  std::vector<std::int64_t> ids;
  for (std::int64_t j = 0; j < std::min(opening_, end); ++j) ids.push_back(text_.id({&row, j}));
  for (std::int64_t j = first; j < end; ++j) ids.push_back(text_.id({&row, j}));
  return ids;
}

}  // namespace emend
