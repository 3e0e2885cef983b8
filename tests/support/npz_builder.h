// NumPy archives made in a test.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <vector>

namespace emend::test {

template <typename Number>
std::string bytes_of(Number number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

inline std::string npy(const std::string& type, const std::string& shape, const std::string& elements,
                       bool column_major = false) {
  std::string header = "{'descr': '" + type + "', 'fortran_order': " + (column_major ? "True" : "False") +
                       ", 'shape': (" + shape + "), }";
  header.resize(118, ' ');
  return std::string("\x93NUMPY\x01\x00", 8) + bytes_of(static_cast<std::uint16_t>(header.size())) + header +
         elements;
}

inline std::string deflated(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

struct ZipEntry {
  std::string name, data;
  bool deflate = false;
  bool zip64 = false;  // sizes in the extra field, as NumPy writes local headers
};

inline std::string zip(const std::vector<ZipEntry>& entries) {
  std::string file, list;
  for (const ZipEntry& entry : entries) {
    const std::string body = entry.deflate ? deflated(entry.data) : entry.data;
    const auto u16 = [](std::size_t n) { return bytes_of(static_cast<std::uint16_t>(n)); };
    const auto u32 = [](std::size_t n) { return bytes_of(static_cast<std::uint32_t>(n)); };
    const std::string extra = entry.zip64 ? u16(1) + u16(16) + bytes_of(std::uint64_t{entry.data.size()}) +
                                                bytes_of(std::uint64_t{body.size()})
                                          : "";
    const std::string sizes =
        entry.zip64 ? u32(0xFFFFFFFF) + u32(0xFFFFFFFF) : u32(body.size()) + u32(entry.data.size());
    const std::size_t offset = file.size();
    const std::size_t crc =
        crc32(0, reinterpret_cast<const Bytef*>(entry.data.data()), static_cast<uInt>(entry.data.size()));
    const std::string middle = u16(45) + u16(0) + u16(entry.deflate ? 8 : 0) + u32(0) + u32(crc) + sizes +
                               u16(entry.name.size()) + u16(extra.size());
    for (const std::string& part : {u32(0x04034b50), middle, entry.name, extra, body}) file += part;
    for (const std::string& part :
         {u32(0x02014b50), u16(45), middle, u16(0), u16(0), u16(0), u32(0), u32(offset), entry.name, extra})
      list += part;
  }
  const auto start = static_cast<std::uint32_t>(file.size());
  const auto count = static_cast<std::uint16_t>(entries.size());
  file += list + bytes_of(std::uint32_t{0x06054b50}) + bytes_of(std::uint32_t{0}) + bytes_of(count) +
          bytes_of(count) + bytes_of(static_cast<std::uint32_t>(list.size())) + bytes_of(start) +
          bytes_of(std::uint16_t{0});
  return file;
}

inline std::string floats(const std::vector<float>& numbers) {
  std::string bytes;
  for (const float number : numbers) bytes += bytes_of(number);
  return bytes;
}

}  // namespace emend::test
