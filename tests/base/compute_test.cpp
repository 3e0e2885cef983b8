#include "emend/compute.h"

#include <gtest/gtest.h>

#include "expect_error.h"

namespace emend {
namespace {

TEST(ComputeType, IsItsTextAndBack) {
  for (const ComputeType type : {ComputeType::kFloat32, ComputeType::kBfloat16, ComputeType::kFloat16}) {
    EXPECT_EQ(find_compute_type(to_string(type)), type);
    EXPECT_EQ(parse_compute_type(to_string(type)), type);
  }
  EXPECT_EQ(to_string(ComputeType::kBfloat16), "bfloat16");
  EXPECT_EQ(to_string_or_empty(ComputeType::kFloat16), "float16");
  EXPECT_EQ(to_string_or_empty(std::nullopt), "");
}

TEST(ComputeType, RefusesOtherTexts) {
  for (const std::string text : {"", "float", "Float32", "float32 "}) {
    EXPECT_EQ(find_compute_type(text), std::nullopt) << text;
    EXPECT_NE(test::error_of(ErrorKind::kUsage, [&] { parse_compute_type(text); }).find("unknown dtype"),
              std::string::npos);
  }
}

TEST(Devices, AreTheirTextAndBack) {
  const DeviceName cpu, gpu{DeviceKind::kCuda}, second{DeviceKind::kCuda, 1};
  EXPECT_EQ(parse_devices("cpu"), std::vector{cpu});
  EXPECT_EQ(parse_devices("cuda"), std::vector{gpu});
  EXPECT_EQ(parse_devices("cuda:1"), std::vector{second});
  EXPECT_EQ(parse_devices("cuda:1,cuda,cpu"), (std::vector{second, gpu, cpu}));
  EXPECT_EQ(parse_devices(""), std::vector<DeviceName>());
  for (const std::string text : {"cpu", "cuda", "cuda:0", "cuda:12", "cuda:0,cuda:1", ""})
    EXPECT_EQ(to_string(parse_devices(text).value()), text);
}

TEST(Devices, AreNoOtherTexts) {
  for (const std::string text : {"gpu", "cpu,", ",cpu", "cpu,,cpu", "cuda:", "cuda:x", "cuda:-1", "cuda:01",
                                 "cuda1", "cuda:1 ", "CPU", "cuda:99999999999", "meta"})
    EXPECT_EQ(parse_devices(text), std::nullopt) << text;
}

}  // namespace
}  // namespace emend
