#include "io/element_types.h"

#include <gtest/gtest.h>

#include "io/dequantise.h"

namespace emend {
namespace {

TEST(ElementTypes, SafetensorsTypesComeWidestFirst) {
  EXPECT_EQ(safetensors_types().front().name, "U64");
  EXPECT_EQ(safetensors_types().back().name, "BOOL");
  EXPECT_EQ(find_safetensors_type("F8_E4M3")->bits, 8u);
  EXPECT_EQ(find_safetensors_type("f32"), nullptr);
  EXPECT_EQ(safetensors_type_names().size(), safetensors_types().size());
}

TEST(ElementTypes, GgmlTypesAreFoundById) {
  EXPECT_EQ(find_ggml_type(14)->name, "Q6_K");
  EXPECT_EQ(find_ggml_type(14)->block_bytes, 210u);
  EXPECT_EQ(find_ggml_type(4), nullptr);  // removed from ggml
  EXPECT_EQ(find_ggml_type(9999), nullptr);
}

TEST(ElementTypes, BlocksAgreeWithWhatIsDequantised) {
  for (std::uint32_t id = 0; id < 64; ++id) {
    const GgmlType* const type = find_ggml_type(id);
    if (type == nullptr || type->dtype == DType::kOpaque) continue;
    EXPECT_EQ(block_size(type->dtype).elements, type->block_elements) << type->name;
    EXPECT_EQ(block_size(type->dtype).bytes, type->block_bytes) << type->name;
  }
  for (const SafetensorsType& type : safetensors_types()) {
    if (type.dtype == DType::kOpaque) continue;
    EXPECT_EQ(block_size(type.dtype).bytes * 8, type.bits) << type.name;
  }
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
