#include "io/byte_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/base/expect_error.h"
#include "tests/io/byte_builder.h"

namespace emend {
namespace {

using namespace test;  // builders only
using testing::AllOf;
using testing::HasSubstr;

TEST(ByteReader, ReadsLittleEndianAtAnyAlignment) {
  const std::string bytes = std::string("\x07") + "\x02\x01" + u32(0xAABBCCDD) + little<std::int64_t>(-5) +
                            little(1.5f) + little(-2.25) + gguf_string("abc");
  ByteReader reader(bytes_of(bytes), "f");
  EXPECT_EQ(reader.read<std::uint8_t>("a"), 7);
  EXPECT_EQ(reader.read<std::uint16_t>("b"), 0x0102);
  EXPECT_EQ(reader.read<std::uint32_t>("c"), 0xAABBCCDD);
  EXPECT_EQ(reader.read<std::int64_t>("d"), -5);
  EXPECT_EQ(reader.read<float>("e"), 1.5f);
  EXPECT_EQ(reader.read<double>("f"), -2.25);
  EXPECT_EQ(reader.read_string("g"), "abc");
  EXPECT_EQ(reader.remaining(), 0u);
  EXPECT_EQ(reader.position(), bytes.size());
}

TEST(ByteReader, PastTheEndNamesSourceAndField) {
  ByteReader reader(bytes_of("abc"), "f.gguf");
  const std::string message =
      error_of(ErrorKind::kFormat, [&] { reader.read<std::uint32_t>("the version"); });
  EXPECT_EQ(message, "f.gguf: ends at byte 3, in the middle of the version (truncated?)");
  EXPECT_EQ(reader.position(), 0u);
}

TEST(ByteReader, HugeLengthsAreRefusedBeforeAllocation) {
  const std::string bytes = u64(UINT64_MAX) + "abc";
  const std::string message =
      error_of(ErrorKind::kFormat, [&] { ByteReader(bytes_of(bytes), "f").read_string("the name"); });
  EXPECT_THAT(message, AllOf(HasSubstr("the name at byte 0 claims 18446744073709551615"),
                             HasSubstr("3 bytes are left")));
}

TEST(ByteReader, CountsAreHeldAgainstTheRest) {
  const std::string two = u64(2) + std::string(24, 'x'), three = u64(3) + std::string(24, 'x');
  EXPECT_EQ(ByteReader(bytes_of(two), "f").read_count(12, "n"), 2u);
  error_of(ErrorKind::kFormat, [&] { ByteReader(bytes_of(three), "f").read_count(12, "n"); });
}

}  // namespace
}  // namespace emend
