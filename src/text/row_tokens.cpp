// Tokens that rows are made of beside the ids of a text: BOS, the words that follow, the tokens of a subject.

#include "text/row_tokens.h"

#include <fmt/format.h>

#include <string>

#include "base/nearest.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/tokenizer.h"
#include "text/unicode.h"

namespace emend {
namespace {

// The tokenizer's special tokens: what a mistyped BOS may have meant.
std::vector<std::string> special_tokens(const Tokenizer& tokenizer) {
  std::vector<std::string> names;
  for (std::int64_t id = 0; id < tokenizer.size(); ++id)
    if (tokenizer.is_special(id)) names.push_back(tokenizer.token_bytes(id));
  return names;
}

}  // namespace

bool begins_without_space(const std::string& words) {
  const char32_t code = words.empty() ? 0 : text::code_point_at(words, 0).code_point;
  return (code >= 0x3040 && code <= 0x30FF) || (code >= 0x3400 && code <= 0x9FFF) ||
         (code >= 0xF900 && code <= 0xFAFF) || (code >= 0x20000 && code <= 0x3FFFF);
}

std::vector<std::int64_t> encode_next_words(const Tokenizer& tokenizer, const std::string& words) {
  const std::string text = (begins_without_space(words) ? "" : " ") + words;
  return tokenizer.encode(text, SpecialTokens::kNone, Position::kContinuation).ids;
}

std::vector<std::int64_t> resolve_bos(const Tokenizer& tokenizer, const std::string& choice) {
  if (choice == "auto") return tokenizer.automatic_prefix();
  if (choice == "none") return {};
  if (const auto id = tokenizer.find(choice)) return {*id};
  std::vector<std::string> known = special_tokens(tokenizer);
  known.insert(known.begin(), {"auto", "none"});
  constexpr std::size_t kMostListed = 12;
  if (const auto near = nearest_name(choice, known)) known = {*near};
  if (known.size() > kMostListed) known.resize(kMostListed);
  throw Error(ErrorKind::kConfig,
              "bos: the tokenizer has no token " + quote(choice) + did_you_mean(choice, known));
}

SubjectTokens find_subject_tokens(const Encoding& encoding, ByteSpan subject, std::string_view text) {
  SubjectTokens result;
  bool found = false;
  for (std::size_t i = 0; i < encoding.spans.size(); ++i) {
    const ByteSpan& span = encoding.spans[i];
    const bool overlaps = span.begin < span.end && span.begin < subject.end && span.end > subject.begin;
    if (!overlaps) continue;
    if (!found) result.first = i;
    result.last = i;
    found = true;
  }
  if (!found || subject.begin >= subject.end) {
    throw Error(ErrorKind::kConfig, fmt::format("no token overlaps the subject, bytes {} to {} of the prompt",
                                                subject.begin, subject.end));
  }
  const std::size_t first_begin = encoding.spans[result.first].begin;
  const bool one_byte_before = first_begin + 1 == subject.begin;
  const bool one_space_before = one_byte_before && (first_begin >= text.size() || text[first_begin] == ' ');
  result.straddles_begin = first_begin < subject.begin && !one_space_before;
  result.straddles_end = encoding.spans[result.last].end > subject.end;
  return result;
}

}  // namespace emend
