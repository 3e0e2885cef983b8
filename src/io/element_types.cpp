#include "io/element_types.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "base/strings.h"
#include "io/block_format.h"
#include "io/dequantise.h"
#include "io/quantise.h"

namespace emend {
namespace {

constexpr ElementType safetensors_only(std::string_view name, std::uint32_t elements, std::uint32_t bytes,
                                       bool is_float = false) {
  return {name, -1, true, is_float, elements, bytes};
}

// A type of ggml whose tensors are only carried.
constexpr ElementType carried(std::string_view name, std::int64_t id, std::uint32_t elements,
                              std::uint32_t bytes) {
  return {name, id, false, false, elements, bytes};
}

constexpr bool kFloat = true;  // is_float

constexpr std::array kTypes = {
    safetensors_only("U64", 1, 8),
    ElementType{"I64", 27, true, false, 1, 8},
    ElementType{"F64", 28, true, true, 1, 8, read_f64, write_f64},
    safetensors_only("C64", 1, 8),
    ElementType{"F32", 0, true, true, 1, 4, read_f32, write_f32},
    safetensors_only("U32", 1, 4),
    ElementType{"I32", 26, true, false, 1, 4},
    ElementType{"BF16", 30, true, true, 1, 2, read_bf16, write_bf16},
    ElementType{"F16", 1, true, true, 1, 2, read_f16, write_f16},
    safetensors_only("U16", 1, 2),
    ElementType{"I16", 25, true, false, 1, 2},
    safetensors_only("F8_E5M2FNUZ", 1, 1, kFloat),
    safetensors_only("F8_E4M3FNUZ", 1, 1, kFloat),
    safetensors_only("F8_E8M0", 1, 1, kFloat),
    safetensors_only("F8_E4M3", 1, 1, kFloat),
    safetensors_only("F8_E5M2", 1, 1, kFloat),
    ElementType{"I8", 24, true, false, 1, 1},
    safetensors_only("U8", 1, 1),
    safetensors_only("F6_E3M2", 4, 3, kFloat),
    safetensors_only("F6_E2M3", 4, 3, kFloat),
    safetensors_only("F4", 2, 1, kFloat),
    safetensors_only("BOOL", 1, 1),
    // From here on GGUF only.
    ElementType{"Q4_0", 2, false, false, 32, 18, read_q4_0, write_q4_0, &kQ4_0Format},
    ElementType{"Q4_1", 3, false, false, 32, 20, read_q4_1, write_q4_1, &kQ4_1Format},
    ElementType{"Q5_0", 6, false, false, 32, 22, read_q5_0, write_q5_0, &kQ5_0Format},
    ElementType{"Q5_1", 7, false, false, 32, 24, read_q5_1, write_q5_1, &kQ5_1Format},
    ElementType{"Q8_0", 8, false, false, 32, 34, read_q8_0, write_q8_0, &kQ8_0Format},
    carried("Q8_1", 9, 32, 36),
    ElementType{"Q2_K", 10, false, false, 256, 84, read_q2_k, write_q2_k, &kQ2_KFormat},
    ElementType{"Q3_K", 11, false, false, 256, 110, read_q3_k, write_q3_k, &kQ3_KFormat},
    ElementType{"Q4_K", 12, false, false, 256, 144, read_q4_k, write_q4_k, &kQ4_KFormat},
    ElementType{"Q5_K", 13, false, false, 256, 176, read_q5_k, write_q5_k, &kQ5_KFormat},
    ElementType{"Q6_K", 14, false, false, 256, 210, read_q6_k, write_q6_k, &kQ6_KFormat},
    carried("Q8_K", 15, 256, 292),
    carried("IQ2_XXS", 16, 256, 66),
    carried("IQ2_XS", 17, 256, 74),
    carried("IQ3_XXS", 18, 256, 98),
    carried("IQ1_S", 19, 256, 50),
    ElementType{"IQ4_NL", 20, false, false, 32, 18, read_iq4_nl, write_iq4_nl, &kIq4NlFormat},
    carried("IQ3_S", 21, 256, 110),
    carried("IQ2_S", 22, 256, 82),
    ElementType{"IQ4_XS", 23, false, false, 256, 136, read_iq4_xs, write_iq4_xs, &kIq4XsFormat},
    carried("IQ1_M", 29, 256, 56),
    ElementType{"TQ1_0", 34, false, false, 256, 54, read_tq1_0, nullptr, &kTq1_0Format},
    ElementType{"TQ2_0", 35, false, false, 256, 66, read_tq2_0, nullptr, &kTq2_0Format},
    ElementType{"MXFP4", 39, false, false, 32, 17, read_mxfp4, nullptr, &kMxfp4Format},
    carried("NVFP4", 40, 64, 36),
    carried("Q1_0", 41, 128, 18),
    carried("Q2_0", 42, 64, 18),
};

constexpr std::size_t kSafetensorsTypes = static_cast<std::size_t>(
    std::count_if(kTypes.begin(), kTypes.end(), [](const ElementType& type) { return type.in_safetensors; }));
static_assert(kTypes[kSafetensorsTypes - 1].in_safetensors, "those of safetensors come first");

template <typename Condition>
const ElementType* find_if(std::span<const ElementType> types, const Condition& condition) {
  const auto found = std::find_if(types.begin(), types.end(), condition);
  return found == types.end() ? nullptr : &*found;
}

}  // namespace

std::int64_t TensorInfo::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t dimension : shape) product *= dimension;
  return product;
}

std::span<const ElementType> element_types() {
  return kTypes;
}

std::span<const ElementType> safetensors_types() {
  return element_types().first(kSafetensorsTypes);
}

const ElementType* find_element_type(std::string_view name) {
  return find_if(kTypes, [&](const ElementType& type) { return type.name == name; });
}

const ElementType& element_type(std::string_view name) {
  const ElementType* const type = find_element_type(name);
  if (type == nullptr) throw std::invalid_argument(fmt::format("there is no element type {}", name));
  return *type;
}

const ElementType* find_safetensors_type(std::string_view name) {
  return find_if(safetensors_types(), [&](const ElementType& type) { return type.name == name; });
}

const ElementType* find_ggml_type(std::string_view name) {
  const ElementType* const type = find_element_type(name);
  return type == nullptr || type->ggml_id < 0 ? nullptr : type;
}

const ElementType* find_ggml_type(std::uint32_t id) {
  return find_if(kTypes, [&](const ElementType& type) { return type.ggml_id == std::int64_t{id}; });
}

std::vector<std::string> safetensors_type_names() {
  std::vector<std::string> names;
  for (const ElementType& type : safetensors_types()) names.emplace_back(type.name);
  return names;
}

std::string unreadable_type_text(const ElementType& type) {
  std::vector<std::string> readable;
  for (const ElementType& known : kTypes)
    if (known.read != nullptr && known.in_safetensors >= type.in_safetensors)
      readable.emplace_back(known.name);
  return fmt::format(
      "type {}, which emend cannot turn into numbers (it reads {}); convert the checkpoint to one of "
      "these types from its unquantised original",
      type.name, join(readable));
}

std::optional<std::uint64_t> checked_product(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

std::optional<std::uint64_t> checked_elements(std::span<const std::int64_t> shape) {
  std::uint64_t elements = 1;
  for (const std::int64_t dimension : shape) {
    const auto product = checked_product(elements, static_cast<std::uint64_t>(dimension));
    if (!product || *product > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
    elements = *product;
  }
  return elements;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  return "[" + sizes_text(shape, ", ") + "]";
}

std::string sizes_text(std::span<const std::int64_t> shape, std::string_view separator) {
  std::vector<std::string> sizes;
  for (const std::int64_t size : shape) sizes.push_back(std::to_string(size));
  return join(sizes, separator);
}

}  // namespace emend
