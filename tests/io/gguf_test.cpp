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

TEST(OpenGguf, GivesTensorsAndMetadata) {
  const TempFolder folder;
  const auto path = folder.write("m.gguf", GgufFile{{gguf_pair("general.name", 8, gguf_string("tiny"))},
                                                    {gguf_tensor("w", {2}, 0, 0)},
                                                    little(1.5f) + little(-2.0f)}
                                               .bytes());
  const auto file = open_gguf(path);
  EXPECT_EQ(file->format(), TensorFile::Format::kGguf);
  EXPECT_EQ(file->path(), path);
  EXPECT_TRUE(file->metadata().empty());
  EXPECT_EQ(std::get<std::string>(file->gguf_metadata().at("general.name")), "tiny");
  const TensorInfo* const w = file->find("w");
  ASSERT_NE(w, nullptr);
  EXPECT_EQ(w->file, path);
  std::vector<float> values(2);
  read_as_float32(*file, *w, values);
  EXPECT_EQ(values, (std::vector<float>{1.5f, -2.0f}));
  EXPECT_EQ(file->find("v"), nullptr);
}

// The header's end is not aligned, and nothing follows: the data section has no bytes and no place.
TEST(OpenGguf, AnEmptyTensorOfAFileWithoutDataIsEmpty) {
  const TempFolder folder;
  const std::string record = gguf_tensor("empty", {0}, 0, 0);
  const std::string padded = GgufFile{{}, {record}, ""}.bytes();
  const std::string bytes = padded.substr(0, 24 + record.size());  // magic, version, two counts, the record
  ASSERT_LT(bytes.size(), padded.size());
  const auto path = folder.write("m.gguf", bytes);
  const auto file = open_gguf(path);
  EXPECT_TRUE(file->bytes(*file->find("empty")).empty());
}

TEST(OpenGguf, BrokenAndMissingFilesAreNamed) {
  const TempFolder folder;
  const auto path = folder.write("m.gguf", "GGUF and nothing more");
  EXPECT_THAT(error_of(ErrorKind::kFormat, [&] { open_gguf(path); }), HasSubstr(path.string()));
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { open_gguf(folder / "none.gguf"); }), HasSubstr("none.gguf"));
}

}  // namespace
}  // namespace emend
