#include "io/npz.h"

#include <gmock/gmock.h>

#include "tests/base/expect_error.h"
#include "tests/base/temp_folder.h"
#include "tests/support/npz_builder.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using test::bytes_of;
using test::floats;
using test::npy;
using test::zip;

TEST(Npz, ReadsArraysStoredAndDeflated) {
  const test::TempFolder folder;
  const auto file = folder.write(
      "a.npz", zip({{"mom2.mom2.npy", npy("<f4", "2, 3", floats({1, 2, 3, 4, 5, 6})), false, true},
                    {"turned.npy", npy("<f4", "2, 3", floats({1, 2, 3, 4, 5, 6}), true), true},
                    {"mom2.count.npy", npy("<i8", "", bytes_of(std::int64_t{44})), true, true},
                    {"name.npy", npy("|S4", "", "SecM"), false}}));
  const auto arrays = read_npz(file);
  ASSERT_EQ(arrays.size(), 4u);
  EXPECT_THAT(arrays.at("mom2.mom2").shape, ElementsAre(2, 3));
  EXPECT_THAT(npy_numbers(arrays.at("mom2.mom2"), "x"), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(npy_numbers(arrays.at("turned"), "x"), ElementsAre(1, 3, 5, 2, 4, 6));
  EXPECT_THAT(npy_numbers(arrays.at("mom2.count"), "x"), ElementsAre(44));
  EXPECT_TRUE(arrays.at("mom2.count").shape.empty());
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { npy_numbers(arrays.at("name"), "name"); }),
              HasSubstr("|S4"));
}

TEST(Npz, RefusesWhatIsNoArchive) {
  const test::TempFolder folder;
  for (const std::string& bytes : {std::string("short"), std::string(500, 'x')})
    EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { read_npz(folder.write("a.npz", bytes)); }),
                AllOf(HasSubstr("a.npz"), HasSubstr("zip")));
}

TEST(Npz, RefusesArraysThatAreNotWhatTheySay) {
  const test::TempFolder folder;
  const auto refusal = [&](const std::string& array) {
    const auto file = folder.write("a.npz", zip({{"x.npy", array, true}}));
    return test::error_of(ErrorKind::kFormat, [&] { read_npz(file); });
  };
  EXPECT_THAT(refusal(npy("<f4", "2, 3", floats({1, 2}))), AllOf(HasSubstr("x.npy"), HasSubstr("shape")));
  EXPECT_THAT(refusal(npy("<f4", "999999999999, 999999999999", floats({1}))), HasSubstr("shape"));
  EXPECT_THAT(refusal(npy("<f4", "2, y", floats({1, 2}))), HasSubstr("shape"));
  EXPECT_THAT(refusal(npy("O", "1", "12345678")), HasSubstr("\"O\""));
  EXPECT_THAT(refusal("no array"), HasSubstr("npy"));
}

TEST(Npz, AFlippedByteOfAnArrayIsFound) {
  const test::TempFolder folder;
  for (const bool deflate : {false, true}) {
    const std::string elements = floats({1, 2, 3, 4});
    std::string bytes =
        zip({{"whole.npy", npy("<f4", "1", floats({5}))}, {"x.npy", npy("<f4", "4", elements), deflate}});
    // Stored: the last element. Deflated: the last bits of the stream, in front of the list of entries.
    const std::size_t end = deflate ? bytes.find("PK\x01\x02") : bytes.find(elements) + elements.size();
    ASSERT_EQ(read_npz(folder.write("a.npz", bytes)).size(), 2u);
    int refused = 0;
    for (std::size_t back = 1; back <= 8; ++back) {
      std::string flipped = bytes;
      flipped[end - back] = static_cast<char>(flipped[end - back] ^ 4);
      try {
        read_npz(folder.write("a.npz", flipped));
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kFormat);
        EXPECT_THAT(error.what(), AllOf(HasSubstr("a.npz"), HasSubstr("x.npy"), HasSubstr("damaged")));
        if (!deflate) {
          EXPECT_THAT(error.what(), HasSubstr("CRC-32"));
        }
        ++refused;
      }
    }
    EXPECT_EQ(refused, 8) << (deflate ? "deflated" : "stored");
  }
}

// Every byte of the archive's tables broken in turn: an error or the old content, never a crash.
TEST(Npz, BrokenBytesDoNoHarm) {
  const test::TempFolder folder;
  const std::string whole = zip({{"m.npy", npy("<f4", "2", floats({1, 2})), false, true},
                                 {"n.npy", npy("<f4", "2", floats({1, 2})), true}});
  int refused = 0;
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (const char value : {'\0', '\x7f', '\xff'}) {
      std::string broken = whole;
      broken[i] = value;
      try {
        read_npz(folder.write("a.npz", broken));
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kFormat) << error.what();
        ++refused;
      }
    }
  EXPECT_GT(refused, 200);
  for (std::size_t size = 1; size < whole.size(); size += 7)
    EXPECT_NE(
        test::error_of(ErrorKind::kFormat, [&] { read_npz(folder.write("a.npz", whole.substr(0, size))); }),
        "");
}

}  // namespace
}  // namespace emend
