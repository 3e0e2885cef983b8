// A megabyte of mixed text gives the ids and spans of `tokenizers`: the recorded hashes are met for every
// kind of tokenizer (tools/fixtures/tiny_tokenizers.py).
#include "mixed_text.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <utf8proc.h>

#include <array>
#include <set>
#include <string>
#include <vector>

#include "base/fingerprint.h"
#include "base/json.h"
#include "emend/tokenizer.h"
#include "fixtures.h"
#include "text/unicode.h"

namespace emend {
namespace {

// Where spans may begin and end, as flags of the offsets of a text.
using Starts = std::vector<bool>;

bool is_mark(std::int32_t character) {
  std::array<utf8proc_int32_t, 32> decomposed{};
  int last = UTF8PROC_BOUNDCLASS_START;
  utf8proc_decompose_char(character, decomposed.data(), decomposed.size(),
                          static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT), &last);
  const auto category = utf8proc_category(decomposed[0]);
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
         category == UTF8PROC_CATEGORY_ME;
}

bool is_blank(std::int32_t character) {
  const auto category = utf8proc_category(character);
  return category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_CF;
}

// Marks, parts of Hangul syllables, and runs of spaces and controls make one unit with what is in front
// (tools/fixtures/tiny_tokenizers.py: joins_previous).
bool joins_previous(std::int32_t character, std::int32_t previous) {
  return is_mark(character) || (character >= 0x1160 && character <= 0x11FF) ||
         (is_blank(character) && is_blank(previous));
}

Starts find_starts(const std::string& text, bool units) {
  Starts starts(text.size() + 1, false);
  std::int32_t previous = 0;
  for (std::size_t at = 0; at < text.size();) {
    const text::CodePoint next = text::code_point_at(text, at);
    const auto character = static_cast<std::int32_t>(next.code_point);
    starts[at] = at == 0 || !units || !joins_previous(character, previous);
    previous = character;
    at += next.length;
  }
  starts[text.size()] = true;
  return starts;
}

// `tokenizers` knows no parts of characters, and gives a token that only stands for a prefix the character
// behind it. Where a normalizer rewrites a text it gives one of the characters that a new one came from.
ByteSpan widened(ByteSpan span, const Starts& starts) {
  if (span.begin == span.end) ++span.end;
  while (!starts[span.begin]) --span.begin;
  while (!starts[span.end]) ++span.end;
  return span;
}

// `tokenizers` misplaces every token of a text whose first character is removed
// (findings/tokenizers_offsets_after_removed.sh).
bool is_misplaced_there(const std::string& document) {
  const auto first = static_cast<std::int32_t>(text::code_point_at(document, 0).code_point);
  return utf8proc_category(first) == UTF8PROC_CATEGORY_CC;
}

// A run of tokens that spell bytes has one span there.
void join_byte_runs(const Tokenizer& tokenizer, const Encoding& encoding, std::vector<ByteSpan>& spans) {
  std::set<std::int64_t> bytes;
  for (int byte = 0; byte < 256; ++byte)
    bytes.insert(tokenizer.find(fmt::format("<0x{:02X}>", byte)).value());
  const auto is_byte = [&](std::size_t i) { return bytes.contains(encoding.ids[i]); };
  for (std::size_t begin = 0, i = 1; i <= spans.size(); ++i) {
    if (i < spans.size() && is_byte(i) && is_byte(i - 1)) continue;
    const ByteSpan run{spans[begin].begin, spans[i - 1].end};
    for (; begin < i; ++begin) spans[begin] = run;
  }
}

struct Hashes {
  std::string ids, spans;
};

std::string spans_line(const Tokenizer& tokenizer, const std::string& document, const Encoding& encoding,
                       const std::string& rule) {
  const Starts starts = find_starts(document, rule.ends_with("units"));
  std::vector<ByteSpan> wide;
  for (const ByteSpan& exact : encoding.spans) wide.push_back(widened(exact, starts));
  if (rule == "byte runs") join_byte_runs(tokenizer, encoding, wide);
  std::string line;
  for (const ByteSpan& span : wide) {
    if (!rule.starts_with("ends")) line += std::to_string(span.begin) + "-";
    line += std::to_string(span.end) + " ";
  }
  return line;
}

Hashes hashes_of(const Tokenizer& tokenizer, const std::vector<std::string>& documents,
                 const std::string& rule) {
  std::string ids, spans;
  for (const std::string& document : documents) {
    const Encoding encoding = tokenizer.encode(document, SpecialTokens::kNone);
    for (const std::int64_t id : encoding.ids) ids += std::to_string(id) + " ";
    const bool units = rule.ends_with("units");
    if (!units || !is_misplaced_there(document)) spans += spans_line(tokenizer, document, encoding, rule);
    ids += "\n";
    spans += "\n";
  }
  return {sha256_hex(ids), sha256_hex(spans)};
}

TEST(MixedText, HasTheIdsAndSpansOfTokenizers) {
  const std::vector<std::string> documents = test::mixed_text();
  for (const Json& recorded : Json::parse(test::read_fixture("mixed_text.json"))) {
    const std::string name = recorded.at("name");
    const Hashes hashes = hashes_of(*test::load_tokenizer(name), documents, recorded.at("rule"));
    EXPECT_EQ(hashes.ids, recorded.at("ids").get<std::string>()) << name;
    EXPECT_EQ(hashes.spans, recorded.at("spans").get<std::string>()) << name;
  }
}

}  // namespace
}  // namespace emend
