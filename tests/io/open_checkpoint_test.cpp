#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emend/tensor_file.h"
#include "tests/base/expect_error.h"
#include "tests/base/temp_folder.h"
#include "tests/io/byte_builder.h"

namespace emend {
namespace {

using namespace test;  // builders only
using testing::AllOf;
using testing::HasSubstr;

TEST(OpenCheckpoint, TellsFormatsApartByTheirBytes) {
  const TempFolder folder;
  const auto safe = folder.write("model.safetensors", safetensors("{}"));
  const auto gguf = folder.write("weights.bin", GgufFile{}.bytes());
  EXPECT_EQ(open_checkpoint(safe)->format(), TensorFile::Format::kSafetensors);
  EXPECT_EQ(open_checkpoint(folder.write("other-name", safetensors("{}")))->format(),
            TensorFile::Format::kSafetensors);
  EXPECT_EQ(open_checkpoint(gguf)->format(), TensorFile::Format::kGguf);
  EXPECT_EQ(open_checkpoint(folder.path())->path(), safe);
}

TEST(OpenCheckpoint, SaysWhatTheFileIsInstead) {
  const TempFolder folder;
  const auto refused = [&](std::string_view name, std::string_view bytes) {
    const auto file = folder.write(name, bytes);
    const std::string message = error_of(ErrorKind::kFormat, [&] { open_checkpoint(file); });
    EXPECT_THAT(message, HasSubstr(file.string()));
    return message;
  };
  EXPECT_THAT(refused("a", "version https://git-lfs.github.com/spec/v1\n"), HasSubstr("Git LFS pointer"));
  EXPECT_THAT(refused("b", "PK\x03\x04 and so on"), HasSubstr("PyTorch pickle"));
  EXPECT_THAT(refused("c", "<!DOCTYPE html>"), HasSubstr("web page"));
  EXPECT_THAT(refused("d", "hello, world"),
              AllOf(HasSubstr("neither a safetensors nor a GGUF file"), HasSubstr("\"hello, w\"")));
  EXPECT_THAT(refused("e", ""), HasSubstr("the file is empty"));
  EXPECT_THAT(refused("f.safetensors", "abc"), HasSubstr("header too small"));
  EXPECT_THAT(refused("g", "GGUF"), HasSubstr("in the middle of the version"));
}

TEST(OpenCheckpoint, MissingPathIsNamed) {
  const TempFolder folder;
  EXPECT_THAT(
      error_of(ErrorKind::kIo, [&] { open_checkpoint(folder / "none"); }),
      AllOf(HasSubstr("none"), HasSubstr("no such file or folder; a model is a path on this machine")));
  EXPECT_THAT(error_of(ErrorKind::kIo, [] { open_checkpoint("nobody/no-model"); }),
              AllOf(HasSubstr("cannot read nobody/no-model: no such file or folder (/"),
                    HasSubstr("); a model is a path on this machine, nothing is downloaded")));
}

}  // namespace
}  // namespace emend
