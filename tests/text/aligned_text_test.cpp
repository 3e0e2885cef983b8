#include "text/aligned_text.h"

#include <gtest/gtest.h>

namespace emend {
bool operator==(const ByteSpan& a, const ByteSpan& b) {
  return a.begin == b.begin && a.end == b.end;
}
void PrintTo(const ByteSpan& span, std::ostream* out) {
  *out << "[" << span.begin << ", " << span.end << ")";
}
}  // namespace emend

namespace emend::text {
namespace {

TEST(AlignedText, OfTheOriginalIsItself) {
  const AlignedText text("hello world");
  EXPECT_EQ(text.origin(2, 5), (ByteSpan{2, 5}));
  EXPECT_EQ(text.slice(6, 11).text(), "world");
  EXPECT_EQ(text.slice(6, 11).origin(1, 2), (ByteSpan{7, 8}));
}

TEST(AlignedText, RewrittenBytesStandForTheWholeRange) {
  AlignedTextBuilder builder(AlignedText("ab--cd"));
  builder.keep(0, 2);
  builder.replace("xyz", 2, 4);
  builder.keep(4, 6);
  const AlignedText text = builder.finish();
  EXPECT_EQ(text.text(), "abxyzcd");
  EXPECT_EQ(text.origin(2, 3), (ByteSpan{2, 4}));
  EXPECT_EQ(text.origin(1, 4), (ByteSpan{1, 4}));
  EXPECT_EQ(text.origin(5, 7), (ByteSpan{4, 6}));
  EXPECT_EQ(text.origin(7, 7), (ByteSpan{6, 6}));
}

TEST(AlignedText, StepsAddUp) {
  AlignedTextBuilder first(AlignedText("0123456789").slice(2, 8));
  first.keep(0, 3);
  first.replace("X", 3, 6);
  const AlignedText middle = first.finish();
  ASSERT_EQ(middle.text(), "234X");
  AlignedTextBuilder second(middle.slice(1, 4));
  second.replace(" ", 0, 0);
  second.keep(0, 1);
  second.replace("longer", 1, 3);
  const AlignedText text = second.finish();
  EXPECT_EQ(text.text(), " 3longer");
  EXPECT_EQ(text.origin(0, 1), (ByteSpan{3, 3}));
  EXPECT_EQ(text.origin(0, 2), (ByteSpan{3, 4}));
  EXPECT_EQ(text.origin(4, 5), (ByteSpan{4, 8}));
}

TEST(AlignedText, ReadsBrokenUtf8) {
  const AlignedText text = read_utf8("a\xe2\x82z\xff");
  EXPECT_EQ(text.text(), "a\ufffdz\ufffd");
  EXPECT_EQ(text.origin(1, 4), (ByteSpan{1, 3}));
  EXPECT_EQ(text.origin(4, 5), (ByteSpan{3, 4}));
  EXPECT_EQ(text.origin(5, 8), (ByteSpan{4, 5}));
}

}  // namespace
}  // namespace emend::text
