// A megabyte of mixed text gives the ids and spans of `tokenizers`: the recorded hashes are met for every
// kind of tokenizer (tools/fixtures/tiny_tokenizers.py).
#include "mixed_text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/fingerprint.h"
#include "base/json.h"
#include "emend/tokenizer.h"
#include "fixtures.h"

namespace emend {
namespace {

bool is_inside_character(const std::string& text, std::size_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
}

// `tokenizers` knows no parts of characters, and gives a token that only stands for a prefix the character
// behind it.
ByteSpan widened(const std::string& text, ByteSpan span) {
  if (span.begin == span.end) ++span.end;
  while (is_inside_character(text, span.begin)) --span.begin;
  while (is_inside_character(text, span.end)) ++span.end;
  return span;
}

struct Hashes {
  std::string ids, spans;
};

Hashes hashes_of(const Tokenizer& tokenizer, const std::vector<std::string>& documents) {
  std::string ids, spans;
  for (const std::string& document : documents) {
    const Encoding encoding = tokenizer.encode(document, SpecialTokens::kNone);
    for (const std::int64_t id : encoding.ids) ids += std::to_string(id) + " ";
    for (const ByteSpan& exact : encoding.spans) {
      const ByteSpan span = widened(document, exact);
      spans += std::to_string(span.begin) + "-" + std::to_string(span.end) + " ";
    }
    ids += "\n";
    spans += "\n";
  }
  return {sha256_hex(ids), sha256_hex(spans)};
}

TEST(MixedText, HasTheIdsAndSpansOfTokenizers) {
  const std::vector<std::string> documents = test::mixed_text();
  for (const Json& recorded : Json::parse(test::read_fixture("mixed_text.json"))) {
    const std::string name = recorded.at("name");
    const Hashes hashes = hashes_of(*test::load_tokenizer(name), documents);
    EXPECT_EQ(hashes.ids, recorded.at("ids").get<std::string>()) << name;
    const Json& spans = recorded.at("spans");
    EXPECT_EQ(spans.is_null() ? Json() : Json(hashes.spans), spans) << name;
  }
}

}  // namespace
}  // namespace emend
