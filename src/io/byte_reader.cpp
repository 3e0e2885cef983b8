#include "io/byte_reader.h"

#include <fmt/format.h>

#include "emend/error.h"

namespace emend {

void ByteReader::fail_short(std::string_view what) const {
  throw Error(ErrorKind::kFormat, fmt::format("{}: ends at byte {}, in the middle of {} (truncated?)",
                                              source_, bytes_.size(), what));
}

std::span<const std::byte> ByteReader::take(std::uint64_t count, std::string_view what) {
  if (count > remaining()) fail_short(what);
  const auto taken = bytes_.subspan(position_, count);
  position_ += count;
  return taken;
}

std::string ByteReader::read_string(std::string_view what) {
  const std::uint64_t length = read_count(1, what);
  const auto bytes = take(length, what);
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::uint64_t ByteReader::read_count(std::uint64_t record_bytes, std::string_view what) {
  const auto count = read<std::uint64_t>(what);
  if (count > remaining() / record_bytes) {
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: {} at byte {} claims {} items of {} bytes or more, but {} bytes are left "
                            "(truncated or damaged?)",
                            source_, what, position_ - 8, count, record_bytes, remaining()));
  }
  return count;
}

}  // namespace emend
