#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "io/element_types.h"
#include "io/rewrite_parts.h"
#include "io/safetensors_header.h"

namespace emend {
namespace {

void check_sizes(const std::filesystem::path& file, const std::vector<TensorInfo>& old,
                 const std::vector<NewTensor>& tensors) {
  for (const NewTensor& tensor : tensors) {
    if (!tensor.type->in_safetensors)
      throw Error(ErrorKind::kFormat, fmt::format("{}: tensor {}: safetensors has no type {}", file.string(),
                                                  quote(tensor.name), tensor.type->name));
    for (const TensorInfo& info : old)
      if (info.name == tensor.name && tensor.bytes.size() * 8 != static_cast<std::uint64_t>(info.elements()) *
                                                                     bits_per_element(*tensor.type))
        throw Error(ErrorKind::kFormat, fmt::format("{}: tensor {}: {} bytes do not make {} {}",
                                                    file.string(), quote(tensor.name), tensor.bytes.size(),
                                                    tensor.type->name, shape_text(info.shape)));
  }
}

// The header with other types and offsets. Members keep their order, and what is not a record stays as it
// is.
std::string new_header(std::span<const std::byte> old_file, const SafetensorsHeader& header,
                       const std::vector<NewTensor>& tensors) {
  const std::string_view text(reinterpret_cast<const char*>(old_file.data()) + 8, header.data_begin - 8);
  auto document = nlohmann::ordered_json::parse(text);
  std::uint64_t begin = 0;
  for (const TensorInfo& info : header.tensors) {  // in the order of their bytes
    const NewTensor* const tensor = find_new(tensors, info.name);
    const std::uint64_t bytes = tensor == nullptr ? info.bytes : tensor->bytes.size();
    auto& record = document[info.name];
    if (tensor != nullptr) record["dtype"] = tensor->type->name;
    record["data_offsets"] = {begin, begin + bytes};
    begin += bytes;
  }
  std::string result = document.dump();
  result.append((8 - result.size() % 8) % 8, ' ');
  return result;
}

}  // namespace

FileRewrite rewrite_safetensors(const std::filesystem::path& file, const std::vector<NewTensor>& tensors) {
  FileRewrite rewrite(file);
  const SafetensorsHeader header = parse_safetensors_header(rewrite.old_bytes(), file);
  require_all_known(file, header.tensors, tensors);
  check_sizes(file, header.tensors, tensors);
  if (types_stay(header.tensors, tensors))
    return replace_in_place(std::move(rewrite), header.tensors, tensors);
  const std::string text = new_header(rewrite.old_bytes(), header, tensors);
  std::vector<std::byte> start;
  append_number(start, static_cast<std::uint64_t>(text.size()));
  append(start, text);
  rewrite.put(std::move(start));
  for (const TensorInfo& info : header.tensors) {
    if (const NewTensor* const tensor = find_new(tensors, info.name))
      rewrite.put(tensor->bytes);
    else
      rewrite.keep(info.offset, info.bytes);
  }
  return rewrite;
}

}  // namespace emend
