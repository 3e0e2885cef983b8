// The base file of llama.cpp's `llama-perplexity --kl-divergence-base`: a text as token ids, and what a model
// says there of every next token, in 16 bits.
//
//   "_logits_", i32 context, i32 vocabulary, i32 chunks, i32 ids [chunks, context]
//   for each chunk, for each position from context / 2 to context - 2:
//     f32 scale, f32 least, u16 codes [vocabulary, one more if that is odd]
//     log p(token t comes next) = scale * codes[t] + least
//
// All little-endian. A position's log-probabilities reach 16 nats down from the largest; what is less likely
// is stored as that far down, so that a stored distribution sums to a little more than 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "base/atomic_file.h"
#include "io/mapped_file.h"

namespace emend {

struct LogitsOutline {
  std::int64_t context = 0;  // tokens of a chunk, 4 or more
  std::int64_t vocab = 0;    // 2 or more
  std::vector<std::int32_t>
      ids;  // [chunks * context], as the text has them: no BOS takes a chunk's first place

  std::int64_t chunks() const { return context > 0 ? static_cast<std::int64_t>(ids.size()) / context : 0; }
  // The first position of a chunk whose next token is told, and how many there are.
  std::int64_t first() const { return context / 2; }
  std::int64_t positions() const { return context - 1 - first(); }
  // Bytes of one position, and of the whole file.
  std::uint64_t position_bytes() const;
  std::uint64_t file_bytes() const;
};

// The least and the largest context that a file may have.
inline constexpr std::int64_t kLeastContext = 4, kLargestContext = std::int64_t{1} << 24;

class LogitsFile {
 public:
  // Throws Error: kIo (cannot be read), kFormat: no such file, sizes that cannot be, ids outside of the
  // vocabulary, and a length that is not the one that its sizes say. llama-perplexity does not notice that a
  // disk is full, so its file may end anywhere.
  explicit LogitsFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const LogitsOutline& outline() const { return outline_; }

  // Log-probabilities of all tokens after `position` (counted from the first that is told) of `chunk`, into
  // `out` [vocab]. Throws Error(kFormat) for a scale or a least value that is not finite.
  void read(std::int64_t chunk, std::int64_t position, std::span<float> out) const;

 private:
  std::filesystem::path path_;
  MappedFile file_;
  LogitsOutline outline_;
  std::uint64_t first_byte_ = 0;  // of the first position
};

// Writes such a file: the whole file or nothing.
class LogitsWriter {
 public:
  // Throws Error(kIo) as AtomicFile does, and if there is not enough room.
  LogitsWriter(const std::filesystem::path& path, const LogitsOutline& outline);
  // Of the next position, in the order of chunks and positions: logits [vocab], finite.
  void add(std::span<const float> logits);
  // Call once, after the last position.
  void commit();

 private:
  LogitsOutline outline_;
  AtomicFile file_;
  std::vector<std::byte> bytes_;  // of one position
};

}  // namespace emend
