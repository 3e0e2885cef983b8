#include "io/gguf_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <fstream>
#include <set>
#include <string_view>

#include "base/strings.h"
#include "base/utf8.h"
#include "emend/error.h"
#include "io/byte_reader.h"
#include "io/element_types.h"

namespace emend {
namespace {

enum ValueType : std::uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

// ggml's own limits.
constexpr std::uint32_t kMostDimensions = 4;
constexpr std::uint64_t kMostItems = std::uint64_t{1} << 30;

// The fewest bytes that a key-value pair (key, type, value) and a tensor record (name, n_dims, type, offset)
// take.
constexpr std::uint64_t kLeastPairBytes = 8 + 4 + 1;
constexpr std::uint64_t kLeastTensorBytes = 8 + 4 + 4 + 8;

[[noreturn]] void fail(const ByteReader& reader, const std::string& what) {
  throw Error(ErrorKind::kFormat, reader.source() + ": " + what);
}

template <typename Number>
std::int64_t read_integer(ByteReader& reader, const std::string& what) {
  const auto value = reader.read<Number>(what);
  if constexpr (std::is_same_v<Number, std::uint64_t>) {
    if (value > static_cast<std::uint64_t>(INT64_MAX)) {
      fail(reader, fmt::format("{} holds {}, more than 2^63 - 1", what, value));
    }
  }
  return static_cast<std::int64_t>(value);
}

bool read_bool(ByteReader& reader, const std::string& what) {
  const auto value = reader.read<std::uint8_t>(what);
  if (value > 1) fail(reader, fmt::format("{} must be a boolean (0 or 1), found {}", what, value));
  return value == 1;
}

std::string read_text(ByteReader& reader, const std::string& what) {
  std::string text = reader.read_string(what);
  if (text.size() > kMostItems) fail(reader, what + " is longer than 2^30 bytes");
  return text;
}

// `count` values, each by `read_one`; the count has been checked against the file's length.
template <typename Value, typename ReadOne>
GgufValue read_many(std::uint64_t count, ReadOne read_one) {
  std::vector<Value> values;
  values.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) values.push_back(read_one());
  return values;
}

// One value, or with `count` an array of them.
template <typename Value, typename ReadOne>
GgufValue read_one_or_many(const std::uint64_t* count, ReadOne read_one) {
  if (count != nullptr) return read_many<Value>(*count, read_one);
  return Value(read_one());
}

GgufValue read_scalars(ByteReader& reader, std::uint32_t type, const std::uint64_t* count,
                       const std::string& what) {
  const auto integers = [&]<typename Number>(Number) {
    return read_one_or_many<std::int64_t>(count, [&] { return read_integer<Number>(reader, what); });
  };
  switch (type) {
    case kU8:
      return integers(std::uint8_t{});
    case kI8:
      return integers(std::int8_t{});
    case kU16:
      return integers(std::uint16_t{});
    case kI16:
      return integers(std::int16_t{});
    case kU32:
      return integers(std::uint32_t{});
    case kI32:
      return integers(std::int32_t{});
    case kU64:
      return integers(std::uint64_t{});
    case kI64:
      return integers(std::int64_t{});
    case kF32:
      return read_one_or_many<double>(count, [&] { return double{reader.read<float>(what)}; });
    case kF64:
      return read_one_or_many<double>(count, [&] { return reader.read<double>(what); });
    case kBool:
      return read_one_or_many<bool>(count, [&] { return read_bool(reader, what); });
    case kString:
      return read_one_or_many<std::string>(count, [&] { return read_text(reader, what); });
    default:
      fail(reader, fmt::format("{} has the unknown value type {}", what, type));
  }
}

std::uint64_t least_bytes(std::uint32_t type) {
  switch (type) {
    case kU16:
    case kI16:
      return 2;
    case kU32:
    case kI32:
    case kF32:
      return 4;
    case kU64:
    case kI64:
    case kF64:
    case kString:
      return 8;
    default:
      return 1;
  }
}

GgufValue read_value(ByteReader& reader, std::uint32_t type, const std::string& what) {
  if (type != kArray) return read_scalars(reader, type, nullptr, what);
  const auto element_type = reader.read<std::uint32_t>(what);
  if (element_type == kArray) fail(reader, what + " is an array of arrays, which GGUF does not allow");
  if (element_type > kF64)
    fail(reader, fmt::format("{} has the unknown element type {}", what, element_type));
  const std::uint64_t count = reader.read_count(least_bytes(element_type), what);
  if (count > kMostItems) fail(reader, what + " has more than 2^30 elements");
  return read_scalars(reader, element_type, &count, what);
}

void read_start(ByteReader& reader, GgufHeader& header) {
  const auto magic = reader.take(4, "the magic bytes");
  const std::string_view text(reinterpret_cast<const char*>(magic.data()), magic.size());
  if (text != "GGUF") fail(reader, "not a GGUF file: it begins with " + quote(text));
  header.version = reader.read<std::uint32_t>("the version");
  if (header.version != 0 && (header.version & 0xFFFF) == 0) {
    fail(reader, "this GGUF file is big-endian, which emend does not read");
  }
  if (header.version != 2 && header.version != 3) {
    fail(reader, fmt::format("GGUF version {}; emend reads 2 and 3", header.version));
  }
}

void read_pairs(ByteReader& reader, std::uint64_t count, GgufHeader& header) {
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string key = reader.read_string(fmt::format("the key of metadata pair {}", i));
    const std::string what = "the metadata value of " + quote(key);
    if (key.empty() || find_invalid_utf8(key))
      fail(reader, fmt::format("the metadata key {} is not a name", quote(key)));
    const auto type = reader.read<std::uint32_t>(what);
    if (key == "general.alignment" && type != kU32) fail(reader, what + " must be a u32");
    GgufValue value = read_value(reader, type, what);
    const auto [place, is_new] = header.metadata.emplace(std::move(key), std::move(value));
    if (!is_new) fail(reader, fmt::format("the metadata key {} is there twice", quote(place->first)));
  }
}

// -1 where the key is missing or no integer.
std::int64_t integer_or_minus_one(const GgufHeader& header, const std::string& key) {
  const auto found = header.metadata.find(key);
  if (found == header.metadata.end()) return -1;
  const auto* const value = std::get_if<std::int64_t>(&found->second);
  return value == nullptr ? -1 : *value;
}

void check_metadata(const ByteReader& reader, GgufHeader& header) {
  const std::int64_t alignment = integer_or_minus_one(header, "general.alignment");
  if (alignment == -1) return;
  header.alignment = static_cast<std::uint64_t>(alignment);
  if (!std::has_single_bit(header.alignment)) {
    fail(reader, fmt::format("general.alignment must be a power of two, found {}", alignment));
  }
}

std::vector<std::int64_t> read_shape(ByteReader& reader, const std::string& tensor) {
  const auto dimensions = reader.read<std::uint32_t>("the dimensions of " + tensor);
  if (dimensions > kMostDimensions) {
    fail(reader, fmt::format("{} has {} dimensions; GGUF allows 4", tensor, dimensions));
  }
  std::vector<std::int64_t> shape;
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    shape.push_back(read_integer<std::uint64_t>(reader, "the shape of " + tensor));
  }
  // ggml writes the contiguous dimension first.
  std::reverse(shape.begin(), shape.end());
  return shape;
}

// Bytes of a tensor of this shape; rows (the innermost dimension) are whole blocks.
std::uint64_t tensor_bytes(const ByteReader& reader, const ElementType& type,
                           const std::vector<std::int64_t>& shape, const std::string& tensor) {
  const auto row = static_cast<std::uint64_t>(shape.empty() ? 1 : shape.back());
  if (row % type.block_elements != 0) {
    fail(reader, fmt::format("{}: rows of {} elements are no whole number of {} blocks of {}", tensor, row,
                             type.name, type.block_elements));
  }
  const auto elements = checked_elements(shape);
  const auto bytes =
      elements ? checked_product(*elements / type.block_elements, type.block_bytes) : std::nullopt;
  if (!bytes) fail(reader, fmt::format("{}: the shape {} overflows", tensor, shape_text(shape)));
  return *bytes;
}

TensorInfo read_tensor(ByteReader& reader, std::uint64_t number, const GgufHeader& header) {
  TensorInfo info;
  info.name = reader.read_string(fmt::format("the name of tensor {}", number));
  const std::string tensor = "tensor " + quote(info.name);
  if (info.name.size() > kMostGgufNameBytes) fail(reader, tensor + ": the name is longer than 63 bytes");
  if (find_invalid_utf8(info.name)) fail(reader, tensor + ": the name is not UTF-8");
  info.shape = read_shape(reader, tensor);
  const auto type_id = reader.read<std::uint32_t>("the type of " + tensor);
  const ElementType* const type = find_ggml_type(type_id);
  if (type == nullptr) {
    fail(reader, fmt::format("{} has the ggml type {}, which emend does not know", tensor, type_id));
  }
  info.type = type;
  info.bytes = tensor_bytes(reader, *type, info.shape, tensor);
  info.offset = reader.read<std::uint64_t>("the offset of " + tensor);
  if (info.offset % header.alignment != 0) {
    fail(reader, fmt::format("{}: the offset {} is no multiple of the alignment {}", tensor, info.offset,
                             header.alignment));
  }
  return info;
}

void check_names(const ByteReader& reader, const std::vector<TensorInfo>& tensors) {
  std::set<std::string_view> names;
  for (const TensorInfo& tensor : tensors) {
    if (!names.insert(tensor.name).second) fail(reader, "two tensors have the name " + quote(tensor.name));
  }
}

// Turns offsets from relative to the data section to relative to the file.
void place_tensors(const ByteReader& reader, std::uint64_t file_bytes, GgufHeader& header) {
  const std::uint64_t unaligned = reader.position();
  const std::uint64_t aligned =
      unaligned + (header.alignment - unaligned % header.alignment) % header.alignment;
  header.data_begin = std::min(aligned, file_bytes);  // a file of empty tensors may end before its padding
  const std::uint64_t data_bytes = file_bytes - header.data_begin;
  for (TensorInfo& tensor : header.tensors) {
    if (tensor.offset > data_bytes || tensor.bytes > data_bytes - tensor.offset) {
      fail(reader,
           fmt::format(
               "tensor {}: {} bytes at offset {} reach beyond the data section of {} bytes (truncated?)",
               quote(tensor.name), tensor.bytes, tensor.offset, data_bytes));
    }
    tensor.offset += header.data_begin;
  }
}

void check_overlaps(const ByteReader& reader, const std::vector<TensorInfo>& tensors) {
  std::vector<const TensorInfo*> order;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.bytes > 0) order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->offset < b->offset; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (order[i - 1]->offset + order[i - 1]->bytes > order[i]->offset) {
      fail(reader,
           fmt::format("the tensors {} and {} overlap", quote(order[i - 1]->name), quote(order[i]->name)));
    }
  }
}

}  // namespace

GgufHeader parse_gguf_header(std::span<const std::byte> file, const std::filesystem::path& path) {
  ByteReader reader(file, path.string());
  GgufHeader header;
  read_start(reader, header);
  const std::uint64_t tensors = reader.read_count(kLeastTensorBytes, "the number of tensors");
  const std::uint64_t pairs = reader.read_count(kLeastPairBytes, "the number of metadata pairs");
  read_pairs(reader, pairs, header);
  check_metadata(reader, header);
  header.records_begin = reader.position();
  for (std::uint64_t i = 0; i < tensors; ++i) {
    header.tensors.push_back(read_tensor(reader, i, header));
    header.tensors.back().file = path;
  }
  check_names(reader, header.tensors);
  place_tensors(reader, file.size(), header);
  check_overlaps(reader, header.tensors);
  return header;
}

bool is_gguf_file(const std::filesystem::path& path) {
  std::error_code failed;
  if (!std::filesystem::is_regular_file(path, failed)) return false;
  std::array<char, 4> magic{};
  std::ifstream file(path, std::ios::binary);
  return file.read(magic.data(), magic.size()) && std::string_view(magic.data(), magic.size()) == "GGUF";
}

}  // namespace emend
