#include <fmt/format.h>

#include "io/element_types.h"
#include "io/gguf_header.h"
#include "io/rewrite_parts.h"

namespace emend {
namespace {

std::uint64_t padded(std::uint64_t size, std::uint64_t alignment) {
  return (size + alignment - 1) / alignment * alignment;
}

const ElementType& require_ggml_type(const std::filesystem::path& file, const NewTensor& tensor) {
  if (tensor.type->ggml_id >= 0) return *tensor.type;
  throw Error(ErrorKind::kFormat, fmt::format("{}: tensor {}: GGUF has no type {}", file.string(),
                                              quote(tensor.name), tensor.type->name));
}

void check_sizes(const std::filesystem::path& file, const std::vector<TensorInfo>& old,
                 const std::vector<NewTensor>& tensors) {
  for (const NewTensor& tensor : tensors) {
    const ElementType& type = require_ggml_type(file, tensor);
    for (const TensorInfo& info : old) {
      if (info.name != tensor.name) continue;
      const std::int64_t row = info.shape.empty() ? 1 : info.shape.back();
      if (row % type.block_elements != 0)
        throw Error(ErrorKind::kFormat,
                    fmt::format("{}: tensor {}: rows of {} elements are no whole number of {} blocks of {}",
                                file.string(), quote(tensor.name), row, type.name, type.block_elements));
      const auto blocks = static_cast<std::uint64_t>(info.elements()) / type.block_elements;
      if (tensor.bytes.size() != blocks * type.block_bytes)
        throw Error(ErrorKind::kFormat,
                    fmt::format("{}: tensor {}: {} bytes do not make {} {}", file.string(),
                                quote(tensor.name), tensor.bytes.size(), type.name, shape_text(info.shape)));
    }
  }
}

// name, n_dims, ne (innermost first), type, offset
void append_record(std::vector<std::byte>& records, const TensorInfo& info, const ElementType& type,
                   std::uint64_t offset) {
  append_number(records, static_cast<std::uint64_t>(info.name.size()));
  append(records, info.name);
  append_number(records, static_cast<std::uint32_t>(info.shape.size()));
  for (auto size = info.shape.rbegin(); size != info.shape.rend(); ++size)
    append_number(records, static_cast<std::uint64_t>(*size));
  append_number(records, static_cast<std::uint32_t>(type.ggml_id));
  append_number(records, offset);
}

std::vector<std::byte> new_records(const GgufHeader& header, const std::vector<NewTensor>& tensors) {
  std::vector<std::byte> records;
  std::uint64_t offset = 0;
  for (const TensorInfo& info : header.tensors) {
    const NewTensor* const tensor = find_new(tensors, info.name);
    append_record(records, info, tensor == nullptr ? *info.type : *tensor->type, offset);
    offset += padded(tensor == nullptr ? info.bytes : tensor->bytes.size(), header.alignment);
  }
  return records;
}

}  // namespace

FileRewrite rewrite_gguf(const std::filesystem::path& file, const std::vector<NewTensor>& tensors) {
  FileRewrite rewrite(file);
  const GgufHeader header = parse_gguf_header(rewrite.old_bytes(), file);
  require_all_known(file, header.tensors, tensors);
  check_sizes(file, header.tensors, tensors);
  if (types_stay(header.tensors, tensors))
    return replace_in_place(std::move(rewrite), header.tensors, tensors);
  rewrite.keep(0, header.records_begin);
  rewrite.put(new_records(header, tensors));
  const auto pad = [&] { rewrite.put_zeros(padded(rewrite.size(), header.alignment) - rewrite.size()); };
  pad();
  for (const TensorInfo& info : header.tensors) {
    if (const NewTensor* const tensor = find_new(tensors, info.name))
      rewrite.put(tensor->bytes);
    else
      rewrite.keep(info.offset, info.bytes);
    pad();  // where there is data, data_begin is aligned, too
  }
  return rewrite;
}

}  // namespace emend
