#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emend/tensor_file.h"
#include "io/element_types.h"
#include "tests/base/expect_error.h"
#include "tests/base/temp_folder.h"
#include "tests/io/byte_builder.h"

namespace emend {
namespace {

using namespace test;  // builders only
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

std::vector<std::string> names_of(const TensorFile& file) {
  std::vector<std::string> names;
  for (const TensorInfo& tensor : file.tensors()) names.push_back(tensor.name);
  return names;
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(WriteSafetensors, BytesAreThoseOfTheReference) {
  const TempFolder folder;
  const std::string halves = "\x01\x02\x03\x04", byte = "\x09";
  write_safetensors(folder / "m.safetensors",
                    {{"b", "U8", {1}, bytes_of(byte)}, {"a", "F16", {1, 2}, bytes_of(halves)}}, {});
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]},)"
      R"("b":{"dtype":"U8","shape":[1],"data_offsets":[4,5]}})";
  const std::string padding((8 - header.size() % 8) % 8, ' ');
  EXPECT_EQ(read_all(folder / "m.safetensors"),
            u64(header.size() + padding.size()) + header + padding + halves + byte);
}

TEST(WriteSafetensors, EveryDtypeComesBack) {
  const TempFolder folder;
  // Eight elements of each type are whole bytes.
  std::vector<std::string> data;
  for (const ElementType& type : safetensors_types()) {
    data.emplace_back(bits_per_element(type), static_cast<char>('A' + data.size()));
  }
  std::vector<TensorToWrite> tensors;
  for (std::size_t i = 0; i < data.size(); ++i) {
    const std::string name(safetensors_types()[i].name);
    tensors.push_back({"t." + name, name, {2, 1, 4}, bytes_of(data[i])});
  }
  write_safetensors(folder / "m.safetensors", tensors, {{"emend.note", "\"caf\xC3\xA9\"\n"}});

  const auto file = open_safetensors(folder / "m.safetensors");
  EXPECT_EQ(file->format(), TensorFile::Format::kSafetensors);
  EXPECT_EQ(file->path(), folder / "m.safetensors");
  EXPECT_TRUE(file->gguf_metadata().empty());
  EXPECT_THAT(file->metadata(), ElementsAre(Pair("emend.note", "\"caf\xC3\xA9\"\n"), Pair("format", "pt")));
  ASSERT_EQ(file->tensors().size(), tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const TensorInfo* const info = file->find(tensors[i].name);
    ASSERT_NE(info, nullptr) << tensors[i].name;
    EXPECT_EQ(info->type->name, tensors[i].dtype_name);
    EXPECT_EQ(info->shape, tensors[i].shape);
    EXPECT_EQ(text_of(file->bytes(*info)), data[i]);
  }
  EXPECT_EQ(file->find("none"), nullptr);
}

TEST(WriteSafetensors, WideTypesComeFirstThenNames) {
  const TempFolder folder;
  const std::string data(8, 'x');
  const auto bytes = bytes_of(data);
  write_safetensors(folder / "m.safetensors",
                    {{"e", "BOOL", {8}, bytes},
                     {"d", "F16", {4}, bytes},
                     {"c", "BF16", {4}, bytes},
                     {"b", "F32", {2}, bytes},
                     {"a", "F32", {2}, bytes},
                     {"z", "I64", {1}, bytes}},
                    {});
  const auto file = open_safetensors(folder / "m.safetensors");
  EXPECT_THAT(names_of(*file), ElementsAre("z", "a", "b", "c", "d", "e"));
  EXPECT_EQ(file->tensors()[0].offset % 8, 0u);
}

TEST(WriteSafetensors, EmptyTensorsScalarsAndNoTensorsComeBack) {
  const TempFolder folder;
  const std::string one = little(1.5f);
  write_safetensors(folder / "m.safetensors",
                    {{"scalar", "F32", {}, bytes_of(one)}, {"none", "F32", {0, 3}, {}}}, {});
  const auto file = open_safetensors(folder / "m.safetensors");
  EXPECT_EQ(file->find("scalar")->elements(), 1);
  EXPECT_EQ(file->find("none")->elements(), 0);
  EXPECT_TRUE(file->bytes(*file->find("none")).empty());
  write_safetensors(folder / "empty.safetensors", {}, {});
  EXPECT_TRUE(open_safetensors(folder / "empty.safetensors")->tensors().empty());
}

TEST(WriteSafetensors, SameInputSameBytesInAnyOrder) {
  const TempFolder folder;
  const std::string data(8, 'x');
  const TensorToWrite a{"a", "F32", {2}, bytes_of(data)}, b{"b", "I64", {1}, bytes_of(data)};
  write_safetensors(folder / "1", {a, b}, {{"k", "v"}, {"format", "mlx"}});
  write_safetensors(folder / "2", {b, a}, {{"format", "mlx"}, {"k", "v"}});
  EXPECT_EQ(read_all(folder / "1"), read_all(folder / "2"));
  EXPECT_EQ(open_safetensors(folder / "1")->metadata().at("format"), "mlx");
}

TEST(WriteSafetensors, BytesOutliveTheFileObjectThroughTheOwner) {
  const TempFolder folder;
  const std::string data(8, 'x');
  write_safetensors(folder / "m.safetensors", {{"a", "F32", {2}, bytes_of(data)}}, {});
  auto file = open_safetensors(folder / "m.safetensors");
  const auto owner = file->owner();
  const auto bytes = file->bytes(file->tensors()[0]);
  file.reset();
  EXPECT_EQ(text_of(bytes), data);
}

TEST(WriteSafetensors, AFileThatIsOpenCanBeReplaced) {
  const TempFolder folder;
  const std::string old_data(8, 'o'), new_data(16, 'n');
  const auto path = folder / "m.safetensors";
  write_safetensors(path, {{"a", "F32", {2}, bytes_of(old_data)}}, {});
  const auto file = open_safetensors(path);
  write_safetensors(path, {{"a", "F32", {4}, bytes_of(new_data)}}, {});
  EXPECT_EQ(text_of(file->bytes(file->tensors()[0])), old_data);
  EXPECT_EQ(open_safetensors(path)->tensors()[0].elements(), 4);
}

TEST(WriteSafetensors, TensorsOfOtherFilesAreRefused) {
  const TempFolder folder;
  const std::string data(8, 'x');
  write_safetensors(folder / "1", {{"a", "F32", {2}, bytes_of(data)}}, {});
  write_safetensors(folder / "2", {{"a", "F32", {2}, bytes_of(data)}}, {});
  const auto first = open_safetensors(folder / "1"), second = open_safetensors(folder / "2");
  EXPECT_THROW(first->bytes(second->tensors()[0]), std::invalid_argument);
  TensorInfo beyond = first->tensors()[0];
  beyond.offset = UINT64_MAX - 2;
  EXPECT_THROW(first->bytes(beyond), std::invalid_argument);
}

TEST(WriteSafetensors, BadInputIsRefusedAndNothingIsWritten) {
  const TempFolder folder;
  const std::string data(8, 'x');
  const auto bytes = bytes_of(data);
  const auto refused = [&](std::vector<TensorToWrite> tensors, std::map<std::string, std::string> metadata) {
    const std::string message =
        error_of(ErrorKind::kFormat, [&] { write_safetensors(folder / "m.safetensors", tensors, metadata); });
    EXPECT_THAT(message, HasSubstr("m.safetensors"));
    EXPECT_THAT(folder.entries(), IsEmpty());
    return message;
  };
  EXPECT_THAT(refused({{"a", "F32", {3}, bytes}}, {}),
              HasSubstr("tensor \"a\": 8 bytes do not make F32 [3]"));
  EXPECT_THAT(refused({{"a", "F32", {-2}, bytes}}, {}), HasSubstr("negative dimension"));
  EXPECT_THAT(refused({{"a", "F23", {2}, bytes}}, {}), HasSubstr("no dtype \"F23\"; did you mean \"F32\"?"));
  EXPECT_THAT(refused({{"a", "F32", {2}, bytes}, {"a", "F32", {2}, bytes}}, {}),
              HasSubstr("two tensors have the name \"a\""));
  EXPECT_THAT(refused({{"__metadata__", "F32", {2}, bytes}}, {}), HasSubstr("reserved name"));
  EXPECT_THAT(refused({{"\xFF", "F32", {2}, bytes}}, {}), HasSubstr("the name is not UTF-8"));
  EXPECT_THAT(refused({}, {{"k", "\xFF"}}), HasSubstr("the metadata of \"k\" is not UTF-8"));
}

TEST(WriteSafetensors, UnwritableTargetIsNamed) {
  const TempFolder folder;
  folder.write("file", "x");
  const std::string message =
      error_of(ErrorKind::kIo, [&] { write_safetensors(folder / "file/m.safetensors", {}, {}); });
  EXPECT_THAT(message, AllOf(HasSubstr("file/m.safetensors"), HasSubstr("is a file, not a folder")));
}

}  // namespace
}  // namespace emend
