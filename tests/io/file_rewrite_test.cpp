#include "io/file_rewrite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/base/expect_error.h"
#include "tests/base/temp_folder.h"
#include "tests/io/byte_builder.h"

namespace emend {
namespace {

using namespace test;  // builders
using testing::HasSubstr;

std::string joined(const FileRewrite& rewrite) {
  std::string bytes;
  for (const FilePiece& piece : rewrite.pieces())
    bytes.append(reinterpret_cast<const char*>(piece.bytes.data()), piece.bytes.size());
  EXPECT_EQ(bytes.size(), rewrite.size());
  return bytes;
}

std::vector<std::byte> bytes_vector(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::string text_of(const TensorFile& file, const std::string& name) {
  const auto bytes = file.bytes(*file.find(name));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

const std::string kEight = "12345678", kSixteen = "abcdefghijklmnop";

// Names out of order, metadata in the middle, an escape: all to be kept.
std::string safetensors_bytes() {
  const std::string header =
      R"({"b":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]},"__metadata__":{"format":"pt","note":"x\n"},)"
      R"("a":{"data_offsets":[8,24],"shape":[4],"dtype":"F32"}} )";
  return u64(header.size()) + header + kEight + kSixteen;
}

TEST(RewriteSafetensors, ChangesNothingButTheTensorsBytes) {
  const TempFolder folder;
  const auto file = folder.write("m.safetensors", safetensors_bytes());
  const std::string result =
      joined(rewrite_safetensors(file, {{"b", &element_type("F16"), bytes_vector("ABCDEFGH")}}));
  std::string expected = safetensors_bytes();
  expected.replace(expected.size() - 24, 8, "ABCDEFGH");
  EXPECT_EQ(result, expected);
}

TEST(RewriteSafetensors, PiecesSayWhereOldBytesLie) {
  const TempFolder folder;
  const auto file = folder.write("m.safetensors", safetensors_bytes());
  const FileRewrite rewrite =
      rewrite_safetensors(file, {{"b", &element_type("F16"), bytes_vector("ABCDEFGH")}});
  ASSERT_EQ(rewrite.pieces().size(), 3U);
  EXPECT_EQ(rewrite.pieces()[0].old_offset, 0U);
  EXPECT_EQ(rewrite.pieces()[1].old_offset, std::nullopt);
  EXPECT_EQ(rewrite.pieces()[2].old_offset, safetensors_bytes().size() - 16);
}

TEST(RewriteSafetensors, AnotherTypeMovesWhatFollows) {
  const TempFolder folder;
  const auto file = folder.write("m.safetensors", safetensors_bytes());
  const std::string result =
      joined(rewrite_safetensors(file, {{"b", &element_type("F32"), bytes_vector("ABCDEFGHIJKLMNOP")}}));
  const auto rewritten = open_safetensors(folder.write("n.safetensors", result));
  EXPECT_EQ(rewritten->find("b")->type->name, "F32");
  EXPECT_EQ(rewritten->find("b")->shape, (std::vector<std::int64_t>{2, 2}));
  EXPECT_EQ(text_of(*rewritten, "b"), "ABCDEFGHIJKLMNOP");
  EXPECT_EQ(text_of(*rewritten, "a"), kSixteen);
  EXPECT_EQ(rewritten->metadata(), open_safetensors(file)->metadata());
  EXPECT_LT(result.find("\"b\":"), result.find("__metadata__"));
}

TEST(RewriteSafetensors, RefusesWhatDoesNotFit) {
  const TempFolder folder;
  const auto file = folder.write("m.safetensors", safetensors_bytes());
  const auto refused = [&](const NewTensor& tensor) {
    return error_of(ErrorKind::kFormat, [&] { rewrite_safetensors(file, {tensor}); });
  };
  EXPECT_THAT(refused({"c", &element_type("F16"), bytes_vector(kEight)}),
              HasSubstr("there is no tensor \"c\""));
  EXPECT_THAT(refused({"b", &element_type("F32"), bytes_vector(kEight)}),
              HasSubstr("8 bytes do not make F32 [2, 2]"));
  EXPECT_THAT(refused({"b", &element_type("Q8_0"), bytes_vector(kEight)}),
              HasSubstr("safetensors has no type Q8_0"));
}

// Two rows of 32 in F32, something before and behind, a key whose value looks like nothing that we write.
GgufFile gguf_file() {
  GgufFile file;
  file.pairs = {gguf_pair("general.architecture", 8, gguf_string("odd")),
                gguf_pair("x", 7, std::string(1, 1))};
  file.tensors = {gguf_tensor("first", {3}, 0, 0), gguf_tensor("w", {32, 2}, 0, 32),
                  gguf_tensor("last", {1}, 0, 32 + 256)};
  file.data = std::string(12, 'f') + std::string(20, '\0') + std::string(256, 'w') + std::string(4, 'l') +
              std::string(28, '\0');
  return file;
}

TEST(RewriteGguf, OfTheSameTypeChangesTheTensorAlone) {
  const TempFolder folder;
  const auto file = folder.write("m.gguf", gguf_file().bytes());
  std::string expected = gguf_file().bytes();
  expected.replace(expected.size() - 32 - 256, 256, std::string(256, 'W'));
  EXPECT_EQ(joined(rewrite_gguf(file, {{"w", &element_type("F32"), bytes_vector(std::string(256, 'W'))}})),
            expected);
}

TEST(RewriteGguf, OfAnotherTypeKeepsKeysAndTheOthersBytes) {
  for (const auto& [type, size] :
       {std::pair{&element_type("F16"), 128}, std::pair{&element_type("BF16"), 128},
        std::pair{&element_type("Q8_0"), 68}, std::pair{&element_type("Q4_0"), 36},
        std::pair{&element_type("Q4_1"), 40}}) {
    const TempFolder folder;
    const auto file = folder.write("m.gguf", gguf_file().bytes());
    const std::string content(static_cast<std::size_t>(size), 'n');
    const std::string result = joined(rewrite_gguf(file, {{"w", type, bytes_vector(content)}}));
    // Keys and counts are the same bytes; the file ends padded, its offsets are contiguous.
    EXPECT_EQ(result.substr(0, 80), gguf_file().bytes().substr(0, 80));
    EXPECT_EQ(result.size() % 32, 0U);
    const auto rewritten = open_gguf(folder.write("n.gguf", result));
    EXPECT_EQ(text_of(*rewritten, "w"), content);
    EXPECT_EQ(text_of(*rewritten, "first"), std::string(12, 'f'));
    EXPECT_EQ(text_of(*rewritten, "last"), "llll");
    EXPECT_EQ(rewritten->find("w")->type, type);
    EXPECT_EQ(rewritten->gguf_metadata(), open_gguf(file)->gguf_metadata());
    const std::uint64_t begin = rewritten->find("first")->offset;
    EXPECT_EQ(rewritten->find("w")->offset, begin + 32);
    EXPECT_EQ(rewritten->find("last")->offset,
              begin + 32 + (static_cast<std::uint64_t>(size) + 31) / 32 * 32);
  }
}

// Types that no edit can read: a file that holds one is listed, and its bytes are copied.
TEST(RewriteGguf, CarriesTensorsOfEveryTypeThatIsNotRead) {
  int carried = 0;
  for (const ElementType& type : element_types()) {
    if (type.ggml_id < 0 || type.read != nullptr || type.in_safetensors) continue;
    SCOPED_TRACE(type.name);
    ++carried;
    const TempFolder folder;
    const std::string opaque(2 * type.block_bytes, 'o');
    const std::size_t padding = (32 - opaque.size() % 32) % 32;
    GgufFile file = gguf_file();
    file.tensors = {
        gguf_tensor("w", {32, 2}, 0, 0),
        gguf_tensor("opaque", {type.block_elements, 2}, static_cast<std::uint32_t>(type.ggml_id), 256)};
    file.data = std::string(256, 'w') + opaque + std::string(padding, '\0');
    const auto before = folder.write("m.gguf", file.bytes());
    EXPECT_EQ(text_of(*open_gguf(before), "opaque"), opaque);
    const std::string result =
        joined(rewrite_gguf(before, {{"w", &element_type("F16"), bytes_vector(std::string(128, 'n'))}}));
    const auto rewritten = open_gguf(folder.write("n.gguf", result));
    EXPECT_EQ(rewritten->find("opaque")->type, &type);
    EXPECT_EQ(text_of(*rewritten, "opaque"), opaque);
  }
  EXPECT_GE(carried, 12) << "Q8_1, Q8_K, the IQ types, NVFP4, Q1_0, Q2_0";
}

TEST(RewriteGguf, HonoursTheFilesAlignment) {
  const TempFolder folder;
  GgufFile source = gguf_file();
  source.alignment = 64;
  source.pairs.push_back(gguf_pair("general.alignment", 4, u32(64)));
  source.tensors = {gguf_tensor("first", {3}, 0, 0), gguf_tensor("w", {32, 2}, 0, 64),
                    gguf_tensor("last", {1}, 0, 64 + 256)};
  source.data = std::string(12, 'f') + std::string(52, '\0') + std::string(256, 'w') + std::string(4, 'l');
  const auto file = folder.write("m.gguf", source.bytes());
  const std::string result =
      joined(rewrite_gguf(file, {{"w", &element_type("Q8_0"), bytes_vector(std::string(68, 'q'))}}));
  const auto rewritten = open_gguf(folder.write("n.gguf", result));
  EXPECT_EQ(rewritten->find("last")->offset, rewritten->find("first")->offset + 64 + 128);
  EXPECT_EQ(text_of(*rewritten, "last"), "llll");
}

TEST(RewriteGguf, RefusesWhatDoesNotFit) {
  const TempFolder folder;
  const auto file = folder.write("m.gguf", gguf_file().bytes());
  const auto refused = [&](const NewTensor& tensor) {
    return error_of(ErrorKind::kFormat, [&] { rewrite_gguf(file, {tensor}); });
  };
  EXPECT_THAT(refused({"v", &element_type("F16"), {}}), HasSubstr("there is no tensor \"v\""));
  EXPECT_THAT(refused({"first", &element_type("Q8_0"), {}}),
              HasSubstr("rows of 3 elements are no whole number of Q8_0 blocks"));
  EXPECT_THAT(refused({"w", &element_type("F16"), bytes_vector("x")}),
              HasSubstr("1 bytes do not make F16 [2, 32]"));
}

}  // namespace
}  // namespace emend
