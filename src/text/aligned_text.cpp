#include "text/aligned_text.h"

#include <utility>

#include "base/utf8.h"
#include "text/unicode.h"

namespace emend::text {

ByteSpan AlignedText::origin(std::size_t begin, std::size_t end) const {
  if (!rewritten_) return {offset_ + begin, offset_ + end};
  const auto& origins = rewritten_->origins;
  const std::size_t first = offset_ + begin;
  if (begin == end) {
    const std::size_t at = first < origins.size() ? origins[first].begin : rewritten_->end;
    return {at, at};
  }
  return {origins[first].begin, origins[offset_ + end - 1].end};
}

AlignedText AlignedText::slice(std::size_t begin, std::size_t end) const {
  AlignedText result = *this;
  result.text_ = text_.substr(begin, end - begin);
  result.offset_ = offset_ + begin;
  return result;
}

AlignedTextBuilder::AlignedTextBuilder(const AlignedText& source)
    : source_(source), result_(std::make_shared<AlignedText::Rewritten>()) {
  result_->bytes.reserve(source.text().size() + 16);
  result_->origins.reserve(source.text().size() + 16);
  const std::size_t size = source.text().size();
  result_->end = source.origin(size, size).end;
}

void AlignedTextBuilder::keep(std::size_t begin, std::size_t end) {
  result_->bytes.append(source_.text().substr(begin, end - begin));
  for (std::size_t i = begin; i < end; ++i) result_->origins.push_back(source_.origin(i, i + 1));
}

void AlignedTextBuilder::replace(std::string_view bytes, std::size_t begin, std::size_t end) {
  result_->bytes.append(bytes);
  result_->origins.insert(result_->origins.end(), bytes.size(), source_.origin(begin, end));
}

AlignedText AlignedTextBuilder::finish() {
  AlignedText result{std::string_view(result_->bytes)};
  result.rewritten_ = std::move(result_);
  return result;
}

AlignedText read_utf8(std::string_view text) {
  const AlignedText source(text);
  if (!find_invalid_utf8(text)) return source;
  std::string replacement;
  append_utf8(replacement, kReplacementCharacter);
  AlignedTextBuilder builder(source);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint next = code_point_at(text, i);
    if (!next.valid) {
      builder.keep(kept, i);
      builder.replace(replacement, i, i + next.length);
      kept = i + next.length;
    }
    i += next.length;
  }
  builder.keep(kept, text.size());
  return builder.finish();
}

}  // namespace emend::text
