// Texts of the unedited model that are kept in a statistics folder: never those of another model or text.
#include "analysis/statistics_texts.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/version.h>

#include <filesystem>
#include <limits>

#include "base/files.h"
#include "base/temp_folder.h"
#include "emend/editor_cache.h"
#include "emend/version.h"
#include "support/random_matrices.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

class TextsOnDisk : public ::testing::Test {
 protected:
  std::string file(const std::string& name) const { return (folder_.path() / name).string(); }

  const test::TempFolder folder_;
  const StatisticsTexts texts_{folder_.path()};
  const std::vector<TokenIds> contexts_ = {{4, 8}, {15, 16, 23}};
  const BaseOnText base_ = {2.5, test::normals(7, 4, 1).to(at::kFloat)};
};

TEST_F(TextsOnDisk, TheSameComesBack) {
  texts_.save_contexts("contexts_2 one", contexts_);
  EXPECT_EQ(texts_.load_contexts("contexts_2 one"), contexts_);
  texts_.save_base(3, "one", base_);
  const auto found = texts_.load_base(3, "one", 7, 4);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->nll, 2.5);
  EXPECT_TRUE(at::equal(found->hidden, base_.hidden));
  texts_.save_base(0, "one", {1.5, {}});
  EXPECT_EQ(texts_.load_base(0, "one", 7, 4).value().nll, 1.5);
}

// So that methods that draw different numbers of contexts do not take the folder from each other.
TEST_F(TextsOnDisk, EachNumberOfContextsHasAFile) {
  const std::vector<TokenIds> more = {{1}, {2}, {3, 4}, {5, 6}};
  texts_.save_contexts("contexts_1 one", contexts_);
  texts_.save_contexts("contexts_2 two", more);
  EXPECT_EQ(texts_.load_contexts("contexts_1 one"), contexts_);
  EXPECT_EQ(texts_.load_contexts("contexts_2 two"), more);
  EXPECT_EQ(texts_.load_contexts("contexts_1 two"), std::nullopt);
  // The file of an earlier version is as none.
  fs::rename(file("contexts_1.safetensors"), file("contexts.safetensors"));
  EXPECT_EQ(texts_.load_contexts("contexts_1 one"), std::nullopt);
}

TEST_F(TextsOnDisk, WhatDoesNotFitIsAsNone) {
  EXPECT_EQ(texts_.load_contexts("contexts_2 one"), std::nullopt) << "there is no file";
  texts_.save_contexts("contexts_2 one", contexts_);
  EXPECT_EQ(texts_.load_contexts("contexts_2 two"), std::nullopt);
  texts_.save_base(3, "one", base_);
  EXPECT_FALSE(texts_.load_base(3, "two", 7, 4).has_value());
  EXPECT_FALSE(texts_.load_base(2, "one", 7, 4).has_value());
  EXPECT_FALSE(texts_.load_base(3, "one", 8, 4).has_value());
  EXPECT_FALSE(texts_.load_base(3, "one", 7, 5).has_value());
  EXPECT_TRUE(texts_.load_base(3, "one", 7, 4).has_value());
  BaseOnText bad = base_;
  bad.nll = std::numeric_limits<double>::quiet_NaN();
  texts_.save_base(3, "one", bad);
  EXPECT_FALSE(texts_.load_base(3, "one", 7, 4).has_value());
  bad = {2.5, base_.hidden.clone()};
  bad.hidden[1][1] = std::numeric_limits<float>::infinity();
  texts_.save_base(3, "one", bad);
  EXPECT_FALSE(texts_.load_base(3, "one", 7, 4).has_value());
}

TEST_F(TextsOnDisk, ABrokenFileIsAsNone) {
  texts_.save_contexts("contexts_2 one", contexts_);
  texts_.save_base(3, "one", base_);
  for (const std::string name : {"contexts_2.safetensors", "base_3.safetensors"}) {
    const std::string bytes = read_text_file(file(name));
    for (const std::string& broken : {std::string("no file"), bytes.substr(0, bytes.size() / 2)}) {
      folder_.write(name, broken);
      EXPECT_EQ(texts_.load_contexts("contexts_2 one").has_value(), name.starts_with("base"));
      EXPECT_EQ(texts_.load_base(3, "one", 7, 4).has_value(), name.starts_with("contexts"));
    }
    folder_.write(name, bytes);
  }
}

TEST_F(TextsOnDisk, NothingIsWrittenWithoutAFolderOrOfALongText) {
  StatisticsTexts(folder_.path() / "none").save_contexts("contexts_2 one", contexts_);
  EXPECT_FALSE(fs::exists(folder_.path() / "none"));
  constexpr std::int64_t kWidth = 1024, kTokens = StatisticsTexts::kMostBytes / (4 * kWidth) + 1;
  texts_.save_base(3, "one", {2.5, at::zeros({kTokens, kWidth}, at::kFloat)});
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(TextsOnDisk, AnIdentityNamesModelTextsAndBudget) {
  const Model model = test::tiny_model("llama"), other = test::tiny_model("gpt2");
  const std::string one = text_identity(model, {{1, 2}, {3}}, 64);
  EXPECT_EQ(text_identity(model, {{1, 2}, {3}}, 64), one);
  EXPECT_NE(text_identity(other, {{1, 2}, {3}}, 64), one);
  EXPECT_NE(text_identity(model, {{1, 2}, {4}}, 64), one);
  EXPECT_NE(text_identity(model, {{1}, {2, 3}}, 64), one);
  EXPECT_NE(text_identity(model, {{1, 2}, {3}}, 65), one);
  EXPECT_TRUE(one.starts_with(emend_version() + " " + TORCH_VERSION + " ")) << one;
}

TEST_F(TextsOnDisk, AnIdentityNamesTypeAndThreads) {
  ModelOptions narrow;
  narrow.dtype = ComputeType::kBfloat16;
  const Model model = Model::make_random(test::tiny_config("llama"), 1, {}),
              in_bfloat16 = Model::make_random(test::tiny_config("llama"), 1, narrow);
  const std::string one = text_identity(model, {{1, 2}}, 64);
  EXPECT_NE(one.find(" Float "), std::string::npos) << one;
  EXPECT_NE(text_identity(in_bfloat16, {{1, 2}}, 64).find(" BFloat16 "), std::string::npos);
  const int threads = at::get_num_threads();
  at::set_num_threads(threads + 1);
  const std::string of_more_threads = text_identity(model, {{1, 2}}, 64);
  at::set_num_threads(threads);
  EXPECT_NE(of_more_threads, one);
  EXPECT_EQ(text_identity(model, {{1, 2}}, 64), one);
}

TEST_F(TextsOnDisk, ACacheSamplesContextsOnceForAllPrograms) {
  int sampled = 0;
  const auto sample = [&] {
    ++sampled;
    return contexts_;
  };
  for (int program = 0; program < 2; ++program) {
    EditorCache cache(folder_.path());
    EXPECT_EQ(cache.contexts("contexts_2 one", sample), contexts_);
    EXPECT_EQ(cache.contexts("contexts_2 one", sample), contexts_);
    EXPECT_EQ(sampled, 1) << program;
  }
  const EditorCache kept(folder_.path());
  EditorCache of_other_weights = EditorCache::with_factors_of(kept);
  of_other_weights.contexts("contexts_2 one", sample);
  EXPECT_EQ(sampled, 2) << "of a model that has other weights nothing is taken";
  EXPECT_EQ(StatisticsTexts(folder_.path()).load_contexts("contexts_2 two"), std::nullopt);
  of_other_weights.contexts("contexts_2 two", sample);
  EXPECT_EQ(StatisticsTexts(folder_.path()).load_contexts("contexts_2 two"), std::nullopt)
      << "and nothing kept";
}

}  // namespace
}  // namespace emend
