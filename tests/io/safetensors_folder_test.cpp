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
using testing::StartsWith;

constexpr const char* kIndex = "model.safetensors.index.json";

// A shard with one F32 tensor of one element.
std::string shard(std::string_view name, std::string_view note = "") {
  return safetensors(R"({"__metadata__":{"note":")" + std::string(note) + R"("},")" + std::string(name) +
                         R"(":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                     4);
}

std::string index_of(std::string_view members) {
  return R"({"metadata":{"total_size":8},"weight_map":{)" + std::string(members) + "}}";
}

class ShardedFolder : public testing::Test {
 protected:
  ShardedFolder() {
    folder_.write("model-00001-of-00002.safetensors", shard("a", "first"));
    folder_.write("model-00002-of-00002.safetensors", shard("b", "second"));
    write_index(R"("a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors")");
  }
  void write_index(std::string_view members) const { folder_.write(kIndex, index_of(members)); }
  std::string refused(ErrorKind kind = ErrorKind::kFormat) const {
    return error_of(kind, [&] { open_safetensors_folder(folder_.path()); });
  }

  const TempFolder folder_;
};

TEST_F(ShardedFolder, ShardsMakeOneFile) {
  const auto file = open_safetensors_folder(folder_.path());
  ASSERT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->tensors()[0].name, "a");
  EXPECT_EQ(file->tensors()[1].file, folder_ / "model-00002-of-00002.safetensors");
  EXPECT_EQ(file->metadata().at("note"), "first");
  EXPECT_EQ(file->path(), folder_.path());
  EXPECT_EQ(file->bytes(*file->find("b")).size(), 4u);
}

TEST_F(ShardedFolder, TheSingleFileComesFirst) {
  folder_.write("model.safetensors", shard("whole"));
  EXPECT_NE(open_safetensors_folder(folder_.path())->find("whole"), nullptr);
}

TEST_F(ShardedFolder, ATensorThatTheIndexAloneKnowsIsNotThere) {
  write_index(R"("a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors",)"
              R"("c":"model-00002-of-00002.safetensors")");
  const auto file = open_safetensors_folder(folder_.path());
  EXPECT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->find("c"), nullptr);
}

TEST_F(ShardedFolder, TensorsAreTakenFromTheShardThatHoldsThem) {
  write_index(R"("a":"model-00002-of-00002.safetensors","b":"model-00001-of-00002.safetensors")");
  const auto file = open_safetensors_folder(folder_.path());
  EXPECT_EQ(file->find("a")->file, folder_ / "model-00001-of-00002.safetensors");
  EXPECT_EQ(file->find("b")->file, folder_ / "model-00002-of-00002.safetensors");
}

TEST_F(ShardedFolder, ATensorInTwoShardsWithTheSameBytesIsOne) {
  folder_.write("model-00002-of-00002.safetensors", shard("a"));
  const auto file = open_safetensors_folder(folder_.path());
  ASSERT_EQ(file->tensors().size(), 1u);
  EXPECT_EQ(file->tensors()[0].file, folder_ / "model-00001-of-00002.safetensors");
}

TEST_F(ShardedFolder, ATensorInTwoShardsWithOtherBytes) {
  std::string other = shard("a");
  other.back() ^= 1;
  folder_.write("model-00002-of-00002.safetensors", other);
  EXPECT_THAT(refused(), AllOf(HasSubstr("model-00002-of-00002.safetensors: tensor \"a\""),
                               HasSubstr("also in the shard model-00001-of-00002.safetensors")));
}

TEST_F(ShardedFolder, ShardMissing) {
  std::filesystem::remove(folder_ / "model-00002-of-00002.safetensors");
  EXPECT_THAT(refused(ErrorKind::kIo),
              AllOf(HasSubstr(kIndex), HasSubstr("the shard model-00002-of-00002.safetensors is missing")));
}

TEST_F(ShardedFolder, ShardBroken) {
  folder_.write("model-00002-of-00002.safetensors", shard("b") + "x");
  EXPECT_THAT(refused(), AllOf(HasSubstr("model-00002-of-00002.safetensors: "), HasSubstr("belong to none")));
}

TEST_F(ShardedFolder, ShardNamesMustBePlain) {
  for (const char* name :
       {"../x.safetensors", "/etc/passwd", "sub/x", "..", ".", "", "a\\\\b", "a\\u0000b"}) {
    write_index(R"("a":")" + std::string(name) + "\"");
    EXPECT_THAT(refused(), AllOf(HasSubstr("the shard of \"a\""), HasSubstr("plain name"))) << name;
  }
}

TEST_F(ShardedFolder, IndexMustBeWhatItShouldBe) {
  folder_.write(kIndex, "{\n\"weight_map\": [}");
  EXPECT_THAT(refused(), HasSubstr(std::string(kIndex) + ":2:16: not valid JSON"));
  folder_.write(kIndex, "{}");
  EXPECT_THAT(refused(), HasSubstr("\"weight_map\" is missing"));
  folder_.write(kIndex, R"({"weight_map": 3})");
  EXPECT_THAT(refused(), HasSubstr("\"weight_map\" must be an object, found 3"));
  folder_.write(kIndex, R"({"weight_map": {}})");
  EXPECT_THAT(refused(), HasSubstr("names no tensor"));
  write_index(R"("a":7)");
  EXPECT_THAT(refused(), HasSubstr("\"weight_map.a\" must be a string, found 7"));
  write_index(R"("a":"x","a":"y")");
  EXPECT_THAT(refused(), HasSubstr("the key \"a\" is there twice"));
  folder_.write(kIndex, "");
  EXPECT_THAT(refused(), HasSubstr(kIndex));
}

TEST(SafetensorsFolder, WithoutACheckpointSaysWhatIsThere) {
  const TempFolder folder;
  const auto refused = [&] {
    return error_of(ErrorKind::kIo, [&] { open_safetensors_folder(folder.path()); });
  };
  EXPECT_THAT(refused(), AllOf(StartsWith(folder.path().string()),
                               HasSubstr("neither model.safetensors nor model.safetensors.index.json")));
  folder.write("q4.gguf", "x");
  EXPECT_THAT(refused(), HasSubstr("name the file itself to open q4.gguf"));
  folder.write("pytorch_model.bin", "x");
  EXPECT_THAT(refused(), HasSubstr("pytorch_model.bin looks like a PyTorch pickle"));
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { open_safetensors_folder(folder / "none"); }), HasSubstr("none"));
}

}  // namespace
}  // namespace emend
