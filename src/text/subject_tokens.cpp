#include <fmt/format.h>

#include <string>

#include "emend/error.h"
#include "emend/tokenizer.h"

namespace emend {

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
