#include "io/npy.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "base/strings.h"
#include "emend/error.h"
#include "io/byte_reader.h"

namespace emend {

namespace {

[[noreturn]] void refuse(const std::string& where, const std::string& what) {
  throw Error(ErrorKind::kFormat, where + ": " + what);
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The value of 'KEY': in a header such as {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }.
std::string header_value(const std::string& header, const std::string& key, const std::string& where) {
  const std::size_t at = header.find("'" + key + "':");
  if (at == std::string::npos) refuse(where, "the header of the array names no " + key);
  const std::size_t begin = header.find_first_not_of(' ', at + key.size() + 3);
  if (begin == std::string::npos) refuse(where, "the header of the array ends early");
  const char closing = header[begin] == '(' ? ')' : header[begin] == '\'' ? '\'' : ',';
  const std::size_t end = header.find(closing, begin + 1);
  if (end == std::string::npos) refuse(where, "the header of the array ends early");
  const bool wrapped = closing != ',';
  return header.substr(begin + (wrapped ? 1 : 0), end - begin - (wrapped ? 1 : 0));
}

std::vector<std::int64_t> shape_of(const std::string& text, const std::string& where) {
  std::vector<std::int64_t> shape;
  constexpr std::size_t kMostDigits = 12;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    std::string number = text.substr(at, end - at);
    std::erase(number, ' ');
    at = end + 1;
    if (number.empty()) continue;
    if (number.size() > kMostDigits || number.find_first_not_of("0123456789") != std::string::npos)
      refuse(where, "the shape of the array is not a list of sizes");
    shape.push_back(std::stoll(number));
  }
  return shape;
}

std::uint64_t element_bytes(const std::string& type, const std::string& where) {
  if (type.size() < 3 || type.size() > 10 || type.find_first_not_of("0123456789", 2) != std::string::npos)
    refuse(where, "arrays of type " + quote(type) + " cannot be read");
  const std::uint64_t width = std::stoull(type.substr(2));
  return type[1] == 'U' ? 4 * width : width;
}

template <typename Number>
std::vector<double> widen(const NpyArray& array) {
  std::vector<double> numbers(array.bytes.size() / sizeof(Number));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    Number number{};
    std::memcpy(&number, array.bytes.data() + i * sizeof(Number), sizeof number);
    numbers[i] = static_cast<double>(number);
  }
  return numbers;
}

}  // namespace

NpyArray parse_npy(std::string_view data, const std::string& where) {
  if (!data.starts_with("\x93NUMPY")) refuse(where, "this is not a .npy array");
  ByteReader in(std::as_bytes(std::span(data)), where);
  in.take(6, "the header");
  const auto version = in.read<std::uint8_t>("the header");
  in.read<std::uint8_t>("the header");
  const std::uint64_t length =
      version == 1 ? in.read<std::uint16_t>("the header") : in.read<std::uint32_t>("the header");
  const std::string header = text_of(in.take(length, "the header"));
  NpyArray array;
  array.type = header_value(header, "descr", where);
  array.column_major = header_value(header, "fortran_order", where).starts_with("True");
  array.shape = shape_of(header_value(header, "shape", where), where);
  array.bytes = text_of(in.take(in.remaining(), "the elements"));
  std::uint64_t size = element_bytes(array.type, where);
  for (const std::int64_t n : array.shape) {
    if (n != 0 && size > array.bytes.size() / static_cast<std::uint64_t>(n) + 1)
      refuse(where, "the array is shorter than its shape says");
    size *= static_cast<std::uint64_t>(n);
  }
  if (size != array.bytes.size()) refuse(where, "the array is not as long as its shape says");
  return array;
}

std::vector<double> npy_numbers(const NpyArray& array, const std::string& where) {
  std::vector<double> numbers;
  if (array.type == "<f4")
    numbers = widen<float>(array);
  else if (array.type == "<f8")
    numbers = widen<double>(array);
  else if (array.type == "<i4")
    numbers = widen<std::int32_t>(array);
  else if (array.type == "<i8")
    numbers = widen<std::int64_t>(array);
  else
    refuse(where, "expected numbers (<f4, <f8, <i4 or <i8), found " + quote(array.type));
  if (!array.column_major || array.shape.size() != 2) return numbers;
  const auto rows = static_cast<std::size_t>(array.shape[0]),
             columns = static_cast<std::size_t>(array.shape[1]);
  std::vector<double> turned(numbers.size());
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < columns; ++c) turned[r * columns + c] = numbers[c * rows + r];
  return turned;
}

}  // namespace emend
