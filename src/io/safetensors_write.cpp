#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/atomic_file.h"
#include "base/nearest.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "emend/error.h"
#include "io/element_types.h"

namespace emend {
namespace {

constexpr std::uint64_t kMostHeaderBytes = 100'000'000;
constexpr const char* kMetadataName = "__metadata__";

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& what) {
  throw Error(ErrorKind::kFormat, fmt::format("cannot write {}: {}", file.string(), what));
}

void check_tensor(const TensorToWrite& tensor, const std::filesystem::path& file) {
  const std::string name = "tensor " + quote(tensor.name);
  if (tensor.name == kMetadataName) fail(file, "no tensor can have the reserved name " + quote(tensor.name));
  if (find_invalid_utf8(tensor.name)) fail(file, name + ": the name is not UTF-8");
  const ElementType* const type = find_safetensors_type(tensor.dtype_name);
  if (type == nullptr) {
    fail(file, fmt::format("{}: safetensors has no dtype {}{}", name, quote(tensor.dtype_name),
                           did_you_mean(tensor.dtype_name, safetensors_type_names())));
  }
  for (const std::int64_t dimension : tensor.shape) {
    if (dimension < 0)
      fail(file, fmt::format("{}: the shape {} has a negative dimension", name, shape_text(tensor.shape)));
  }
  const auto elements = checked_elements(tensor.shape);
  const auto bits = elements ? checked_product(*elements, bits_per_element(*type)) : std::nullopt;
  if (!bits || *bits % 8 != 0 || *bits / 8 != tensor.bytes.size()) {
    fail(file, fmt::format("{}: {} bytes do not make {} {}", name, tensor.bytes.size(), tensor.dtype_name,
                           shape_text(tensor.shape)));
  }
}

void check_all(const std::vector<TensorToWrite>& tensors, const std::map<std::string, std::string>& metadata,
               const std::filesystem::path& file) {
  std::set<std::string_view> names;
  for (const TensorToWrite& tensor : tensors) {
    check_tensor(tensor, file);
    if (!names.insert(tensor.name).second) fail(file, "two tensors have the name " + quote(tensor.name));
  }
  for (const auto& [key, value] : metadata) {
    if (find_invalid_utf8(key) || find_invalid_utf8(value))
      fail(file, fmt::format("the metadata of {} is not UTF-8", quote(key)));
  }
}

// As the reference writer: widest alignment first, then by name. Every tensor comes to lie at its natural
// alignment.
std::vector<const TensorToWrite*> in_file_order(const std::vector<TensorToWrite>& tensors) {
  std::vector<const TensorToWrite*> order;
  order.reserve(tensors.size());
  for (const TensorToWrite& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const TensorToWrite* a, const TensorToWrite* b) {
    const auto* const rank_a = find_safetensors_type(a->dtype_name);
    const auto* const rank_b = find_safetensors_type(b->dtype_name);
    return rank_a != rank_b ? rank_a < rank_b : a->name < b->name;
  });
  return order;
}

std::string json_string(const std::string& text) {
  return nlohmann::json(text).dump();
}

// {"a":"b","c":"d"}
std::string metadata_json(std::map<std::string, std::string> metadata) {
  metadata.emplace("format", "pt");
  std::string json;
  for (const auto& [key, value] : metadata) {
    json += json.empty() ? '{' : ',';
    json += json_string(key);
    json += ':';
    json += json_string(value);
  }
  json += '}';
  return json;
}

// "name":{"dtype":"F16","shape":[1,16],"data_offsets":[0,32]}
std::string tensor_json(const TensorToWrite& tensor, std::uint64_t begin) {
  std::vector<std::string> dimensions;
  for (const std::int64_t dimension : tensor.shape) dimensions.push_back(std::to_string(dimension));
  std::string json = json_string(tensor.name);
  json += ":{\"dtype\":\"" + tensor.dtype_name + "\",\"shape\":[" + join(dimensions, ",");
  json += "],\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(begin + tensor.bytes.size()) +
          "]}";
  return json;
}

// Padded with spaces so that the data begins at a multiple of 8.
std::string header_json(const std::vector<const TensorToWrite*>& order,
                        const std::map<std::string, std::string>& metadata) {
  std::string header = "{";
  header += json_string(kMetadataName);
  header += ':';
  header += metadata_json(metadata);
  std::uint64_t begin = 0;
  for (const TensorToWrite* const tensor : order) {
    header += ',';
    header += tensor_json(*tensor, begin);
    begin += tensor->bytes.size();
  }
  header += '}';
  header.append((8 - header.size() % 8) % 8, ' ');
  return header;
}

std::string little_endian(std::uint64_t number) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(number >> shift);
  return bytes;
}

}  // namespace

void write_safetensors(const std::filesystem::path& file, const std::vector<TensorToWrite>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  check_all(tensors, metadata, file);
  const std::vector<const TensorToWrite*> order = in_file_order(tensors);
  const std::string header = header_json(order, metadata);
  if (header.size() > kMostHeaderBytes) {
    fail(file, fmt::format("the header would have {} bytes, more than the format allows", header.size()));
  }
  AtomicFile out(file);
  out.write(little_endian(header.size()));
  out.write(header);
  for (const TensorToWrite* const tensor : order) out.write(tensor->bytes);
  out.commit();
}

}  // namespace emend
