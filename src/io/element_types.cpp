#include "io/element_types.h"

#include <array>

#include "base/strings.h"

namespace emend {
namespace {

constexpr auto kOpaque = DType::kOpaque;

constexpr std::array kSafetensorsTypes = {
    SafetensorsType{"U64", 64, kOpaque},        SafetensorsType{"I64", 64, kOpaque},
    SafetensorsType{"F64", 64, DType::kF64},    SafetensorsType{"C64", 64, kOpaque},
    SafetensorsType{"F32", 32, DType::kF32},    SafetensorsType{"U32", 32, kOpaque},
    SafetensorsType{"I32", 32, kOpaque},        SafetensorsType{"BF16", 16, DType::kBF16},
    SafetensorsType{"F16", 16, DType::kF16},    SafetensorsType{"U16", 16, kOpaque},
    SafetensorsType{"I16", 16, kOpaque},        SafetensorsType{"F8_E5M2FNUZ", 8, kOpaque},
    SafetensorsType{"F8_E4M3FNUZ", 8, kOpaque}, SafetensorsType{"F8_E8M0", 8, kOpaque},
    SafetensorsType{"F8_E4M3", 8, kOpaque},     SafetensorsType{"F8_E5M2", 8, kOpaque},
    SafetensorsType{"I8", 8, kOpaque},          SafetensorsType{"U8", 8, kOpaque},
    SafetensorsType{"F6_E3M2", 6, kOpaque},     SafetensorsType{"F6_E2M3", 6, kOpaque},
    SafetensorsType{"F4", 4, kOpaque},          SafetensorsType{"BOOL", 8, kOpaque},
};

constexpr std::array kGgmlTypes = {
    GgmlType{0, "F32", 1, 4, DType::kF32},     GgmlType{1, "F16", 1, 2, DType::kF16},
    GgmlType{2, "Q4_0", 32, 18, DType::kQ4_0}, GgmlType{3, "Q4_1", 32, 20, DType::kQ4_1},
    GgmlType{6, "Q5_0", 32, 22, kOpaque},      GgmlType{7, "Q5_1", 32, 24, kOpaque},
    GgmlType{8, "Q8_0", 32, 34, DType::kQ8_0}, GgmlType{9, "Q8_1", 32, 36, kOpaque},
    GgmlType{10, "Q2_K", 256, 84, kOpaque},    GgmlType{11, "Q3_K", 256, 110, kOpaque},
    GgmlType{12, "Q4_K", 256, 144, kOpaque},   GgmlType{13, "Q5_K", 256, 176, kOpaque},
    GgmlType{14, "Q6_K", 256, 210, kOpaque},   GgmlType{15, "Q8_K", 256, 292, kOpaque},
    GgmlType{16, "IQ2_XXS", 256, 66, kOpaque}, GgmlType{17, "IQ2_XS", 256, 74, kOpaque},
    GgmlType{18, "IQ3_XXS", 256, 98, kOpaque}, GgmlType{19, "IQ1_S", 256, 50, kOpaque},
    GgmlType{20, "IQ4_NL", 32, 18, kOpaque},   GgmlType{21, "IQ3_S", 256, 110, kOpaque},
    GgmlType{22, "IQ2_S", 256, 82, kOpaque},   GgmlType{23, "IQ4_XS", 256, 136, kOpaque},
    GgmlType{24, "I8", 1, 1, kOpaque},         GgmlType{25, "I16", 1, 2, kOpaque},
    GgmlType{26, "I32", 1, 4, kOpaque},        GgmlType{27, "I64", 1, 8, kOpaque},
    GgmlType{28, "F64", 1, 8, DType::kF64},    GgmlType{29, "IQ1_M", 256, 56, kOpaque},
    GgmlType{30, "BF16", 1, 2, DType::kBF16},  GgmlType{34, "TQ1_0", 256, 54, kOpaque},
    GgmlType{35, "TQ2_0", 256, 66, kOpaque},   GgmlType{39, "MXFP4", 32, 17, kOpaque},
};

}  // namespace

std::int64_t TensorInfo::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t dimension : shape) product *= dimension;
  return product;
}

std::span<const SafetensorsType> safetensors_types() {
  return kSafetensorsTypes;
}

const SafetensorsType* find_safetensors_type(std::string_view name) {
  for (const SafetensorsType& type : kSafetensorsTypes) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

std::vector<std::string> safetensors_type_names() {
  std::vector<std::string> names;
  for (const SafetensorsType& type : kSafetensorsTypes) names.emplace_back(type.name);
  return names;
}

const GgmlType* find_ggml_type(std::uint32_t id) {
  for (const GgmlType& type : kGgmlTypes) {
    if (type.id == id) return &type;
  }
  return nullptr;
}

const GgmlType* find_ggml_type(std::string_view name) {
  for (const GgmlType& type : kGgmlTypes) {
    if (type.name == name) return &type;
  }
  return nullptr;
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
