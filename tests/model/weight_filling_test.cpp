// Weights are the dequantised numbers of the file, whatever the type, the portions and the threads.
#include "model/weight_filling.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "base/expect_error.h"
#include "base/fingerprint.h"
#include "base/temp_folder.h"
#include "io/element_types.h"
#include "io/gguf_write.h"
#include "support/model_files.h"

namespace emend {
namespace {

constexpr std::int64_t kRows = 300, kColumns = 2048;  // more than two portions

// One tensor of waves, stored in a type.
class StoredWaves {
 public:
  explicit StoredWaves(const std::string& type_name, float last = 0.25F) {
    const ElementType& type = element_type(type_name);
    std::vector<float> values(static_cast<std::size_t>(kRows * kColumns));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(0.37F * static_cast<float>(i));
    values.back() = last;
    std::vector<std::byte> bytes(values.size() / type.block_elements * type.block_bytes);
    type.write(values.data(), bytes.data(), values.size() / type.block_elements);
    write_gguf(folder_ / "waves.gguf", {}, {{"waves", type_name, {kRows, kColumns}, bytes}});
    file_ = open_gguf(folder_ / "waves.gguf");
  }

  at::Tensor plain() const {
    at::Tensor numbers = at::empty({kRows, kColumns}, at::kFloat);
    read_as_float32(*file_, tensor(), {numbers.data_ptr<float>(), static_cast<std::size_t>(numbers.numel())},
                    1);
    return numbers;
  }
  std::string digest() const { return xxh3_128_hex(file_->bytes(tensor())); }
  std::vector<std::string> fill(const at::Tensor& target, int threads, bool from_zero = false) const {
    return fill_weights(*file_, {{target, &tensor(), StoredForm::kPlain, from_zero}}, {}, threads,
                        no_progress());
  }

 private:
  const TensorInfo& tensor() const { return file_->tensors().front(); }

  test::TempFolder folder_;
  std::unique_ptr<TensorFile> file_;
};

TEST(WeightFilling, GivesTheNumbersOfTheFileInEveryTypeOnAnyNumberOfThreads) {
  for (const char* type : {"F32", "BF16", "Q8_0", "Q4_K", "Q6_K"}) {
    const StoredWaves stored(type);
    for (const int threads : {1, 2, 5}) {
      at::Tensor whole = at::zeros({kRows, kColumns}, at::kFloat), half = whole.to(at::kBFloat16);
      EXPECT_THAT(stored.fill(whole, threads), testing::ElementsAre(stored.digest()));
      EXPECT_THAT(stored.fill(half, threads), testing::ElementsAre(stored.digest()));
      EXPECT_TRUE(at::equal(whole, stored.plain())) << type;
      EXPECT_TRUE(at::equal(half, stored.plain().to(at::kBFloat16))) << type;
    }
  }
}

TEST(WeightFilling, AddsOneToFactorsThatCountFromZero) {
  const StoredWaves stored("F32");
  at::Tensor weight = at::zeros({kRows, kColumns}, at::kFloat);
  stored.fill(weight, 2, true);
  EXPECT_TRUE(at::equal(weight, stored.plain() + 1));
}

TEST(WeightFilling, NamesATensorWhoseLastNumberIsNotFinite) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    const StoredWaves stored("F32", bad);
    for (const auto type : {at::kFloat, at::kBFloat16})
      EXPECT_THAT(test::error_of(ErrorKind::kModel,
                                 [&] {
                                   stored.fill(at::empty({kRows, kColumns}, type), 2);
                                 }),
                  testing::AllOf(testing::HasSubstr("tensor waves"), testing::HasSubstr("NaN")));
  }
}

// Stops the loading as an interrupt does.
struct Interrupting : SilentProgress {
  void update(std::int64_t, std::string_view) override { throw Error(ErrorKind::kInterrupted, "stop"); }
};

TEST(WeightFilling, StopsWhenItsProgressThrows) {
  Interrupting progress;
  EXPECT_EQ(test::error_of(ErrorKind::kInterrupted,
                           [&] { Model::load(test::data_path("parity/gpt2"), {}, progress); }),
            "stop");
}

TEST(Describe, GivesShapesRolesAndFingerprintButRunsNoPass) {
  for (const std::string name : {"parity/gpt2", "parity/llama_gqa_tied"}) {
    const Model described = Model::describe(test::data_path(name)),
                loaded = Model::load(test::data_path(name));
    EXPECT_EQ(described.bytes(), loaded.bytes());
    EXPECT_EQ(described.roles().size(), loaded.roles().size());
    EXPECT_EQ(described.fingerprint(), loaded.fingerprint());
    PassInput input;
    input.ids = {{1, 2}};
    EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { described.forward(input); }),
                testing::HasSubstr("weights were not read"));
  }
}

}  // namespace
}  // namespace emend
