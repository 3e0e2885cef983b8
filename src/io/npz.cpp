#include "io/npz.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "base/byte_stream.h"
#include "base/strings.h"
#include "emend/error.h"
#include "io/byte_reader.h"
#include "io/mapped_file.h"

namespace emend {

namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint32_t kEndRecord = 0x06054b50, kEndRecord64 = 0x06064b50, kEndLocator64 = 0x07064b50;
constexpr std::uint32_t kCentralEntry = 0x02014b50, kLocalEntry = 0x04034b50;
constexpr std::uint32_t kIn64 = 0xFFFFFFFF;
constexpr std::size_t kEndRecordBytes = 22, kLongestComment = 65535, kLocator64Bytes = 20;

[[noreturn]] void refuse(const std::string& where, const std::string& what) {
  throw Error(ErrorKind::kFormat, where + ": " + what);
}

struct ZipEntry {
  std::string name;
  std::uint16_t flags = 0, method = 0;
  std::uint32_t crc = 0;
  std::uint64_t packed = 0, size = 0, offset = 0;
};

ByteReader reader_at(Bytes file, std::uint64_t offset, const std::string& where) {
  if (offset > file.size()) refuse(where, "not a zip file: an offset lies behind its end");
  return ByteReader(file.subspan(static_cast<std::size_t>(offset)), where);
}

std::string text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Sizes of 4 GiB and more, and what NumPy writes as if it were: the zip64 extra field holds those that are
// all ones.
void read_extra64(ByteReader extra, ZipEntry& entry) {
  while (extra.remaining() >= 4) {
    const auto id = extra.read<std::uint16_t>("an extra field");
    const auto length = extra.read<std::uint16_t>("an extra field");
    ByteReader field(extra.take(length, "an extra field"), extra.source());
    if (id != 1) continue;
    for (std::uint64_t* number : {&entry.size, &entry.packed, &entry.offset})
      if (*number == kIn64) *number = field.read<std::uint64_t>("a zip64 size");
  }
}

ZipEntry read_central_entry(ByteReader& in) {
  if (in.read<std::uint32_t>("an entry") != kCentralEntry)
    refuse(in.source(), "not a zip file: its list of entries is damaged");
  ZipEntry entry;
  in.take(4, "an entry");
  entry.flags = in.read<std::uint16_t>("an entry");
  entry.method = in.read<std::uint16_t>("an entry");
  in.take(4, "an entry");
  entry.crc = in.read<std::uint32_t>("an entry");
  entry.packed = in.read<std::uint32_t>("an entry");
  entry.size = in.read<std::uint32_t>("an entry");
  const auto name = in.read<std::uint16_t>("an entry"), extra = in.read<std::uint16_t>("an entry"),
             comment = in.read<std::uint16_t>("an entry");
  in.take(8, "an entry");
  entry.offset = in.read<std::uint32_t>("an entry");
  entry.name = text_of(in.take(name, "an entry's name"));
  read_extra64(ByteReader(in.take(extra, "an entry"), in.source()), entry);
  in.take(comment, "an entry");
  return entry;
}

std::vector<ZipEntry> read_entries(Bytes file, const std::string& where) {
  if (file.size() < kEndRecordBytes) refuse(where, "not a zip file: too short");
  std::size_t end = file.size() - kEndRecordBytes;
  const std::size_t lowest = end > kLongestComment ? end - kLongestComment : 0;
  const auto is_end = [&](std::size_t at) {
    std::uint32_t mark = 0;
    std::memcpy(&mark, file.data() + at, sizeof mark);
    return mark == kEndRecord;
  };
  while (end > lowest && !is_end(end)) --end;
  if (!is_end(end)) refuse(where, "not a zip file: it has no end record");
  ByteReader record = reader_at(file, end + 10, where);
  std::uint64_t count = record.read<std::uint16_t>("the end record");
  record.read<std::uint32_t>("the end record");
  std::uint64_t offset = record.read<std::uint32_t>("the end record");
  if (end >= kLocator64Bytes && (offset == kIn64 || count == 0xFFFF)) {
    ByteReader locator = reader_at(file, end - kLocator64Bytes, where);
    if (locator.read<std::uint32_t>("the zip64 locator") == kEndLocator64) {
      locator.read<std::uint32_t>("the zip64 locator");
      ByteReader record64 = reader_at(file, locator.read<std::uint64_t>("the zip64 locator"), where);
      if (record64.read<std::uint32_t>("the zip64 end record") != kEndRecord64)
        refuse(where, "not a zip file: its zip64 end record is damaged");
      record64.take(28, "the zip64 end record");
      count = record64.read<std::uint64_t>("the zip64 end record");
      record64.read<std::uint64_t>("the zip64 end record");
      offset = record64.read<std::uint64_t>("the zip64 end record");
    }
  }
  ByteReader list = reader_at(file, offset, where);
  std::vector<ZipEntry> entries;
  for (std::uint64_t i = 0; i < count; ++i) entries.push_back(read_central_entry(list));
  return entries;
}

std::string unpack_unchecked(Bytes file, const ZipEntry& entry, const std::string& where) {
  constexpr std::uint16_t kEncrypted = 1, kStored = 0, kDeflated = 8;
  constexpr std::uint64_t kMostRatio = 1032;  // deflate cannot do better
  if ((entry.flags & kEncrypted) != 0) refuse(where, "the entry is encrypted");
  ByteReader local = reader_at(file, entry.offset, where);
  if (local.read<std::uint32_t>("an entry") != kLocalEntry)
    refuse(where, "not a zip file: the entry is not where the list says");
  local.take(22, "an entry");
  const auto name = local.read<std::uint16_t>("an entry"), extra = local.read<std::uint16_t>("an entry");
  local.take(name, "an entry's name");
  local.take(extra, "an entry");
  std::string packed = text_of(local.take(entry.packed, "an entry's data"));
  if (entry.method == kStored && entry.size == entry.packed) return packed;
  if (entry.method != kDeflated)
    refuse(where, fmt::format("zip compression {} is not known; stored and deflated are", entry.method));
  if (entry.size / kMostRatio > entry.packed) refuse(where, "the entry's size cannot be right");
  return inflate_raw(packed, static_cast<std::size_t>(entry.size), where);
}

std::string unpack(Bytes file, const ZipEntry& entry, const std::string& where) {
  std::string data = unpack_unchecked(file, entry, where);
  if (crc32_of(data) != entry.crc) refuse(where, "the entry's data is damaged: its CRC-32 is another");
  return data;
}

}  // namespace

std::map<std::string, NpyArray> read_npz(const std::filesystem::path& file) {
  const MappedFile mapped(file);
  std::map<std::string, NpyArray> arrays;
  for (const ZipEntry& entry : read_entries(mapped.bytes(), file.string())) {
    const std::string where = file.string() + ": " + quote(entry.name, 60);
    if (!entry.name.ends_with(".npy")) continue;
    arrays[entry.name.substr(0, entry.name.size() - 4)] =
        parse_npy(unpack(mapped.bytes(), entry, where), where);
  }
  return arrays;
}

}  // namespace emend
