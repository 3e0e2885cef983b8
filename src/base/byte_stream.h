// A file from its beginning to its end, as it was before it was compressed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace emend {

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Fills the front of `out` and returns how many bytes came; 0 only at the end. Throws Error: kIo (the read
  // fails), kFormat (compressed data is damaged or ends early), naming the file.
  virtual std::size_t read(std::span<char> out) = 0;
};

// gzip (RFC 1952, several members too) and zstd (RFC 8878, several frames too) are recognised by their first
// bytes; anything else is passed on unchanged. Throws Error(kIo): missing, a folder, no permission.
std::unique_ptr<ByteStream> open_byte_stream(const std::filesystem::path& file);

// A deflated piece (RFC 1951, as zip files hold it) of known size. Throws Error(kFormat) naming `where`.
std::string inflate_raw(std::string_view deflated, std::size_t size, const std::string& where);

// The CRC-32 of gzip and zip files (RFC 1952, section 8).
std::uint32_t crc32_of(std::string_view bytes);

}  // namespace emend
