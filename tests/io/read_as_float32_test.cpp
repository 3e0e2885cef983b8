#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "emend/tensor_file.h"
#include "tests/base/expect_error.h"
#include "tests/base/temp_folder.h"
#include "tests/io/byte_builder.h"

namespace emend {
namespace {

using namespace test;  // builders only
using testing::AllOf;
using testing::HasSubstr;

TEST(ReadAsFloat32, ThreadsDoNotChangeTheResult) {
  const TempFolder folder;
  constexpr std::size_t kRows = 1021, kColumns = 672;  // neither divides evenly among threads
  std::mt19937 random(3);
  std::string data(kRows * kColumns / 32 * 20, '\0');
  for (char& byte : data) byte = static_cast<char>(random());
  for (std::size_t b = 0; b < data.size(); b += 20) {
    data[b + 1] &= '\xBF';  // finite scales and minima
    data[b + 3] &= '\xBF';
  }
  const auto file = open_gguf(
      folder.write("m.gguf", GgufFile{{}, {gguf_tensor("w", {kColumns, kRows}, 3, 0)}, data}.bytes()));
  const TensorInfo& tensor = file->tensors()[0];
  std::vector<float> alone(kRows * kColumns);
  read_as_float32(*file, tensor, alone);
  for (const int threads : {0, 2, 3, 7, 1000}) {
    std::vector<float> together(alone.size(), -1);
    read_as_float32(*file, tensor, together, threads);
    EXPECT_EQ(std::memcmp(alone.data(), together.data(), 4 * alone.size()), 0) << threads;
  }
}

TEST(ReadAsFloat32, EveryReadableDtypeOfSafetensors) {
  const TempFolder folder;
  const std::string f32 = little(1.5f), f64 = little(-2.0), f16("\x00\x3C", 2), bf16("\x80\x3F", 2);
  write_safetensors(folder / "m.safetensors",
                    {{"f32", "F32", {1}, bytes_of(f32)},
                     {"f64", "F64", {}, bytes_of(f64)},
                     {"f16", "F16", {1, 1}, bytes_of(f16)},
                     {"bf16", "BF16", {1}, bytes_of(bf16)},
                     {"none", "F32", {0}, {}}},
                    {});
  const auto file = open_safetensors(folder / "m.safetensors");
  const auto value = [&](std::string_view name) {
    float out = 0;
    read_as_float32(*file, *file->find(name), {&out, 1});
    return out;
  };
  EXPECT_EQ(value("f32"), 1.5f);
  EXPECT_EQ(value("f64"), -2.0f);
  EXPECT_EQ(value("f16"), 1.0f);
  EXPECT_EQ(value("bf16"), 1.0f);
  read_as_float32(*file, *file->find("none"), {});
}

TEST(ReadAsFloat32, OpaqueTypesAreRefusedByName) {
  const TempFolder folder;
  const auto file = open_gguf(
      folder.write("m.gguf", GgufFile{{}, {gguf_tensor("w", {256}, 17, 0)}, std::string(74, 'x')}.bytes()));
  std::vector<float> out(256);
  EXPECT_THAT(error_of(ErrorKind::kFormat, [&] { read_as_float32(*file, file->tensors()[0], out); }),
              AllOf(HasSubstr("m.gguf"), HasSubstr("tensor \"w\" has the type IQ2_XS, which emend cannot")));
}

TEST(ReadAsFloat32, RoomOfTheWrongSizeIsOurOwnMistake) {
  const TempFolder folder;
  const std::string data(8, '\0');
  write_safetensors(folder / "m.safetensors", {{"a", "F32", {2}, bytes_of(data)}}, {});
  const auto file = open_safetensors(folder / "m.safetensors");
  std::vector<float> out(3);
  EXPECT_THROW(read_as_float32(*file, file->tensors()[0], out), std::invalid_argument);
}

}  // namespace
}  // namespace emend
