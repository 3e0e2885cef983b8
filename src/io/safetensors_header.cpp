#include "io/safetensors_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>

#include "base/nearest.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "emend/error.h"
#include "io/byte_reader.h"
#include "io/element_types.h"

namespace emend {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMostHeaderBytes = 100'000'000;
constexpr std::size_t kMostTensors = 1'000'000;
constexpr std::size_t kMostDimensions = 32;
constexpr std::size_t kMostNameBytes = 64 * 1024;

// One tensor's entry as far as it has been read.
struct Record {
  std::string name;
  std::optional<std::string> dtype;
  std::optional<std::vector<std::uint64_t>> shape;
  std::optional<std::vector<std::uint64_t>> data_offsets;
};

// Takes the parser's events one by one, so that nothing is built that the format does not allow, and
// duplicate keys are seen (a document tree would keep the last).
class HeaderEvents : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderEvents(std::string source) : source_(std::move(source)) {}

  std::vector<Record> records;
  std::map<std::string, std::string> metadata;

  bool start_object(std::size_t) override {
    if (place_ == Place::kOutside) return enter(Place::kHeader);
    if (place_ == Place::kHeader && key_ == "__metadata__") return enter(Place::kMetadata);
    if (place_ == Place::kHeader) return begin_record();
    return refuse_value("an object");
  }

  bool end_object() override {
    if (place_ == Place::kRecord) finish_record();
    return enter(place_ == Place::kHeader ? Place::kOutside : Place::kHeader);
  }

  bool key(string_t& name) override {
    key_ = name;
    switch (place_) {
      case Place::kHeader:
        if (name.size() > kMostNameBytes) fail("a tensor's name is longer than 64 KiB: " + quote(name));
        if (!names_.insert(name).second) fail(fmt::format("the name {} is there twice", quote(name)));
        return true;
      case Place::kMetadata:
        if (!metadata.emplace(name, "").second)
          fail(fmt::format("the metadata key {} is there twice", quote(name)));
        return true;
      default:
        return begin_field(name);
    }
  }

  bool string(string_t& value) override {
    if (place_ == Place::kMetadata) {
      metadata[key_] = std::move(value);
      return true;
    }
    if (place_ != Place::kRecord || key_ != "dtype") return refuse_value(quote(value, 60));
    records.back().dtype = std::move(value);
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::kRecord || key_ == "dtype") return refuse_value("an array");
    (key_ == "shape" ? records.back().shape : records.back().data_offsets).emplace();
    return enter(Place::kNumbers);
  }
  bool end_array() override { return enter(Place::kRecord); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::kNumbers) return refuse_value(std::to_string(value));
    auto& numbers = key_ == "shape" ? *records.back().shape : *records.back().data_offsets;
    if (numbers.size() >= kMostDimensions) {
      fail(fmt::format("{}: {} has more than {} numbers", tensor(), quote(key_), kMostDimensions));
    }
    numbers.push_back(value);
    return true;
  }
  bool number_integer(number_integer_t value) override { return refuse_value(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { return refuse_value(text); }
  bool boolean(bool value) override { return refuse_value(value ? "true" : "false"); }
  bool null() override {
    // Written by some for "no metadata".
    return place_ == Place::kHeader && key_ == "__metadata__" ? true : refuse_value("null");
  }
  bool binary(binary_t&) override { return false; }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    std::string_view reason = error.what();
    if (const auto at = reason.find("syntax error "); at != reason.npos) reason.remove_prefix(at);
    fail(fmt::format("the header is not valid JSON at byte {} of the file: {}", position + 7, reason));
  }

 private:
  enum class Place { kOutside, kHeader, kMetadata, kRecord, kNumbers };

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::kFormat, source_ + ": " + what);
  }

  std::string tensor() const { return "tensor " + quote(records.back().name); }

  bool enter(Place place) {
    place_ = place;
    return true;
  }

  bool refuse_value(const std::string& found) const {
    switch (place_) {
      case Place::kOutside:
        fail("the header must be a JSON object, found " + found);
      case Place::kHeader:
        fail(fmt::format("{} must be an object, found {}", quote(key_), found));
      case Place::kMetadata:
        fail(fmt::format("the metadata value of {} must be a string, found {}", quote(key_), found));
      case Place::kRecord:
        fail(fmt::format("{}: {} must be {}, found {}", tensor(), quote(key_),
                         key_ == "dtype" ? "a string" : "an array of non-negative integers", found));
      case Place::kNumbers:
        fail(fmt::format("{}: {} must hold non-negative integers only, found {}", tensor(), quote(key_),
                         found));
    }
    return false;
  }

  bool begin_record() {
    if (records.size() >= kMostTensors) fail("more than a million tensors");
    records.push_back({key_, {}, {}, {}});
    return enter(Place::kRecord);
  }

  bool begin_field(const std::string& name) {
    const Record& record = records.back();
    const bool known = name == "dtype" || name == "shape" || name == "data_offsets";
    if (!known) fail(fmt::format("{}: unknown field {}", tensor(), quote(name)));
    const bool twice = (name == "dtype" && record.dtype) || (name == "shape" && record.shape) ||
                       (name == "data_offsets" && record.data_offsets);
    if (twice) fail(fmt::format("{}: the field {} is there twice", tensor(), quote(name)));
    return true;
  }

  void finish_record() {
    const Record& record = records.back();
    if (!record.dtype) fail(tensor() + ": the field \"dtype\" is missing");
    if (!record.shape) fail(tensor() + ": the field \"shape\" is missing");
    if (!record.data_offsets) fail(tensor() + ": the field \"data_offsets\" is missing");
    if (record.data_offsets->size() != 2) {
      fail(fmt::format("{}: \"data_offsets\" must hold two numbers, found {}", tensor(),
                       record.data_offsets->size()));
    }
  }

  std::string source_;
  Place place_ = Place::kOutside;
  std::string key_;
  std::unordered_set<std::string> names_;
};

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  throw Error(ErrorKind::kFormat, path.string() + ": " + what);
}

// Rules on the header's length and place; its text.
std::string_view header_text(std::span<const std::byte> file, const std::filesystem::path& path) {
  if (file.size() < 8) {
    fail(path, fmt::format("header too small: the file has {} bytes, fewer than 8", file.size()));
  }
  const auto length = ByteReader(file, path.string()).read<std::uint64_t>("the header's length");
  if (file.size() >= 4 && std::memcmp(file.data(), "GGUF", 4) == 0)
    fail(path, "this is a GGUF file, where a safetensors file is expected");
  if (length > kMostHeaderBytes) {
    fail(path, fmt::format(
                   "header too large: it claims {} bytes, more than 100000000 (is this a safetensors file?)",
                   length));
  }
  if (length > file.size() - 8) {
    fail(path, fmt::format("the header claims {} bytes, but the file has {} behind its length (truncated?)",
                           length, file.size() - 8));
  }
  return {reinterpret_cast<const char*>(file.data()) + 8, static_cast<std::size_t>(length)};
}

void check_header_text(std::string_view text, const std::filesystem::path& path) {
  if (const auto bad = find_invalid_utf8(text)) {
    fail(path, fmt::format("the header is not UTF-8 at byte {} of the file", 8 + *bad));
  }
  if (text.empty() || text.front() != '{') fail(path, "the header does not begin with '{'");
  const auto last = text.find_last_not_of(' ');
  // The JSON parser would take a NUL for the end, and any white space for padding.
  if (text[last] != '}' || text.find('\0') != text.npos) {
    fail(path, "the header must be one JSON object with nothing but spaces behind it");
  }
}

void parse_events(std::string_view text, const std::filesystem::path& path, HeaderEvents& events) {
  check_header_text(text, path);
  nlohmann::json::sax_parse(text.begin(), text.end(), &events);
}

TensorInfo to_tensor(Record record, const std::filesystem::path& path) {
  const std::string tensor = "tensor " + quote(record.name);
  const ElementType* const type = find_safetensors_type(*record.dtype);
  if (type == nullptr) {
    fail(path, fmt::format("{}: unknown dtype {}{}", tensor, quote(*record.dtype),
                           did_you_mean(*record.dtype, safetensors_type_names())));
  }
  TensorInfo info;
  for (const std::uint64_t dimension : *record.shape) {
    if (dimension > static_cast<std::uint64_t>(INT64_MAX)) {
      fail(path, fmt::format("{}: the dimension {} is too large", tensor, dimension));
    }
    info.shape.push_back(static_cast<std::int64_t>(dimension));
  }
  const auto elements = checked_elements(info.shape);
  const auto bits = elements ? checked_product(*elements, bits_per_element(*type)) : std::nullopt;
  if (!bits) fail(path, fmt::format("{}: the shape {} overflows", tensor, shape_text(info.shape)));
  if (*bits % 8 != 0) {
    fail(path, fmt::format("{}: {} bits of {} are not whole bytes", tensor, *bits, *record.dtype));
  }
  const std::uint64_t begin = (*record.data_offsets)[0], end = (*record.data_offsets)[1];
  if (end < begin) {
    fail(path, fmt::format("{}: data_offsets [{}, {}] end before they begin", tensor, begin, end));
  }
  if (end - begin != *bits / 8) {
    fail(path, fmt::format("{}: {} {} needs {} bytes, but data_offsets [{}, {}] give {}", tensor,
                           *record.dtype, shape_text(info.shape), *bits / 8, begin, end, end - begin));
  }
  // Relative to the data buffer until the whole list has been checked: only then no sum can overflow.
  info.offset = begin;
  info.bytes = end - begin;
  info.name = std::move(record.name);
  info.type = type;
  info.file = path;
  return info;
}

// Each tensor begins where the one before ended, the first at 0, the last ends with the file. This one rule
// excludes overlaps, holes and trailing bytes.
void check_packed(const std::vector<TensorInfo>& tensors, std::uint64_t data_bytes,
                  const std::filesystem::path& path) {
  std::uint64_t end = 0;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.offset != end) {
      const bool overlaps = tensor.offset < end;
      fail(path, fmt::format(
                     "tensor {} begins at byte {} of the data, {}{}", quote(tensor.name), tensor.offset,
                     overlaps ? "inside the tensor before it, which ends at " : "leaving a hole behind byte ",
                     end));
    }
    end = tensor.offset + tensor.bytes;
    if (end > data_bytes) {
      fail(path, fmt::format("tensor {} ends at byte {} of the data, but there are {} (truncated?)",
                             quote(tensor.name), end, data_bytes));
    }
  }
  if (end != data_bytes) {
    fail(path, fmt::format("{} bytes behind the last tensor belong to none", data_bytes - end));
  }
}

}  // namespace

std::map<std::string, std::string> safetensors_metadata(std::span<const std::byte> file,
                                                        const std::filesystem::path& path) {
  HeaderEvents events(path.string());
  parse_events(header_text(file, path), path, events);
  return std::move(events.metadata);
}

SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file,
                                           const std::filesystem::path& path) {
  const std::string_view text = header_text(file, path);
  HeaderEvents events(path.string());
  parse_events(text, path, events);

  SafetensorsHeader header;
  header.data_begin = 8 + text.size();
  header.metadata = std::move(events.metadata);
  header.tensors.reserve(events.records.size());
  for (Record& record : events.records) {
    header.tensors.push_back(to_tensor(std::move(record), path));
  }
  // Stable: tensors without elements share a boundary and keep the order of the header.
  std::stable_sort(header.tensors.begin(), header.tensors.end(),
                   [](const TensorInfo& a, const TensorInfo& b) {
                     return a.offset != b.offset ? a.offset < b.offset : a.bytes < b.bytes;
                   });
  check_packed(header.tensors, file.size() - header.data_begin, path);
  for (TensorInfo& tensor : header.tensors) tensor.offset += header.data_begin;
  return header;
}

}  // namespace emend
