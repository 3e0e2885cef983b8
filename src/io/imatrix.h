// Importance matrices: GGUF files of llama.cpp (llama-imatrix) with the sums of squares of what goes into
// each weight of a model. Layout: docs/formats.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace emend {

// What was summed for one weight W [out, width], whose inputs are the rows x [width].
struct ImatrixEntry {
  std::vector<float> sums;           // of x^2 by channel: [counts, width], one expert after another
  std::vector<std::int64_t> counts;  // rows x in each sum: one number, or one for each expert
  std::size_t width() const { return sums.size() / counts.size(); }
};

struct Imatrix {
  std::filesystem::path file;                    // for messages
  std::map<std::string, ImatrixEntry> entries;   // by the weight's name in GGUF, "blk.4.ffn_down.weight"
  std::vector<std::string> datasets;             // the texts that it was made from
  std::int64_t chunk_count = 0, chunk_size = 0;  // 0 if the file does not say
  // How emend collected the keys (StatisticsSummary::settings); std::nullopt in files of other programs,
  // whose sums contain the first position of every chunk.
  std::optional<std::string> settings;
};

// Whether the file begins like a GGUF file or like an imatrix of llama.cpp's old format (.dat). Throws
// Error(kIo) if it cannot be read.
bool may_be_imatrix(const std::filesystem::path& file);

// Throws Error(kFormat), naming file and tensor: no imatrix (general.type is another), the old format (with
// what to do), no entry, sums without counts or the other way round, a type other than F32, sizes that do not
// go together, sums that are NaN, infinite or negative, counts that are no whole number or 0 for all of a
// weight; and what open_gguf throws. Tensors that are neither sums nor counts are passed over, as llama.cpp
// does.
Imatrix read_imatrix(const std::filesystem::path& file);

// Throws Error(kModel) if an entry is of a block that a model of so many blocks does not have.
void require_imatrix_of(const Imatrix& imatrix, int blocks);

// sums / counts of one weight [width]: the diagonal of E[x x^T]. Throws Error(kModel) if there is no entry,
// the entry has another width, or it is of experts.
std::vector<double> imatrix_diagonal(const Imatrix& imatrix, const std::string& tensor, std::int64_t width);

// Writes the whole file or nothing. Throws as write_gguf.
void write_imatrix(const std::filesystem::path& file, const Imatrix& imatrix);

}  // namespace emend
