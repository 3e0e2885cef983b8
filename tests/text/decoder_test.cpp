#include "text/decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace emend::text {
namespace {

using testing::ElementsAre;

std::vector<std::string> decoded(const DecoderStep& step, std::vector<std::string> pieces,
                                 Position position = Position::kStart) {
  step.decode(pieces, position);
  return pieces;
}

TEST(Decoder, BytesOfARunJoin) {
  const auto step = make_byte_fallback_step();
  EXPECT_THAT(decoded(*step, {"a", "<0xC3>", "<0xA9>", "<0x41>", "b"}), ElementsAre("a", "\u00e9A", "b"));
  EXPECT_THAT(decoded(*step, {"<0xC3>", "<0x41>"}), ElementsAre("\ufffd\ufffd")) << "not UTF-8 as a whole";
  EXPECT_THAT(decoded(*step, {"<0xG1>", "<0x-1>", "<0x4>"}), ElementsAre("<0xG1>", "<0x-1>", "<0x4>"));
  EXPECT_EQ(step->decode_inner("<0xC3>"), "\xC3") << "a part of a character stays one";
}

TEST(Decoder, StripsTheEndsOfATextThatHasBeenJoined) {
  const auto fused = make_strip_step(U' ', 1, 0, true);
  EXPECT_THAT(decoded(*fused, {"  a "}), ElementsAre(" a "));
  EXPECT_THAT(decoded(*fused, {" a"}, Position::kContinuation), ElementsAre(" a"));
  EXPECT_EQ(fused->decode_inner(" a"), " a");
  const auto each = make_strip_step(U'_', 2, 1, false);
  EXPECT_THAT(decoded(*each, {"___a__", "_"}), ElementsAre("_a_", ""));
  EXPECT_EQ(each->decode_inner("_a"), "a");
}

TEST(Decoder, MetaspaceDropsThePrefixOfTheFirstPiece) {
  const auto step = make_metaspace_step(U'\u2581', true);
  EXPECT_THAT(decoded(*step, {"\u2581a", "\u2581b"}), ElementsAre("a", " b"));
  EXPECT_THAT(decoded(*step, {"\u2581a"}, Position::kContinuation), ElementsAre(" a"));
  EXPECT_THAT(decoded(*make_metaspace_step(U'\u2581', false), {"\u2581a"}), ElementsAre(" a"));
}

TEST(Decoder, ReplacesTextsAndPatterns) {
  EXPECT_THAT(decoded(*make_literal_step("\u2581", " "), {"\u2581a\u2581\u2581", "b"}),
              ElementsAre(" a  ", "b"));
  EXPECT_EQ(make_literal_step("", "x")->decode_inner("ab"), "ab");
  EXPECT_THAT(decoded(*make_replace_step(Regex("a+", "t"), "-"), {"baab"}), ElementsAre("b-b"));
  EXPECT_THAT(decoded(*make_fuse_step(), {"a", "b"}), ElementsAre("ab"));
}

}  // namespace
}  // namespace emend::text
