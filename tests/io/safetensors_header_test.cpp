#include "io/safetensors_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/base/expect_error.h"
#include "tests/io/byte_builder.h"

namespace emend {
namespace {

using namespace test;  // builders only
using testing::AllOf;
using testing::HasSubstr;
using testing::Pair;
using testing::StartsWith;
using testing::UnorderedElementsAre;

SafetensorsHeader parse(std::string_view file) {
  return parse_safetensors_header(bytes_of(file), "m.safetensors");
}

// The message with which a file is refused; it must begin with the file's name.
std::string refused(std::string_view file) {
  const std::string message = error_of(ErrorKind::kFormat, [&] { parse(file); });
  EXPECT_THAT(message, StartsWith("m.safetensors: "));
  return message;
}

// A file with the tensor "a" of this record in front of 4 bytes of data.
std::string refused_record(std::string_view record) {
  const std::string message = refused(safetensors("{\"a\":" + std::string(record) + "}", 4));
  EXPECT_THAT(message, HasSubstr("\"a\""));
  return message;
}

constexpr const char* kGood = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";

TEST(SafetensorsHeader, ReadsRecordsInTheOrderOfTheirBytes) {
  const auto header = parse(safetensors(R"({"b":{"dtype":"BF16","shape":[1,2],"data_offsets":[4,8]},)"
                                        R"("a":{"data_offsets":[0,4],"shape":[],"dtype":"F32"}}   )",
                                        8));
  ASSERT_EQ(header.tensors.size(), 2u);
  const TensorInfo& a = header.tensors[0];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.type, &element_type("F32"));
  EXPECT_TRUE(a.shape.empty());
  EXPECT_EQ(a.elements(), 1);
  EXPECT_EQ(a.offset, header.data_begin);
  EXPECT_EQ(a.bytes, 4u);
  EXPECT_EQ(a.file, "m.safetensors");
  const TensorInfo& b = header.tensors[1];
  EXPECT_EQ(b.shape, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(b.offset, header.data_begin + 4);
}

TEST(SafetensorsHeader, AFileWithoutTensorsIsFine) {
  EXPECT_TRUE(parse(safetensors("{}")).tensors.empty());
}

TEST(SafetensorsHeader, EmptyTensorsShareABoundary) {
  const auto header = parse(safetensors(R"({"z":{"dtype":"F32","shape":[0,7],"data_offsets":[4,4]},)"
                                        R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                                        R"("y":{"dtype":"I64","shape":[0],"data_offsets":[0,0]}})",
                                        4));
  ASSERT_EQ(header.tensors.size(), 3u);
  EXPECT_EQ(header.tensors[0].name, "y");
  EXPECT_EQ(header.tensors[0].type->read, nullptr);
  EXPECT_EQ(header.tensors[2].name, "z");
}

TEST(SafetensorsHeader, MetadataIsReadAndMayBeNullOrEmpty) {
  EXPECT_THAT(parse(safetensors(R"({"__metadata__":{"format":"pt","k":""}})")).metadata,
              UnorderedElementsAre(Pair("format", "pt"), Pair("k", "")));
  EXPECT_TRUE(parse(safetensors(R"({"__metadata__":null})")).metadata.empty());
  EXPECT_TRUE(parse(safetensors(R"({"__metadata__":{}})")).metadata.empty());
}

// Rule 1: the header's length.
TEST(SafetensorsHeader, LengthMustFit) {
  EXPECT_THAT(refused(""), HasSubstr("header too small: the file has 0 bytes"));
  EXPECT_THAT(refused("1234567"), HasSubstr("header too small"));
  EXPECT_THAT(refused(u64(10) + "{}"),
              AllOf(HasSubstr("claims 10 bytes"), HasSubstr("has 2 behind"), HasSubstr("truncated?")));
  EXPECT_THAT(refused(u64(100'000'001) + "{}"), HasSubstr("header too large: it claims 100000001 bytes"));
  EXPECT_THAT(refused(u64(UINT64_MAX) + "{}"), HasSubstr("header too large"));
  EXPECT_THAT(refused(u64(UINT64_MAX - 7) + "{}"), HasSubstr("header too large"));
}

// Rule 2: UTF-8, '{', one JSON object, spaces.
TEST(SafetensorsHeader, TextMustBeOneJsonObject) {
  EXPECT_THAT(refused(safetensors("")), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(refused(safetensors(" {}")), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(refused(safetensors("[]")), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(refused(safetensors("\xEF\xBB\xBF{}")), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(refused(safetensors("{\"\xFF\":1}")), HasSubstr("not UTF-8 at byte 10 of the file"));
  EXPECT_THAT(refused(safetensors("{}\n")), HasSubstr("nothing but spaces behind it"));
  EXPECT_THAT(refused(safetensors(std::string_view("{}\0", 3))), HasSubstr("nothing but spaces behind it"));
  EXPECT_THAT(refused(safetensors(std::string_view("{}\0{}", 5))), HasSubstr("nothing but spaces behind it"));
  EXPECT_THAT(refused(safetensors("{}{}")), HasSubstr("not valid JSON at byte 10 of the file"));
  EXPECT_THAT(refused(safetensors("{\"a\"}")), HasSubstr("not valid JSON at byte 12 of the file"));
  EXPECT_THAT(refused(safetensors("{")), HasSubstr("must be one JSON object"));
}

// Rule 3: nothing twice, compared after unescaping.
TEST(SafetensorsHeader, NamesMustBeUnique) {
  const std::string record = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  EXPECT_THAT(refused(safetensors("{\"a\":" + record + ",\"a\":" + record + "}", 4)),
              HasSubstr("the name \"a\" is there twice"));
  EXPECT_THAT(refused(safetensors("{\"a\":" + record + ",\"\\u0061\":" + record + "}", 4)),
              HasSubstr("the name \"a\" is there twice"));
  EXPECT_THAT(refused(safetensors(R"({"__metadata__":null,"__metadata__":null})")),
              HasSubstr("the name \"__metadata__\" is there twice"));
  EXPECT_THAT(refused(safetensors(R"({"__metadata__":{"k":"1","k":"2"}})")),
              HasSubstr("the metadata key \"k\" is there twice"));
  EXPECT_THAT(refused_record(R"({"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]})"),
              HasSubstr("the field \"dtype\" is there twice"));
  EXPECT_THAT(refused_record(R"({"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]})"),
              HasSubstr("the field \"shape\" is there twice"));
  EXPECT_THAT(refused_record(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4],"data_offsets":[0,4]})"),
              HasSubstr("the field \"data_offsets\" is there twice"));
}

// Rule 4: exactly dtype, shape and data_offsets, of the right kind.
TEST(SafetensorsHeader, RecordsMustBeComplete) {
  EXPECT_THAT(refused_record("{}"), HasSubstr("the field \"dtype\" is missing"));
  EXPECT_THAT(refused_record(R"({"dtype":"F32","data_offsets":[0,4]})"),
              HasSubstr("the field \"shape\" is missing"));
  EXPECT_THAT(refused_record(R"({"dtype":"F32","shape":[1]})"),
              HasSubstr("the field \"data_offsets\" is missing"));
  EXPECT_THAT(refused_record(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4],"strides":[1]})"),
              HasSubstr("unknown field \"strides\""));
}

TEST(SafetensorsHeader, DtypeMustBeKnown) {
  EXPECT_THAT(refused_record(R"({"dtype":"f32","shape":[1],"data_offsets":[0,4]})"),
              HasSubstr("unknown dtype \"f32\"; did you mean \"F32\"?"));
  EXPECT_THAT(refused_record(R"({"dtype":"QUANT","shape":[1],"data_offsets":[0,4]})"),
              HasSubstr("unknown dtype \"QUANT\"; known: U64, I64"));
  EXPECT_THAT(refused_record(R"({"dtype":3,"shape":[1],"data_offsets":[0,4]})"),
              HasSubstr("\"dtype\" must be a string, found 3"));
}

TEST(SafetensorsHeader, NumbersMustBeNonNegativeIntegers) {
  const auto with_shape = [](std::string_view shape) {
    return refused_record(R"({"dtype":"F32","shape":)" + std::string(shape) + R"(,"data_offsets":[0,4]})");
  };
  EXPECT_THAT(with_shape("[-1]"), HasSubstr("\"shape\" must hold non-negative integers only, found -1"));
  EXPECT_THAT(with_shape("[1.0]"), HasSubstr("\"shape\" must hold non-negative integers only, found 1.0"));
  EXPECT_THAT(with_shape("[1e0]"), HasSubstr("\"shape\" must hold non-negative integers only, found 1e0"));
  EXPECT_THAT(with_shape("[18446744073709551616]"), HasSubstr("found 18446744073709551616"));
  EXPECT_THAT(with_shape("[\"1\"]"), HasSubstr("found \"1\""));
  EXPECT_THAT(with_shape("[null]"), HasSubstr("found null"));
  EXPECT_THAT(with_shape("[[1]]"), HasSubstr("found an array"));
  EXPECT_THAT(with_shape("[{}]"), HasSubstr("found an object"));
  EXPECT_THAT(with_shape("1"), HasSubstr("\"shape\" must be an array of non-negative integers, found 1"));
  EXPECT_THAT(with_shape("true"), HasSubstr("found true"));

  const auto with_offsets = [](std::string_view offsets) {
    return refused_record(R"({"dtype":"F32","shape":[1],"data_offsets":)" + std::string(offsets) + "}");
  };
  EXPECT_THAT(with_offsets("[-0,4]"), HasSubstr("\"data_offsets\" must hold non-negative integers only"));
  EXPECT_THAT(with_offsets("[0,4.0]"), HasSubstr("found 4.0"));
  EXPECT_THAT(with_offsets("[0,4e0]"), HasSubstr("found 4e0"));
  EXPECT_THAT(with_offsets("[0]"), HasSubstr("\"data_offsets\" must hold two numbers, found 1"));
  EXPECT_THAT(with_offsets("[0,4,4]"), HasSubstr("must hold two numbers, found 3"));
  EXPECT_THAT(with_offsets("{}"), HasSubstr("found an object"));
}

TEST(SafetensorsHeader, MembersMustBeObjects) {
  EXPECT_THAT(refused(safetensors(R"({"a":1})")), HasSubstr("\"a\" must be an object, found 1"));
  EXPECT_THAT(refused(safetensors(R"({"a":null})")), HasSubstr("\"a\" must be an object, found null"));
  EXPECT_THAT(refused(safetensors(R"({"a":[]})")), HasSubstr("\"a\" must be an object, found an array"));
  EXPECT_THAT(refused(safetensors(R"({"__metadata__":"pt"})")),
              HasSubstr("\"__metadata__\" must be an object"));
  EXPECT_THAT(refused(safetensors(R"({"__metadata__":{"k":1}})")),
              HasSubstr("the metadata value of \"k\" must be a string, found 1"));
  EXPECT_THAT(refused(safetensors(R"({"__metadata__":{"k":{}}})")), HasSubstr("found an object"));
  EXPECT_THAT(refused(safetensors(R"({"__metadata__":{"k":null}})")), HasSubstr("found null"));
}

// Rule 5: checked products.
TEST(SafetensorsHeader, ShapesMustNotOverflow) {
  const auto with_shape = [](std::string_view shape) {
    return refused_record(R"({"dtype":"F32","shape":)" + std::string(shape) + R"(,"data_offsets":[0,4]})");
  };
  EXPECT_THAT(with_shape("[4294967296,4294967296]"),
              HasSubstr("the shape [4294967296, 4294967296] overflows"));
  EXPECT_THAT(with_shape("[4611686018427387904]"), HasSubstr("overflows"));  // elements fit, bits do not
  EXPECT_THAT(with_shape("[4294967296,4294967296,0]"), HasSubstr("overflows"));
  EXPECT_THAT(with_shape("[18446744073709551615]"),
              HasSubstr("the dimension 18446744073709551615 is too large"));
  EXPECT_THAT(with_shape("[4611686018427387905,4]"),
              HasSubstr("overflows"));  // 2^64 + 4: the wrapped product is 4
}

TEST(SafetensorsHeader, BitsMustMakeWholeBytes) {
  EXPECT_THAT(refused_record(R"({"dtype":"F4","shape":[7],"data_offsets":[0,4]})"),
              HasSubstr("28 bits of F4 are not whole bytes"));
  EXPECT_EQ(
      parse(safetensors(R"({"a":{"dtype":"F4","shape":[8],"data_offsets":[0,4]}})", 4)).tensors[0].bytes, 4u);
}

// Rule 6: tensors lie end to end from the first byte of the data to the last.
TEST(SafetensorsHeader, OffsetsMustMatchTheShape) {
  EXPECT_THAT(refused_record(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})"),
              HasSubstr("F32 [2] needs 8 bytes, but data_offsets [0, 4] give 4"));
  EXPECT_THAT(refused_record(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})"),
              HasSubstr("data_offsets [4, 0] end before they begin"));
}

std::string two_tensors(std::string_view first_offsets, std::string_view second_offsets,
                        std::size_t data_bytes) {
  return safetensors(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":)" + std::string(first_offsets) +
                         R"(},"b":{"dtype":"F32","shape":[1],"data_offsets":)" + std::string(second_offsets) +
                         "}}",
                     data_bytes);
}

TEST(SafetensorsHeader, TensorsMustLieEndToEnd) {
  EXPECT_NO_THROW(parse(two_tensors("[0,4]", "[4,8]", 8)));
  EXPECT_THAT(
      refused(two_tensors("[0,4]", "[2,6]", 6)),
      HasSubstr("tensor \"b\" begins at byte 2 of the data, inside the tensor before it, which ends at 4"));
  EXPECT_THAT(refused(two_tensors("[0,4]", "[0,4]", 4)), HasSubstr("inside the tensor before it"));
  EXPECT_THAT(refused(two_tensors("[0,4]", "[8,12]", 12)),
              HasSubstr("tensor \"b\" begins at byte 8 of the data, leaving a hole behind byte 4"));
  EXPECT_THAT(refused(two_tensors("[4,8]", "[8,12]", 12)),
              HasSubstr("tensor \"a\" begins at byte 4 of the data, leaving a hole behind byte 0"));
  EXPECT_THAT(refused(two_tensors("[0,4]", "[18446744073709551610,18446744073709551614]", 8)),
              HasSubstr("\"b\""));
}

TEST(SafetensorsHeader, DataMustEndWithTheFile) {
  EXPECT_THAT(refused(two_tensors("[0,4]", "[4,8]", 7)),
              HasSubstr("tensor \"b\" ends at byte 8 of the data, but there are 7 (truncated?)"));
  EXPECT_THAT(refused(two_tensors("[0,4]", "[4,8]", 9)),
              HasSubstr("1 bytes behind the last tensor belong to none"));
  EXPECT_THAT(refused(safetensors("{}", 5)), HasSubstr("5 bytes behind the last tensor"));
}

// Rule 7: our own limits.
TEST(SafetensorsHeader, LimitsHold) {
  std::string ones = "[1";
  for (int i = 1; i < 32; ++i) ones += ",1";
  const std::string tail = R"(],"data_offsets":[0,4]}})";
  EXPECT_NO_THROW(parse(safetensors(R"({"a":{"dtype":"F32","shape":)" + ones + tail, 4)));
  EXPECT_THAT(refused(safetensors(R"({"a":{"dtype":"F32","shape":)" + ones + ",1" + tail, 4)),
              HasSubstr("\"shape\" has more than 32 numbers"));
  const std::string name(64 * 1024 + 1, 'n');
  EXPECT_THAT(refused(safetensors("{\"" + name + "\":{}}")),
              HasSubstr("a tensor's name is longer than 64 KiB"));
}

TEST(SafetensorsHeader, AMillionTensorsIsTheMost) {
  std::string header = "{";
  for (int i = 0; i <= 1'000'000; ++i) {
    header += '"';
    header += std::to_string(i);
    header += R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)";
  }
  header.back() = '}';
  EXPECT_THAT(refused(safetensors(header)), HasSubstr("more than a million tensors"));
}

TEST(SafetensorsHeader, DeepNestingIsRefusedAtOnce) {
  EXPECT_THAT(refused(safetensors("{\"a\":" + std::string(1'000'000, '[') + "}")), HasSubstr("\"a\""));
}

TEST(SafetensorsHeader, HostileNamesAreShownEscaped) {
  EXPECT_THAT(refused(safetensors(R"({"x\n\u001b[31m":1})")), HasSubstr("\"x\\n\\x1B[31m\""));
}

TEST(SafetensorsHeader, EveryPrefixIsRefused) {
  const std::string file = safetensors(kGood, 4);
  EXPECT_NO_THROW(parse(file));
  for (std::size_t length = 0; length < file.size(); ++length)
    refused(std::string_view(file).substr(0, length));
}

// Any change either still reads, with every tensor inside the file, or is an Error(kFormat).
TEST(SafetensorsHeader, FlippedBytesNeverCrash) {
  const std::string file = two_tensors("[0,4]", "[4,8]", 8);
  std::mt19937 random(20240501);
  int read = 0;
  for (int round = 0; round < 20'000; ++round) {
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
