#include "io/gguf_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/base/expect_error.h"
#include "tests/base/temp_folder.h"
#include "tests/io/byte_builder.h"

namespace emend {
namespace {

using namespace test;  // builders only
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

enum : std::uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64 };
constexpr std::uint32_t kTypeF32 = 0, kTypeQ4_1 = 3, kTypeIq2Xs = 17;

GgufHeader parse(std::string_view file) {
  return parse_gguf_header(bytes_of(file), "m.gguf");
}

// The message with which a file is refused; it must begin with the file's name.
std::string refused(std::string_view file) {
  const std::string message = error_of(ErrorKind::kFormat, [&] { parse(file); });
  EXPECT_THAT(message, StartsWith("m.gguf: "));
  return message;
}

std::string refused_pair(const std::string& pair) {
  return refused(GgufFile{{pair}, {}, ""}.bytes());
}
std::string refused_tensor(const std::string& record) {
  return refused(GgufFile{{}, {record}, std::string(64, 'x')}.bytes());
}

std::string array(std::uint32_t type, std::uint64_t count, std::string_view elements) {
  return u32(type) + u64(count) + std::string(elements);
}

// One of everything.
GgufFile sample() {
  GgufFile file;
  file.pairs = {gguf_pair("general.architecture", kString, gguf_string("llama")),
                gguf_pair("u8", kU8, "\xFF"),
                gguf_pair("i8", kI8, "\xFF"),
                gguf_pair("u16", kU16, "\x01\x02"),
                gguf_pair("i16", kI16, "\xFE\xFF"),
                gguf_pair("u32", kU32, u32(4'000'000'000)),
                gguf_pair("i32", kI32, little(-7)),
                gguf_pair("f32", kF32, little(0.5f)),
                gguf_pair("yes", kBool, "\x01"),
                gguf_pair("u64", kU64, u64(1ull << 40)),
                gguf_pair("i64", kI64, little(std::int64_t{-1})),
                gguf_pair("f64", kF64, little(0.1)),
                gguf_pair("numbers", kArray, array(kI32, 2, little(3) + little(-4))),
                gguf_pair("floats", kArray, array(kF32, 1, little(1.5f))),
                gguf_pair("flags", kArray, array(kBool, 2, std::string("\x01\x00", 2))),
                gguf_pair("tokens", kArray, array(kString, 2, gguf_string("a") + gguf_string(""))),
                gguf_pair("nothing", kArray, array(kString, 0, ""))};
  file.tensors = {gguf_tensor("w", {2, 3}, kTypeF32, 0), gguf_tensor("q", {32, 2}, kTypeQ4_1, 32)};
  file.data = std::string(32 + 40, 'x');
  return file;
}

template <typename Value>
Value value_of(const GgufHeader& header, const std::string& key) {
  return std::get<Value>(header.metadata.at(key));
}

TEST(GgufHeader, ReadsEveryKindOfValue) {
  const GgufHeader header = parse(sample().bytes());
  EXPECT_EQ(header.version, 3u);
  EXPECT_EQ(value_of<std::string>(header, "general.architecture"), "llama");
  EXPECT_EQ(value_of<std::int64_t>(header, "u8"), 255);
  EXPECT_EQ(value_of<std::int64_t>(header, "i8"), -1);
  EXPECT_EQ(value_of<std::int64_t>(header, "u16"), 0x0201);
  EXPECT_EQ(value_of<std::int64_t>(header, "i16"), -2);
  EXPECT_EQ(value_of<std::int64_t>(header, "u32"), 4'000'000'000);
  EXPECT_EQ(value_of<std::int64_t>(header, "i32"), -7);
  EXPECT_EQ(value_of<double>(header, "f32"), 0.5);
  EXPECT_EQ(value_of<bool>(header, "yes"), true);
  EXPECT_EQ(value_of<std::int64_t>(header, "u64"), 1ll << 40);
  EXPECT_EQ(value_of<std::int64_t>(header, "i64"), -1);
  EXPECT_EQ(value_of<double>(header, "f64"), 0.1);
  EXPECT_THAT(value_of<std::vector<std::int64_t>>(header, "numbers"), ElementsAre(3, -4));
  EXPECT_THAT(value_of<std::vector<double>>(header, "floats"), ElementsAre(1.5));
  EXPECT_EQ(value_of<std::vector<bool>>(header, "flags"), (std::vector<bool>{true, false}));
  EXPECT_THAT(value_of<std::vector<std::string>>(header, "tokens"), ElementsAre("a", ""));
  EXPECT_TRUE(value_of<std::vector<std::string>>(header, "nothing").empty());
}

TEST(GgufHeader, TensorsComeOutermostFirstWithFileOffsets) {
  const std::string bytes = sample().bytes();
  const GgufHeader header = parse(bytes);
  ASSERT_EQ(header.tensors.size(), 2u);
  const TensorInfo& w = header.tensors[0];
  EXPECT_EQ(w.name, "w");
  EXPECT_EQ(w.shape, (std::vector<std::int64_t>{3, 2}));
  EXPECT_EQ(w.type, &element_type("F32"));
  EXPECT_EQ(w.bytes, 24u);
  EXPECT_EQ(w.offset, header.data_begin);
  const TensorInfo& q = header.tensors[1];
  EXPECT_EQ(q.type->name, "Q4_1");
  EXPECT_EQ(q.bytes, 40u);
  EXPECT_EQ(q.offset + q.bytes, bytes.size());
  EXPECT_EQ(header.data_begin % 32, 0u);
}

TEST(GgufHeader, VersionTwoAndOtherAlignmentsAreRead) {
  GgufFile file = sample();
  file.pairs.push_back(gguf_pair("general.alignment", kU32, u32(8)));
  file.alignment = 8;
  std::string bytes = file.bytes();
  EXPECT_EQ(parse(bytes).alignment, 8u);
  EXPECT_EQ(parse(bytes).data_begin % 8, 0u);
  bytes[4] = 2;
  EXPECT_EQ(parse(bytes).version, 2u);
}

TEST(GgufHeader, GapsAndAnyOrderAreAccepted) {
  GgufFile file;
  file.tensors = {gguf_tensor("a", {1}, kTypeF32, 96), gguf_tensor("b", {1}, kTypeF32, 0)};
  file.data = std::string(100, 'x');
  EXPECT_EQ(parse(file.bytes()).tensors.size(), 2u);
}

TEST(GgufHeader, TypesThatAreNotReadAreListed) {
  GgufFile file;
  file.tensors = {gguf_tensor("k", {256, 2}, kTypeIq2Xs, 0)};
  file.data = std::string(148, 'x');
  const GgufHeader header = parse(file.bytes());
  EXPECT_EQ(header.tensors[0].type->read, nullptr);
  EXPECT_EQ(header.tensors[0].type->name, "IQ2_XS");
  EXPECT_EQ(header.tensors[0].bytes, 148u);
}

TEST(GgufHeader, ScalarsAndEmptyTensorsAreRead) {
  GgufFile file;
  file.tensors = {gguf_tensor("scalar", {}, kTypeF32, 0), gguf_tensor("none", {0, 4}, kTypeF32, 0)};
  file.data = std::string(4, 'x');
  const GgufHeader header = parse(file.bytes());
  EXPECT_EQ(header.tensors[0].elements(), 1);
  EXPECT_EQ(header.tensors[1].elements(), 0);
}

TEST(GgufHeader, MagicAndVersionAreChecked) {
  std::string bytes = GgufFile{}.bytes();
  EXPECT_NO_THROW(parse(bytes));
  EXPECT_THAT(refused("GGML" + bytes.substr(4)), HasSubstr("not a GGUF file: it begins with \"GGML\""));
  EXPECT_THAT(refused("GGUF" + u32(1) + bytes.substr(8)), HasSubstr("GGUF version 1; emend reads 2 and 3"));
  EXPECT_THAT(refused("GGUF" + u32(4) + bytes.substr(8)), HasSubstr("GGUF version 4"));
  EXPECT_THAT(refused("GGUF" + u32(0) + bytes.substr(8)), HasSubstr("GGUF version 0"));
  EXPECT_THAT(refused("GGUF" + u32(3u << 24) + bytes.substr(8)), HasSubstr("big-endian"));
}

TEST(GgufHeader, AFileIsKnownByItsFirstBytes) {
  const TempFolder folder;
  EXPECT_TRUE(is_gguf_file(folder.write("blob", GgufFile{}.bytes())));
  for (const std::string other : {"", "GGU", "GGML and more", "{}"})
    EXPECT_FALSE(is_gguf_file(folder.write("x.gguf", other))) << other;
  EXPECT_FALSE(is_gguf_file(folder.path()));
  EXPECT_FALSE(is_gguf_file(folder / "none.gguf"));
  EXPECT_FALSE(is_gguf_file(""));
}

TEST(GgufHeader, CountsAreHeldAgainstTheFile) {
  EXPECT_THAT(refused("GGUF" + u32(3) + u64(UINT64_MAX) + u64(0)),
              HasSubstr("the number of tensors at byte 8 claims"));
  EXPECT_THAT(refused("GGUF" + u32(3) + u64(0) + u64(1ull << 60)),
              HasSubstr("the number of metadata pairs at byte 16"));
  EXPECT_THAT(refused_pair(u64(UINT64_MAX)), HasSubstr("the number of metadata pairs"));
  EXPECT_THAT(refused_pair(u64(1ull << 62) + std::string(64, 'x')), HasSubstr("the key of metadata pair 0"));
  EXPECT_THAT(refused_pair(gguf_pair("k", kString, u64(1ull << 62))),
              AllOf(HasSubstr("the metadata value of \"k\""), HasSubstr("claims 4611686018427387904")));
  EXPECT_THAT(refused_pair(gguf_pair("k", kArray, array(kU8, 1ull << 40, ""))),
              HasSubstr("claims 1099511627776"));
  EXPECT_THAT(refused_pair(gguf_pair("k", kArray, array(kF64, UINT64_MAX / 8 + 1, ""))), HasSubstr("\"k\""));
  EXPECT_THAT(refused_pair(gguf_pair("k", kArray, array(kString, 1000, ""))), HasSubstr("claims 1000 items"));
}

TEST(GgufHeader, KeysMustBeUniqueNames) {
  const std::string pair = gguf_pair("k", kU8, "\x01");
  EXPECT_THAT(refused(GgufFile{{pair, pair}, {}, ""}.bytes()),
              HasSubstr("the metadata key \"k\" is there twice"));
  EXPECT_THAT(refused_pair(gguf_pair("", kU8, "\x01")), HasSubstr("is not a name"));
  EXPECT_THAT(refused_pair(gguf_pair("\xFF", kU8, "\x01")),
              HasSubstr("the metadata key \"\\xFF\" is not a name"));
}

TEST(GgufHeader, ValuesMustBeOfKnownTypes) {
  EXPECT_THAT(refused_pair(gguf_pair("k", 13, "\x01")), HasSubstr("\"k\" has the unknown value type 13"));
  EXPECT_THAT(refused_pair(gguf_pair("k", kArray, array(13, 1, "\x01"))),
              HasSubstr("unknown element type 13"));
  EXPECT_THAT(refused_pair(gguf_pair("k", kArray, array(kArray, 1, array(kU8, 1, "\x01")))),
              HasSubstr("array of arrays"));
  EXPECT_THAT(refused_pair(gguf_pair("k", kBool, "\x02")),
              HasSubstr("\"k\" must be a boolean (0 or 1), found 2"));
  EXPECT_THAT(refused_pair(gguf_pair("k", kU64, u64(1ull << 63))),
              HasSubstr("\"k\" holds 9223372036854775808, more than 2^63 - 1"));
}

TEST(GgufHeader, AlignmentMustBeAPowerOfTwo) {
  EXPECT_THAT(refused_pair(gguf_pair("general.alignment", kU32, u32(48))),
              HasSubstr("a power of two, found 48"));
  EXPECT_THAT(refused_pair(gguf_pair("general.alignment", kU32, u32(0))),
              HasSubstr("a power of two, found 0"));
  EXPECT_THAT(refused_pair(gguf_pair("general.alignment", kU64, u64(32))), HasSubstr("must be a u32"));
}

TEST(GgufHeader, OnePartOfASplitModelIsAFileLikeAnyOther) {
  for (const char parts : {'\x01', '\x03'})
    EXPECT_NO_THROW(
        parse(GgufFile{{gguf_pair("split.count", kU16, std::string{parts, '\0'})}, {}, ""}.bytes()));
}

TEST(GgufHeader, TensorNamesMustBeUniqueAndShort) {
  const std::string record = gguf_tensor("w", {}, kTypeF32, 0);
  EXPECT_THAT(
      refused(GgufFile{{}, {record, gguf_tensor("w", {}, kTypeF32, 32)}, std::string(64, 'x')}.bytes()),
      HasSubstr("two tensors have the name \"w\""));
  EXPECT_NO_THROW(parse(GgufFile{{}, {gguf_tensor(std::string(63, 'n'), {}, kTypeF32, 0)}, "1234"}.bytes()));
  EXPECT_THAT(refused_tensor(gguf_tensor(std::string(64, 'n'), {}, kTypeF32, 0)),
              HasSubstr("longer than 63 bytes"));
  EXPECT_THAT(refused_tensor(gguf_tensor("\xFF", {}, kTypeF32, 0)), HasSubstr("the name is not UTF-8"));
}

TEST(GgufHeader, ShapesAreChecked) {
  EXPECT_THAT(refused_tensor(gguf_tensor("w", {1, 1, 1, 1, 1}, kTypeF32, 0)),
              HasSubstr("\"w\" has 5 dimensions; GGUF allows 4"));
  EXPECT_THAT(refused_tensor(gguf_tensor("w", {1ull << 32, 1ull << 32}, kTypeF32, 0)),
              HasSubstr("\"w\": the shape [4294967296, 4294967296] overflows"));
  EXPECT_THAT(refused_tensor(gguf_tensor("w", {1ull << 62}, kTypeF32, 0)), HasSubstr("overflows"));
  EXPECT_THAT(refused_tensor(gguf_tensor("w", {1ull << 63}, kTypeF32, 0)),
              HasSubstr("the shape of tensor \"w\" holds"));
  EXPECT_THAT(refused_tensor(gguf_tensor("w", {33, 32}, kTypeQ4_1, 0)),
              HasSubstr("\"w\": rows of 33 elements are no whole number of Q4_1 blocks of 32"));
  EXPECT_THAT(refused_tensor(gguf_tensor("w", {}, kTypeQ4_1, 0)), HasSubstr("rows of 1 elements"));
}

TEST(GgufHeader, TypesMustBeKnown) {
  EXPECT_THAT(refused_tensor(gguf_tensor("w", {32}, 4, 0)),
              HasSubstr("\"w\" has the ggml type 4, which emend does not know"));
  EXPECT_THAT(refused_tensor(gguf_tensor("w", {32}, 0xFFFFFFFF, 0)), HasSubstr("the ggml type 4294967295"));
}

TEST(GgufHeader, OffsetsMustLieInTheFile) {
  EXPECT_THAT(refused_tensor(gguf_tensor("w", {1}, kTypeF32, 4)),
              HasSubstr("\"w\": the offset 4 is no multiple of the alignment 32"));
  EXPECT_THAT(
      refused_tensor(gguf_tensor("w", {17}, kTypeF32, 0)),
      HasSubstr("\"w\": 68 bytes at offset 0 reach beyond the data section of 64 bytes (truncated?)"));
  EXPECT_THAT(refused_tensor(gguf_tensor("w", {1}, kTypeF32, 64)), HasSubstr("reach beyond"));
  EXPECT_THAT(refused_tensor(gguf_tensor("w", {1}, kTypeF32, UINT64_MAX - 31)), HasSubstr("reach beyond"));
}

TEST(GgufHeader, TensorsMustNotOverlap) {
  GgufFile file;
  file.tensors = {gguf_tensor("a", {1}, kTypeF32, 32), gguf_tensor("b", {9}, kTypeF32, 0)};
  file.data = std::string(64, 'x');
  EXPECT_THAT(refused(file.bytes()), HasSubstr("the tensors \"b\" and \"a\" overlap"));
  file.tensors = {gguf_tensor("a", {1}, kTypeF32, 0), gguf_tensor("b", {1}, kTypeF32, 0)};
  EXPECT_THAT(refused(file.bytes()), HasSubstr("overlap"));
}

TEST(GgufHeader, EveryPrefixIsRefused) {
  const std::string bytes = sample().bytes();
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const std::string prefix = bytes.substr(0, length);  // a copy, so that reading beyond it is seen
    ASSERT_FALSE(refused(prefix).empty()) << length;
  }
}

// Any change either still reads, with every tensor inside the file, or is an Error(kFormat).
TEST(GgufHeader, FlippedBytesNeverCrash) {
  const std::string file = sample().bytes();
  std::mt19937 random(20240502);
  int read = 0;
  for (int round = 0; round < 30'000; ++round) {
    std::string broken = file;
    for (unsigned flips = 1 + random() % 3; flips > 0; --flips) {
      broken[random() % broken.size()] = static_cast<char>(random());
    }
    try {
      for (const TensorInfo& tensor : parse(broken).tensors) {
        ASSERT_LE(tensor.offset, broken.size());
        ASSERT_LE(tensor.bytes, broken.size() - tensor.offset);
      }
      ++read;
    } catch (const Error& error) {
      ASSERT_EQ(error.kind(), ErrorKind::kFormat);
    }
  }
  EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace emend
