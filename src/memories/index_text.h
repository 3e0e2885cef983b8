// The text of an index: all rows that a scan read, the names of their documents, and what each token stands
// for, so that examples are shown without corpus or model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "analysis/text_source.h"
#include "emend/tokenizer.h"

namespace emend {

// Writes the whole file or nothing.
void write_index_text(const std::filesystem::path& file, const TextSource& text, const Tokenizer& tokenizer,
                      const std::string& fingerprint);

class IndexText {
 public:
  struct Row {
    std::int64_t document = 0, window = 0;
    std::uint64_t address = 0;
    std::size_t begin = 0, length = 0;  // of its ids
  };
  struct Place {
    const Row* row;
    std::int64_t position;
  };

  // Throws Error(kFormat) naming file and tensor. `prefix`: ids that begin every row.
  IndexText(const std::filesystem::path& file, std::size_t prefix);

  const std::string& fingerprint() const { return fingerprint_; }
  std::uint64_t tokens() const { return ids_.size(); }  // addresses are below this
  // Row and position of an address; std::nullopt if the text has none such.
  std::optional<Place> find(std::uint64_t address) const;
  std::int64_t id(const Place& place) const {
    return ids_[place.row->begin + static_cast<std::size_t>(place.position)];
  }
  // The id of the token after it in its document.
  std::optional<std::int64_t> next(const Place& place) const;
  // Tokens [begin, end) of a row, decoded; what is no UTF-8 reads U+FFFD.
  std::string decode(const Row& row, std::int64_t begin, std::int64_t end) const;
  std::string token(std::int64_t id) const;
  std::string name(std::int64_t document) const;  // "document FILE:LINE"

 private:
  std::string bytes(std::int64_t id) const;

  std::string fingerprint_;
  std::size_t prefix_;
  std::vector<Row> rows_;
  std::vector<std::uint32_t> ids_;
  std::vector<std::uint8_t> token_bytes_, name_bytes_;
  std::vector<std::int64_t> token_end_, name_end_, named_;
};

}  // namespace emend
