// The table of stored element types, and what shapes say about sizes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emend/tensor_file.h"

namespace emend {

// All of them; those of safetensors first, in the order of its reference writer: widest alignment first.
std::span<const ElementType> element_types();
std::span<const ElementType> safetensors_types();
std::vector<std::string> safetensors_type_names();

// nullptr for a name that the format does not have.
const ElementType* find_safetensors_type(std::string_view name);
const ElementType* find_ggml_type(std::string_view name);
// nullptr for an unknown id: one that ggml removed, or added after this was written.
const ElementType* find_ggml_type(std::uint32_t id);

// "type IQ2_XS, which emend cannot turn into numbers (it reads ...); ...": what an error says about a tensor
// that must be read and cannot be.
std::string unreadable_type_text(const ElementType& type);

// Bits of an element on average; a whole number for every type of safetensors.
constexpr std::uint64_t bits_per_element(const ElementType& type) {
  return 8 * std::uint64_t{type.block_bytes} / type.block_elements;
}

// a * b, or std::nullopt if it overflows.
std::optional<std::uint64_t> checked_product(std::uint64_t a, std::uint64_t b);
// The number of elements, multiplied from the left; std::nullopt if it exceeds 2^63 - 1.
std::optional<std::uint64_t> checked_elements(std::span<const std::int64_t> shape);
// "[1, 16]"
std::string shape_text(std::span<const std::int64_t> shape);
// The same with another separator and without the brackets: "1 x 16".
std::string sizes_text(std::span<const std::int64_t> shape, std::string_view separator);

}  // namespace emend
