#include "base/fingerprint.h"

#include <gtest/gtest.h>

#include "base/xxh3_stream.h"

namespace emend {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// FIPS 180-2, appendix B.
TEST(Sha256, KnownDigests) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(bytes_of("abc")), sha256_hex("abc"));
}

TEST(Sha256, PiecesMakeTheWhole) {
  Sha256 hash;
  hash.update("a");
  hash.update("");
  hash.update(bytes_of("bc"));
  EXPECT_EQ(hash.hex(), sha256_hex("abc"));
}

TEST(Sha256, HexMayBeAskedOnTheWay) {
  Sha256 hash;
  hash.update("ab");
  EXPECT_EQ(hash.hex(), sha256_hex("ab"));
  hash.update("c");
  EXPECT_EQ(hash.hex(), sha256_hex("abc"));
  EXPECT_EQ(hash.hex(), sha256_hex("abc"));
}

TEST(Sha256, FieldsAreToldApart) {
  Sha256 first, second;
  first.update_field("ab");
  first.update_field("c");
  second.update_field("a");
  second.update_field("bc");
  EXPECT_NE(first.hex(), second.hex());
}

TEST(Sha256, AFieldIsItsLengthAndItsBytes) {
  Sha256 field, by_hand;
  field.update_field("abc");
  field.update_number(0x0102);
  by_hand.update(std::string_view("\x03\0\0\0\0\0\0\0abc\x02\x01\0\0\0\0\0\0", 19));
  EXPECT_EQ(field.hex(), by_hand.hex());
}

TEST(Sha256, CanBeMoved) {
  Sha256 hash;
  hash.update("ab");
  Sha256 moved = std::move(hash);
  moved.update("c");
  EXPECT_EQ(moved.hex(), sha256_hex("abc"));
}

// From the sanity checks of xxHash: the empty input with seed 0.
TEST(Xxh3, KnownDigests) {
  EXPECT_EQ(xxh3_128_hex({}), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(xxh3_128_hex(bytes_of("abc")).size(), 32u);
  EXPECT_NE(xxh3_128_hex(bytes_of("abc")), xxh3_128_hex(bytes_of("abd")));
}

TEST(Xxh3Stream, GivesWhatOnePieceGives) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += std::to_string(i * i);
  EXPECT_EQ(Xxh3Stream().hex(), xxh3_128_hex({}));
  Xxh3Stream stream;
  for (std::size_t begin = 0; begin < text.size(); begin += 317)
    stream.update(bytes_of(std::string_view(text).substr(begin, 317)));
  EXPECT_EQ(stream.hex(), xxh3_128_hex(bytes_of(text)));
}

}  // namespace
}  // namespace emend
