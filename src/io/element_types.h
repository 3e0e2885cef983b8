// The element types of both formats: names, sizes, and what emend can turn into float32.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emend/tensor_file.h"

namespace emend {

// A type of safetensors. The table's order is that of the reference writer: widest alignment first.
struct SafetensorsType {
  std::string_view name;
  std::uint32_t bits;
  DType dtype;
};
std::span<const SafetensorsType> safetensors_types();
// nullptr for an unknown name.
const SafetensorsType* find_safetensors_type(std::string_view name);
std::vector<std::string> safetensors_type_names();

// A type of ggml: `block_elements` neighbours of a row share `block_bytes` bytes.
struct GgmlType {
  std::uint32_t id;
  std::string_view name;
  std::uint32_t block_elements;
  std::uint32_t block_bytes;
  DType dtype;
};
// nullptr for an unknown id: one that ggml removed, or added after this was written.
const GgmlType* find_ggml_type(std::uint32_t id);
// The same by name; nullptr for an unknown one.
const GgmlType* find_ggml_type(std::string_view name);

// a * b, or std::nullopt if it overflows.
std::optional<std::uint64_t> checked_product(std::uint64_t a, std::uint64_t b);
// The number of elements, multiplied from the left; std::nullopt if it exceeds 2^63 - 1.
std::optional<std::uint64_t> checked_elements(std::span<const std::int64_t> shape);
// "[1, 16]"
std::string shape_text(std::span<const std::int64_t> shape);
// The same with another separator and without the brackets: "1 x 16".
std::string sizes_text(std::span<const std::int64_t> shape, std::string_view separator);

}  // namespace emend
