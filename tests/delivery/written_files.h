// What tests of written checkpoints look at: tiny models of tests/data/parity, their down projections, and
// whether files differ where they should and nowhere else.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "tests/delivery/tiny_edit.h"

namespace emend::test {

inline std::filesystem::path parity(const std::string& name) {
  return data_path("parity/" + name);
}

inline at::Tensor down(const Model& model, int block) {
  return model.weights().blocks[static_cast<std::size_t>(block)].mlp_down;
}

// Every tensor but `changed` has the same bytes, type and shape in both.
inline void expect_others_equal(const std::filesystem::path& before, const std::filesystem::path& after,
                                const std::string& changed) {
  const auto old_file = open_checkpoint(before), new_file = open_checkpoint(after);
  ASSERT_EQ(old_file->tensors().size(), new_file->tensors().size());
  for (std::size_t i = 0; i < old_file->tensors().size(); ++i) {
    const TensorInfo& a = old_file->tensors()[i];
    const TensorInfo& b = new_file->tensors()[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.shape, b.shape);
    const auto x = old_file->bytes(a), y = new_file->bytes(b);
    const bool equal = x.size() == y.size() && std::equal(x.begin(), x.end(), y.begin());
    if (a.name == changed)
      EXPECT_FALSE(equal) << a.name;
    else
      EXPECT_TRUE(equal && a.type == b.type) << a.name;
  }
  EXPECT_EQ(old_file->metadata(), new_file->metadata());
  EXPECT_EQ(old_file->gguf_metadata(), new_file->gguf_metadata());
}

}  // namespace emend::test
