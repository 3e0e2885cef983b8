#include "base/byte_stream.h"

#include <gmock/gmock.h>
#include <zlib.h>
#include <zstd.h>

#include "tests/base/expect_error.h"
#include "tests/base/temp_folder.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

std::string long_text() {
  std::string text;
  for (int i = 0; i < 60000; ++i) text += "line " + std::to_string(i * 7919 % 10007) + "\n";
  return text;
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

// Read in pieces of `step` bytes.
std::string read_through(const std::filesystem::path& file, std::size_t step = 1000) {
  const auto stream = open_byte_stream(file);
  std::string all, piece(step, '\0');
  while (const std::size_t count = stream->read(piece)) all.append(piece, 0, count);
  return all;
}

TEST(ByteStream, GivesBackWhatWasThereHoweverItWasPacked) {
  const test::TempFolder folder;
  const std::string text = long_text();
  EXPECT_EQ(read_through(folder.write("a.txt", text)), text);
  EXPECT_EQ(read_through(folder.write("a.gz", gzip(text))), text);
  EXPECT_EQ(read_through(folder.write("a.zst", zstd(text))), text);
  EXPECT_EQ(read_through(folder.write("two.gz", gzip("one\n") + gzip("two\n")), 3), "one\ntwo\n");
  EXPECT_EQ(read_through(folder.write("two.zst", zstd("one\n") + zstd("two\n")), 3), "one\ntwo\n");
}

TEST(ByteStream, TakesEmptyAndVeryShortFiles) {
  const test::TempFolder folder;
  EXPECT_EQ(read_through(folder.write("empty", "")), "");
  EXPECT_EQ(read_through(folder.write("ab", "ab")), "ab");
  EXPECT_EQ(read_through(folder.write("empty.gz", gzip(""))), "");
}

TEST(ByteStream, NamesTheFileThatItCannotRead) {
  const test::TempFolder folder;
  EXPECT_THAT(test::error_of(ErrorKind::kIo, [&] { open_byte_stream(folder / "absent"); }),
              HasSubstr("absent"));
  EXPECT_THAT(test::error_of(ErrorKind::kIo, [&] { open_byte_stream(folder.path()); }), HasSubstr("folder"));
}

TEST(ByteStream, DamagedDataIsRefusedByName) {
  const test::TempFolder folder;
  for (const auto& [name, packed] : {std::pair{"x.gz", gzip(long_text())}, {"x.zst", zstd(long_text())}}) {
    const auto cut = folder.write(name, packed.substr(0, packed.size() / 2));
    EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { read_through(cut); }),
                ::testing::AllOf(HasSubstr(name), HasSubstr("ends early")));
    std::string flipped = packed;
    for (std::size_t i = flipped.size() / 2; i < flipped.size() / 2 + 40; ++i)
      flipped[i] = static_cast<char>(flipped[i] ^ 0x55);
    const auto broken = folder.write(name, flipped);
    EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { read_through(broken); }), HasSubstr("damaged"));
  }
}

TEST(InflateRaw, RefusesAnotherSizeThanItsOwn) {
  const std::string packed = gzip("some text of some length"), body = packed.substr(10, packed.size() - 18);
  EXPECT_EQ(inflate_raw(body, 24, "x"), "some text of some length");
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { inflate_raw(body, 23, "entry x"); }),
              HasSubstr("entry x"));
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { inflate_raw(body, 25, "entry x"); }),
              HasSubstr("entry x"));
}

}  // namespace
}  // namespace emend
