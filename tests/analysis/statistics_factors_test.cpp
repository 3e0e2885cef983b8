// Factors that are kept beside the layers of a statistics folder: the same bits again, and never those of
// another C.
#include "analysis/statistics_factors.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.h"
#include "base/temp_folder.h"
#include "emend/statistics_store.h"
#include "support/random_matrices.h"
#include "support/tensor_memory.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

class FactorsOnDisk : public ::testing::Test {
 protected:
  static constexpr std::int64_t kSize = 40;
  static constexpr double kRidge = 1e-5;

  // What a program makes, or finds in the folder.
  std::shared_ptr<const SpdFactor> factor(const at::Tensor& C, double ridge = kRidge, int layer = 3) const {
    return program()->get(layer, "", C, ridge, at::kCPU, "C");
  }
  std::shared_ptr<const Spectrum> spectrum(const at::Tensor& C, int layer = 3) const {
    return program()->spectrum(layer, "", C, at::kCPU, "C");
  }
  std::shared_ptr<KeyFactors> program(std::int64_t least = 8) const {
    auto factors = std::make_shared<KeyFactors>();
    factors->keep_in(std::make_shared<StatisticsFactors>(folder_.path(), least));
    return factors;
  }
  // Whether the folder has the factor, as the next program asks.
  bool has_factor(const at::Tensor& C, double ridge = kRidge) const {
    return StatisticsFactors(folder_.path(), 8).load_factor(3, C, ridge, at::kCPU) != nullptr;
  }
  std::string file(const std::string& name) const { return (folder_.path() / name).string(); }

  const test::TempFolder folder_;
  const at::Tensor C_ = test::with_spectrum(test::geometric(kSize, 1e-3, 10), 1);
  const at::Tensor K_ = test::normals(kSize, 7, 2);
};

TEST_F(FactorsOnDisk, TheSecondProgramSolvesWithTheSameBits) {
  const auto made = factor(C_);
  ASSERT_TRUE(fs::exists(file("factor_3.safetensors")));
  const auto found = StatisticsFactors(folder_.path(), 8).load_factor(3, C_, kRidge, at::kCPU);
  ASSERT_NE(found, nullptr);
  EXPECT_TRUE(at::equal(found->solve(K_), made->solve(K_)));
  EXPECT_EQ(found->info().ridge, made->info().ridge);
  EXPECT_EQ(found->info().condition, made->info().condition);
  EXPECT_EQ(found->info().condition_of_moment, made->info().condition_of_moment);
  EXPECT_TRUE(at::equal(found->solve(K_), SpdFactor(C_, kRidge, "C").solve(K_)));
}

// One panel more than fits into one.
at::Tensor moment_of_two_panels() {
  const std::int64_t size = CholeskyPanels::kColumns + 30;
  return at::eye(size, at::kDouble) + 1e-3 * test::normals(size, 1, 4).mm(test::normals(size, 1, 4).t());
}

TEST_F(FactorsOnDisk, SeveralPanelsAreKept) {
  const at::Tensor C = moment_of_two_panels();
  const SpdFactor in_memory(C, kRidge, "C");
  const auto made = factor(C);
  const auto found = StatisticsFactors(folder_.path(), 8).load_factor(3, C, kRidge, at::kCPU);
  ASSERT_NE(found, nullptr);
  const at::Tensor K = test::normals(C.size(0), 3, 5);
  EXPECT_TRUE(at::equal(made->solve(K), in_memory.solve(K)));
  EXPECT_TRUE(at::equal(found->solve(K), in_memory.solve(K)));
  EXPECT_EQ(made->info().condition, in_memory.info().condition);
}

// Neither the factor that was made and kept nor the one that was found takes memory between solves; a solve
// takes one panel at a time, beside its vectors.
TEST_F(FactorsOnDisk, SeveralPanelsHoldMemoryInASolveAlone) {
  const at::Tensor C = moment_of_two_panels(), K = test::normals(C.size(0), 1, 5);
  const std::int64_t whole = CholeskyPanels::kept_bytes(C.size(0));
  const auto panel = static_cast<std::int64_t>(C.size(0) * CholeskyPanels::kColumns * sizeof(double));
  for (const char* const way : {"made", "found"}) {
    const test::TensorMemory memory;
    const auto kept = factor(C);
    EXPECT_LT(memory.held(), whole / 100) << way;
    const test::TensorMemory solving;
    kept->solve(K);
    EXPECT_GE(solving.peak(), panel) << way;
    EXPECT_LT(solving.peak(), panel + 8 * static_cast<std::int64_t>(K.nbytes())) << way;
    EXPECT_LT(solving.held(), whole / 100) << way;
  }
}

TEST_F(FactorsOnDisk, TheFileOfPanelsMayGoWhileTheyAreInUse) {
  const at::Tensor C = moment_of_two_panels(), K = test::normals(C.size(0), 1, 5);
  const auto kept = factor(C);
  const at::Tensor before = kept->solve(K);
  fs::remove(file("factor_3.safetensors"));
  EXPECT_TRUE(at::equal(kept->solve(K), before));
}

TEST_F(FactorsOnDisk, PanelsOfAnotherShapeAreNone) {
  const at::Tensor C = moment_of_two_panels();
  factor(C);
  const std::string whole = read_text_file(file("factor_3.safetensors"));
  const std::size_t shape = whole.find("[2078,2048]");
  ASSERT_NE(shape, std::string::npos);
  std::string other = whole;
  other.replace(shape, 11, "[2048,2078]");
  folder_.write("factor_3.safetensors", other);
  EXPECT_FALSE(has_factor(C));
}

// What a plan made in memory, before anything could be written.
TEST_F(FactorsOnDisk, WhatIsTakenOverIsKeptOnceItIsAskedFor) {
  KeyFactors planned;
  const auto factor = planned.get(3, "C 3", C_, kRidge, at::kCPU, "C");
  const auto eigen = planned.spectrum(4, "C 4", C_, at::kCPU, "C");
  const auto factors = program();
  factors->take_over(planned);
  EXPECT_TRUE(fs::is_empty(folder_.path()));
  EXPECT_EQ(factors->get(3, "C 3", C_, kRidge, at::kCPU, "C"), factor) << "of one panel: it stays in memory";
  EXPECT_EQ(factors->spectrum(4, "C 4", C_, at::kCPU, "C"), eigen);
  EXPECT_TRUE(has_factor(C_));
  EXPECT_NE(StatisticsFactors(folder_.path(), 8).load_spectrum(4, C_, at::kCPU), nullptr);
  EXPECT_NE(factors->get(3, "C 3", C_, 2 * kRidge, at::kCPU, "C"), factor);
}

TEST_F(FactorsOnDisk, TellTheConditionOfWhatIsKnown) {
  KeyFactors factors;
  EXPECT_FALSE(factors.condition("C 3").has_value());
  const auto factor = factors.get(3, "C 3", C_, kRidge, at::kCPU, "C");
  EXPECT_FALSE(factors.condition("C").has_value());
  EXPECT_EQ(factors.condition("C 3").value().value, factor->info().condition_of_moment);
  factors.spectrum(4, "C 4", C_, at::kCPU, "C");
  EXPECT_NEAR(factors.condition("C 4").value().value.value(), 1e4, 1);
  // Of rank 5: singular, up to its ridge.
  const at::Tensor keys = test::normals(5, kSize, 7), C = at::matmul(keys.t(), keys);
  factors.get(5, "C 5", C, kRidge, at::kCPU, "C");
  EXPECT_EQ(factors.condition("C 5").value().value, std::nullopt);
}

TEST_F(FactorsOnDisk, EigenvectorsToo) {
  const auto made = spectrum(C_);
  const auto found = StatisticsFactors(folder_.path(), 8).load_spectrum(3, C_, at::kCPU);
  ASSERT_NE(found, nullptr);
  EXPECT_TRUE(at::equal(found->values, made->values));
  EXPECT_TRUE(at::equal(found->vectors, made->vectors));
  const NullSpace one = null_space_of(*found, 1e-1, "C"), other = null_space_of(C_, 1e-1, "C");
  EXPECT_TRUE(at::equal(one.basis, other.basis));
}

TEST_F(FactorsOnDisk, ProjectorsToo) {
  const auto program_with_projectors = [&] {
    const auto factors = program();
    factors->make_projectors_from(8);
    return factors;
  };
  const auto made = program_with_projectors()->projector(3, "", C_, 0.1, at::kCPU);
  ASSERT_NE(made, nullptr);
  StatisticsFactors folder(folder_.path(), 8);
  const auto found = folder.load_projector(3, C_, 0.1, at::kCPU);
  ASSERT_NE(found, nullptr);
  EXPECT_TRUE(at::equal(found->P, made->P));
  EXPECT_EQ(found->rank, made->rank);
  EXPECT_EQ(found->energy, made->energy);
  at::Tensor other = C_.clone();
  other[0][0] += 1e-12;
  EXPECT_EQ(folder.load_projector(3, other, 0.1, at::kCPU), nullptr);
  EXPECT_EQ(folder.load_projector(3, C_, 0.2, at::kCPU), nullptr);
  EXPECT_EQ(folder.load_projector(4, C_, 0.1, at::kCPU), nullptr);
  EXPECT_EQ(folder.load_projector(3, C_, 0.1, at::Device(at::kCUDA, 0)), nullptr);
  // Another threshold takes its place; eigenvectors, which serve every threshold, lie beside it.
  ASSERT_NE(program_with_projectors()->projector(3, "", C_, 0.2, at::kCPU), nullptr);
  EXPECT_EQ(folder.load_projector(3, C_, 0.1, at::kCPU), nullptr);
  spectrum(C_);
  EXPECT_NE(folder.load_projector(3, C_, 0.2, at::kCPU), nullptr);
  EXPECT_NE(folder.load_spectrum(3, C_, at::kCPU), nullptr);
  const std::vector<StoredFactor> listed = stored_factors(folder_.path());
  ASSERT_EQ(listed.size(), 2u);
  EXPECT_EQ(listed[0].threshold, 0.2);
  EXPECT_FALSE(listed[0].is_spectrum);
  EXPECT_TRUE(listed[1].is_spectrum);
  EXPECT_EQ(listed[1].threshold, 0);
  folder_.write("projector_3.safetensors", "broken");
  EXPECT_EQ(folder.load_projector(3, C_, 0.2, at::kCPU), nullptr);
}

TEST_F(FactorsOnDisk, AnotherMomentRidgeOrKindOfDeviceIsNeverGiven) {
  factor(C_);
  spectrum(C_);
  at::Tensor other = C_.clone();
  other[0][0] += 1e-12;
  EXPECT_TRUE(has_factor(C_));
  EXPECT_FALSE(has_factor(other));
  EXPECT_FALSE(has_factor(C_, 2 * kRidge));
  StatisticsFactors folder(folder_.path(), 8);
  EXPECT_EQ(folder.load_spectrum(3, other, at::kCPU), nullptr);
  EXPECT_EQ(folder.load_factor(4, C_, kRidge, at::kCPU), nullptr) << "of another layer";
  EXPECT_EQ(folder.load_factor(3, C_, kRidge, at::Device(at::kCUDA, 0)), nullptr);
  EXPECT_NE(folder.load_spectrum(3, C_, at::kCPU), nullptr);
  EXPECT_EQ(folder.load_spectrum(3, C_, at::Device(at::kCUDA, 0)), nullptr);
  factor(other);  // takes the place of the old one
  EXPECT_TRUE(has_factor(other));
  EXPECT_FALSE(has_factor(C_));
}

TEST_F(FactorsOnDisk, ABrokenFileIsAsNone) {
  const at::Tensor wanted = factor(C_)->solve(K_);
  const std::string bytes = read_text_file(file("factor_3.safetensors"));
  for (const std::string& broken :
       {std::string("no file"), bytes.substr(0, bytes.size() / 2), std::string()}) {
    folder_.write("factor_3.safetensors", broken);
    EXPECT_FALSE(has_factor(C_));
    EXPECT_TRUE(at::equal(factor(C_)->solve(K_), wanted));
    EXPECT_TRUE(has_factor(C_)) << "it is made again";
  }
}

TEST_F(FactorsOnDisk, WhereNothingCanBeWrittenNothingIs) {
  const fs::path none = folder_.path() / "none";
  KeyFactors factors;
  factors.keep_in(std::make_shared<StatisticsFactors>(none, 8));
  EXPECT_TRUE(at::equal(factors.get(3, "", C_, kRidge, at::kCPU, "C")->solve(K_),
                        SpdFactor(C_, kRidge, "C").solve(K_)));
  EXPECT_FALSE(fs::exists(none));
  fs::create_directory(folder_.path() / "factor_3.safetensors");  // in the way of the file
  EXPECT_NO_THROW(factor(C_));
}

TEST_F(FactorsOnDisk, SmallMomentsAndDiagonalsAreNotKept) {
  program(kSize + 1)->get(3, "", C_, kRidge, at::kCPU, "C");
  program()->get(3, "", C_.diagonal().contiguous(), kRidge, at::kCPU, "C");
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(FactorsOnDisk, AreListedByLayer) {
  factor(C_, kRidge, 11);
  spectrum(C_, 3);
  factor(C_, 2 * kRidge, 3);
  folder_.write("factor_5.safetensors", "broken");
  folder_.write("layer_3.safetensors", "something else");
  const std::vector<StoredFactor> found = stored_factors(folder_.path());
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].layer, 3);
  EXPECT_FALSE(found[0].is_spectrum);
  EXPECT_EQ(found[0].relative_ridge, 2 * kRidge);
  EXPECT_TRUE(found[1].is_spectrum);
  EXPECT_EQ(found[2].layer, 11);
  EXPECT_EQ(found[2].bytes, fs::file_size(file("factor_11.safetensors")));
}

}  // namespace
}  // namespace emend
