// The inverted index of a folder: from tokens to the cells that have them (emend/memory_search.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "emend/memory_search.h"
#include "emend/memory_values.h"
#include "emend/tokenizer.h"
#include "memories/value_agreement.h"

namespace emend {

// What a cell's token says: one posting for each token and place.
struct Posting {
  std::uint32_t token = 0, cell = 0;  // cell: layer times cells of a layer plus its index
  std::uint8_t place = 0, rank = 0;
};

class SearchIndexBuilder {
 public:
  // Of one layer. Tokens of the first 50 places of a list go in.
  void add(const ValueTable& table, const std::vector<CellTriggers>& triggers);
  // Writes search.safetensors, whole or not at all.
  std::filesystem::path write(const std::filesystem::path& folder, const Tokenizer& tokenizer,
                              std::int64_t cells_of_layer);

 private:
  void add_list(const at::Tensor& ids, MatchPlace place, std::uint32_t first_cell);

  std::vector<Posting> postings_;
};

std::filesystem::path search_file(const std::filesystem::path& folder);

}  // namespace emend
