// Which device holds what, without a device: indices alone are looked at.
#include "model/placement.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "emend/error.h"
#include "model/device_memory.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

std::vector<at::Device> gpus(int count) {
  std::vector<at::Device> devices;
  for (int i = 0; i < count; ++i) devices.emplace_back(at::kCUDA, static_cast<c10::DeviceIndex>(i));
  return devices;
}

std::vector<int> indices(const ModelConfig& config, int count) {
  std::vector<int> found;
  for (const at::Device& device : place_blocks(config, gpus(count))) found.push_back(device.index());
  return found;
}

ModelConfig shape(int layers, std::int64_t vocab) {
  ModelConfig c = test::tiny_config("gpt2", layers);
  c.vocab = vocab;
  return c;
}

TEST(Placement, OneDeviceHoldsAll) {
  EXPECT_THAT(indices(shape(6, 96), 1), testing::Each(0));
}

TEST(Placement, BlocksGoInOrderAndEvenly) {
  const std::vector<int> found = indices(shape(12, 1), 3);
  EXPECT_TRUE(std::is_sorted(found.begin(), found.end()));
  std::map<int, int> count;
  for (const int device : found) ++count[device];
  EXPECT_THAT(count, testing::ElementsAre(testing::Pair(0, 4), testing::Pair(1, 4), testing::Pair(2, 4)));
}

TEST(Placement, TablesCountForTheFirst) {
  // A block of this shape has 32 * (4 * 32 + 2 * 96) numbers; the tied table as many as four of them.
  const std::vector<int> found = indices(shape(12, 4 * 320), 2);
  EXPECT_EQ(std::count(found.begin(), found.end(), 0), 4);
}

TEST(Placement, TablesLargerThanAShareLieAlone) {
  const std::vector<int> found = indices(shape(8, 100 * 320), 3);
  EXPECT_EQ(std::count(found.begin(), found.end(), 0), 0);
  EXPECT_EQ(std::count(found.begin(), found.end(), 1), 4);
  EXPECT_EQ(std::count(found.begin(), found.end(), 2), 4);
}

TEST(Placement, MoreDevicesThanBlocksIsNoError) {
  EXPECT_EQ(indices(shape(2, 96), 8).size(), 2u);
}

TEST(Placement, DevicesAreReadFromText) {
  EXPECT_EQ(Placement::parse("cpu").devices(), std::vector<at::Device>{at::kCPU});
  EXPECT_EQ(Placement::parse("cpu").text(), "cpu");
  EXPECT_EQ(Placement().devices(), std::vector<at::Device>{at::kCPU});
  for (const std::string bad : {"", ",", "cpu,cpu", "meta", "gpu", "cuda:x"})
    EXPECT_THROW(Placement::parse(bad), Error) << bad;
}

TEST(ComputeType, NamesAreReadBack) {
  for (const auto type : {ComputeType::kFloat32, ComputeType::kBfloat16, ComputeType::kFloat16})
    EXPECT_EQ(parse_compute_type(to_string(type)), type);
  EXPECT_EQ(to_string(ModelOptions().dtype), "float32");
}

TEST(DeviceMemory, TheBudgetIsAPowerOfTwoThatFits) {
  constexpr std::int64_t kGiB = std::int64_t{1} << 30;
  EXPECT_EQ(default_token_budget(at::kCPU), 4096);
  EXPECT_EQ(token_budget_for(139 * kGiB), kGpuTokenBudget);
  EXPECT_EQ(token_budget_for(64 * kGiB), kGpuTokenBudget);
  EXPECT_EQ(token_budget_for(63 * kGiB), kGpuTokenBudget / 2);
  EXPECT_EQ(token_budget_for(4 * kGiB), 1024);
  EXPECT_EQ(token_budget_for(0), 1);
}

TEST(DeviceMemory, TheCpuHasNoPlan) {
  EXPECT_FALSE(free_device_bytes(at::kCPU).has_value());
  EXPECT_NO_THROW(require_room_for_weights(std::int64_t{1} << 60, at::TensorOptions(at::kCPU)));
}

}  // namespace
}  // namespace emend
