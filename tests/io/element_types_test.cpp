#include "io/element_types.h"

#include <gtest/gtest.h>

#include <set>
#include <stdexcept>

#include "io/block_format.h"

namespace emend {
namespace {

TEST(ElementTypes, SafetensorsTypesComeWidestFirst) {
  EXPECT_EQ(safetensors_types().front().name, "U64");
  EXPECT_EQ(safetensors_types().back().name, "BOOL");
  EXPECT_EQ(bits_per_element(*find_safetensors_type("F8_E4M3")), 8u);
  EXPECT_EQ(bits_per_element(*find_safetensors_type("F6_E2M3")), 6u);
  EXPECT_EQ(find_safetensors_type("f32"), nullptr);
  EXPECT_EQ(find_safetensors_type("Q8_0"), nullptr);
  EXPECT_EQ(safetensors_type_names().size(), safetensors_types().size());
  for (const ElementType& type : safetensors_types()) {
    EXPECT_TRUE(type.in_safetensors) << type.name;
    EXPECT_EQ(8 * type.block_bytes % type.block_elements, 0u) << type.name;
  }
}

TEST(ElementTypes, GgmlTypesAreFoundById) {
  EXPECT_EQ(find_ggml_type(14)->name, "Q6_K");
  EXPECT_EQ(find_ggml_type(14)->block_bytes, 210u);
  EXPECT_EQ(find_ggml_type(42)->name, "Q2_0");
  EXPECT_EQ(find_ggml_type(42)->block_bytes, 18u);
  EXPECT_EQ(find_ggml_type(4), nullptr);  // removed from ggml
  EXPECT_EQ(find_ggml_type(9999), nullptr);
  EXPECT_EQ(find_ggml_type(UINT32_MAX), nullptr);  // not the -1 of types that GGUF does not have
  EXPECT_EQ(find_ggml_type("U8"), nullptr);
  EXPECT_EQ(find_ggml_type("BF16"), find_safetensors_type("BF16"));
}

TEST(ElementTypes, NamesAndIdsAreUnique) {
  std::set<std::string_view> names;
  std::set<std::int64_t> ids;
  for (const ElementType& type : element_types()) {
    EXPECT_TRUE(names.insert(type.name).second) << type.name;
    EXPECT_TRUE(type.ggml_id < 0 || ids.insert(type.ggml_id).second) << type.name;
    EXPECT_TRUE(type.ggml_id >= 0 || type.in_safetensors) << type.name;
    EXPECT_EQ(&element_type(type.name), &type);
  }
  EXPECT_EQ(find_element_type("Q9_9"), nullptr);
  EXPECT_THROW(element_type("Q9_9"), std::invalid_argument);
}

TEST(ElementTypes, BlocksAgreeWithTheirFormats) {
  for (const ElementType& type : element_types()) {
    EXPECT_EQ(type.format != nullptr, type.read != nullptr && type.block_elements > 1) << type.name;
    EXPECT_TRUE(type.format == nullptr || type.format->elements == type.block_elements) << type.name;
    EXPECT_TRUE(type.write == nullptr || type.read != nullptr) << type.name;
  }
}

TEST(ElementTypes, WhatCannotBeReadIsToldWithWhatCan) {
  const std::string gguf = unreadable_type_text(element_type("IQ2_XS"));
  EXPECT_NE(gguf.find("type IQ2_XS, which emend cannot turn into numbers"), std::string::npos) << gguf;
  EXPECT_NE(gguf.find("Q4_K"), std::string::npos) << gguf;
  const std::string safetensors = unreadable_type_text(element_type("F8_E4M3"));
  EXPECT_NE(safetensors.find("BF16"), std::string::npos) << safetensors;
  EXPECT_EQ(safetensors.find("Q4_K"), std::string::npos) << safetensors;
}

TEST(ElementTypes, ProductsThatOverflowAreNothing) {
  EXPECT_EQ(checked_product(1ull << 32, 1ull << 31), 1ull << 63);
  EXPECT_FALSE(checked_product(1ull << 32, 1ull << 32));
  EXPECT_EQ(checked_elements({}), 1u);
  EXPECT_EQ(checked_elements(std::vector<std::int64_t>{2, 0, 5}), 0u);
  EXPECT_FALSE(checked_elements(std::vector<std::int64_t>{INT64_MAX, 2}));
  EXPECT_FALSE(checked_elements(std::vector<std::int64_t>{INT64_MAX, 2, 0}));
}

TEST(ElementTypes, ShapesAreShown) {
  EXPECT_EQ(shape_text({}), "[]");
  EXPECT_EQ(shape_text(std::vector<std::int64_t>{1, 16}), "[1, 16]");
  EXPECT_EQ(sizes_text(std::vector<std::int64_t>{1, 16}, " x "), "1 x 16");
}

}  // namespace
}  // namespace emend
