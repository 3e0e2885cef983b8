#include "io/gguf_split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "io/file_rewrite.h"
#include "tests/base/expect_error.h"
#include "tests/base/temp_folder.h"
#include "tests/io/byte_builder.h"

namespace emend {
namespace {

using namespace test;  // builders only
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint32_t kU16 = 2, kI32 = 5, kText = 8, kTypeF32 = 0;

// What a shard says of itself; -1: nothing.
struct Shard {
  int number = 0, count = 3, tensors_count = 3;
  std::vector<std::string> tensors;  // each one float: the first letter of its name
};

std::string shard_bytes(const Shard& shard) {
  GgufFile file;
  if (shard.number == 0) file.pairs.push_back(gguf_pair("general.architecture", kText, gguf_string("llama")));
  if (shard.number >= 0)
    file.pairs.push_back(gguf_pair("split.no", kU16, little(static_cast<std::uint16_t>(shard.number))));
  if (shard.count >= 0)
    file.pairs.push_back(gguf_pair("split.count", kU16, little(static_cast<std::uint16_t>(shard.count))));
  if (shard.tensors_count >= 0)
    file.pairs.push_back(gguf_pair("split.tensors.count", kI32, little(std::int32_t{shard.tensors_count})));
  for (const std::string& name : shard.tensors) {
    file.tensors.push_back(gguf_tensor(name, {8}, kTypeF32, file.data.size()));
    file.data += std::string(32, name.front());
  }
  return file.bytes();
}

// The first shard holds keys only, as llama-gguf-split may write it.
class SplitModel {
 public:
  SplitModel() {
    write(1, {0, 3, 3, {}});
    write(2, {1, 3, 3, {"b", "a"}});
    write(3, {2, 3, 3, {"c"}});
  }
  std::filesystem::path path(int number) const {
    return folder_ / ("m-0000" + std::to_string(number) + "-of-00003.gguf");
  }
  void write(int number, const Shard& shard) {
    folder_.write(path(number).filename().string(), shard_bytes(shard));
  }
  const TempFolder& folder() const { return folder_; }
  std::string refused(ErrorKind kind = ErrorKind::kFormat) const {
    return error_of(kind, [&] { open_gguf(path(1)); });
  }

 private:
  TempFolder folder_;
};

std::string text_of(const TensorFile& file, const std::string& name) {
  const auto bytes = file.bytes(*file.find(name));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(GgufSplit, AnyShardOpensTheWholeModel) {
  const SplitModel model;
  for (const int given : {1, 2, 3}) {
    const auto file = open_checkpoint(model.path(given));
    EXPECT_EQ(file->path(), model.path(given));
    EXPECT_EQ(std::get<std::string>(file->gguf_metadata().at("general.architecture")), "llama");
    std::vector<std::string> names;
    for (const TensorInfo& tensor : file->tensors()) names.push_back(tensor.name);
    EXPECT_THAT(names, ElementsAre("b", "a", "c"));
    EXPECT_EQ(text_of(*file, "a"), std::string(32, 'a'));
    EXPECT_EQ(text_of(*file, "c"), std::string(32, 'c'));
    EXPECT_EQ(file->find("c")->file, model.path(3));
  }
}

TEST(GgufSplit, AModelInOneFileNeedsNoName) {
  const TempFolder folder;
  for (const int count : {-1, 0, 1}) {
    const auto path = folder.write("any.gguf", shard_bytes({0, count, -1, {"a"}}));
    EXPECT_EQ(open_gguf(path)->tensors().size(), 1U);
    EXPECT_THAT(gguf_shards(path), ElementsAre(path));
  }
}

TEST(GgufSplit, AMissingShardIsNamed) {
  const SplitModel model;
  std::filesystem::remove(model.path(2));
  EXPECT_THAT(model.refused(ErrorKind::kIo),
              AllOf(HasSubstr("m-00001-of-00003.gguf"),
                    HasSubstr("the shard m-00002-of-00003.gguf of this split model is missing")));
}

TEST(GgufSplit, ARenamedShardIsToldItsName) {
  const SplitModel model;
  const auto other = model.folder().write("model.gguf", shard_bytes({1, 3, 3, {"b", "a"}}));
  EXPECT_THAT(error_of(ErrorKind::kFormat, [&] { open_gguf(other); }),
              HasSubstr("part 2 of 3 of a split model, so its name must end with -00002-of-00003.gguf"));
}

TEST(GgufSplit, PartsMustBelongTogether) {
  SplitModel model;
  model.write(3, {1, 3, 3, {"c"}});
  EXPECT_THAT(model.refused(), AllOf(HasSubstr("m-00003-of-00003.gguf"),
                                     HasSubstr("expected part 3 of 3 of a split model, found part 2 of 3")));
  model.write(3, {2, 4, 3, {"c"}});
  EXPECT_THAT(model.refused(), HasSubstr("expected part 3 of 3 of a split model, found part 3 of 4"));
  model.write(3, {-1, -1, -1, {"c"}});
  EXPECT_THAT(model.refused(), HasSubstr("expected part 3 of 3 of a split model, found part 1 of 1"));
  model.write(1, {3, 3, 3, {}});
  EXPECT_THAT(model.refused(), HasSubstr("split.no is no number from 0 to 2"));
}

TEST(GgufSplit, TensorsAreCounted) {
  SplitModel model;
  model.write(3, {2, 3, 4, {"c"}});
  EXPECT_THAT(model.refused(), AllOf(HasSubstr("m-00003-of-00003.gguf"),
                                     HasSubstr("hold 3 tensors, but split.tensors.count says 4")));
}

TEST(GgufSplit, ATensorInTwoShardsIsRefused) {
  SplitModel model;
  model.write(3, {2, 3, 3, {"a"}});
  EXPECT_THAT(model.refused(), AllOf(HasSubstr("m-00003-of-00003.gguf"),
                                     HasSubstr("tensor \"a\" is also in the shard m-00002-of-00003.gguf")));
}

TEST(GgufSplit, ARewrittenShardStillBelongsToItsModel) {
  SplitModel model;
  const auto tensor = std::vector<std::byte>(16, std::byte{7});
  const FileRewrite rewrite = rewrite_gguf(model.path(2), {{"a", &element_type("F16"), tensor}});
  std::string bytes;
  for (const FilePiece& piece : rewrite.pieces())
    bytes.append(reinterpret_cast<const char*>(piece.bytes.data()), piece.bytes.size());
  model.folder().write(model.path(2).filename().string(), bytes);
  const auto file = open_gguf(model.path(1));
  EXPECT_EQ(file->find("a")->type->name, "F16");
  EXPECT_EQ(text_of(*file, "a"), std::string(16, '\7'));
  EXPECT_EQ(text_of(*file, "b"), std::string(32, 'b'));
}

}  // namespace
}  // namespace emend
