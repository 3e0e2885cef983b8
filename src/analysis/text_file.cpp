#include "analysis/text_file.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/strings.h"
#include "emend/error.h"

namespace emend {

namespace {

const char* type_name(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return "F32";
    case at::kDouble:
      return "F64";
    case at::kUInt32:
      return "U32";
    case at::kByte:
      return "U8";
    default:
      return "I64";
  }
}

at::ScalarType scalar_type(const std::string& type) {
  if (type == "F32") return at::kFloat;
  if (type == "U32") return at::kUInt32;
  if (type == "U8") return at::kByte;
  return type == "F64" ? at::kDouble : at::kLong;
}

template <typename Number>
std::vector<Number> list_of(const at::Tensor& values) {
  const auto* const data = values.const_data_ptr<std::int64_t>();
  return std::vector<Number>(data, data + values.numel());
}

}  // namespace

void sort_documents(std::vector<std::uint64_t>& documents) {
  std::sort(documents.begin(), documents.end());
  documents.erase(std::unique(documents.begin(), documents.end()), documents.end());
}

void FileWriter::add(const std::string& name, const at::Tensor& tensor) {
  tensors_[name] = tensor.cpu().contiguous();
}

void FileWriter::add(const std::string& name, const std::vector<std::int64_t>& values) {
  add(name, at::tensor(values, at::kLong));
}

void FileWriter::add(const std::string& name, const std::vector<std::uint64_t>& values) {
  add(name, std::vector<std::int64_t>(values.begin(), values.end()));
}

void FileWriter::set(const std::string& key, const std::string& value) {
  metadata_["emend." + key] = value;
}

void FileWriter::write(const std::filesystem::path& path) const {
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, tensor] : tensors_)
    tensors.push_back({name,
                       type_name(tensor.scalar_type()),
                       tensor.sizes().vec(),
                       {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()}});
  write_safetensors(path, tensors, metadata_);
}

at::Tensor stored_tensor(const TensorFile& file, const std::string& name, const std::string& type) {
  const TensorInfo* const info = file.find(name);
  if (!info || info->type->name != type)
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: the {} tensor {} is missing", file.path().string(), type, name));
  at::Tensor tensor = at::empty(info->shape, scalar_type(type));
  const auto bytes = file.bytes(*info);
  std::copy(bytes.begin(), bytes.end(), static_cast<std::byte*>(tensor.data_ptr()));
  return tensor;
}

std::vector<std::int64_t> read_numbers(const TensorFile& file, const std::string& name) {
  return list_of<std::int64_t>(stored_tensor(file, name, "I64"));
}

std::vector<std::uint64_t> read_fingerprints(const TensorFile& file, const std::string& name) {
  return list_of<std::uint64_t>(stored_tensor(file, name, "I64"));
}

std::vector<std::vector<std::int64_t>> read_rows(const TensorFile& file, const std::string& ids,
                                                 const std::string& lengths) {
  const std::vector<std::int64_t> flat = read_numbers(file, ids);
  std::vector<std::vector<std::int64_t>> rows;
  auto begin = flat.begin();
  for (const std::int64_t length : read_numbers(file, lengths)) {
    if (length < 1 || length > flat.end() - begin)
      throw Error(ErrorKind::kFormat,
                  fmt::format("{}: {} do not add up to {}", file.path().string(), lengths, ids));
    rows.emplace_back(begin, begin + length);
    begin += length;
  }
  return rows;
}

void add_rows(FileWriter& writer, const std::string& ids, const std::string& lengths,
              const std::vector<std::vector<std::int64_t>>& rows) {
  std::vector<std::int64_t> flat, length;
  for (const auto& row : rows) {
    flat.insert(flat.end(), row.begin(), row.end());
    length.push_back(static_cast<std::int64_t>(row.size()));
  }
  writer.add(ids, flat);
  writer.add(lengths, length);
}

std::string metadata_of(const TensorFile& file, const std::string& key) {
  const auto found = file.metadata().find("emend." + key);
  if (found == file.metadata().end())
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: the metadata key emend.{} is missing; this is not a statistics file",
                            file.path().string(), key));
  return found->second;
}

std::string metadata_or(const TensorFile& file, const std::string& key, const std::string& fallback) {
  const auto found = file.metadata().find("emend." + key);
  return found == file.metadata().end() ? fallback : found->second;
}

std::int64_t metadata_number(const TensorFile& file, const std::string& key) {
  constexpr std::size_t kMostDigits = 18;
  const std::string text = metadata_of(file, key);
  if (text.empty() || text.size() > kMostDigits || text.find_first_not_of("0123456789") != std::string::npos)
    throw Error(ErrorKind::kFormat, fmt::format("{}: metadata emend.{} must be a number, found {}",
                                                file.path().string(), key, quote(text)));
  return std::stoll(text);
}

void add_origin(FileWriter& writer, const TextOrigin& origin) {
  writer.set("family", origin.family);
  writer.set("prefix", origin.prefix);
  writer.set("source", origin.source);
  writer.set("fingerprint", origin.fingerprint);
  if (!origin.settings.empty()) writer.set("settings", origin.settings);
}

TextOrigin read_origin(const TensorFile& file) {
  return {metadata_of(file, "family"), metadata_of(file, "prefix"), metadata_of(file, "source"),
          metadata_or(file, "settings", ""), metadata_of(file, "fingerprint")};
}

std::string ids_text(const std::vector<std::int64_t>& ids) {
  std::vector<std::string> parts;
  parts.reserve(ids.size());
  for (std::int64_t id : ids) parts.push_back(std::to_string(id));
  return join(parts, " ");
}

}  // namespace emend
