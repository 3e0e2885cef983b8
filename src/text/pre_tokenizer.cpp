#include "text/pre_tokenizer.h"

#include <fmt/format.h>

#include <utility>

#include "base/strings.h"
#include "text/unicode.h"

namespace emend::text {
namespace {

std::string_view name_of(SplitBehavior behavior) {
  switch (behavior) {
    case SplitBehavior::kRemoved:
      return "Removed";
    case SplitBehavior::kIsolated:
      return "Isolated";
    case SplitBehavior::kMergedWithPrevious:
      return "MergedWithPrevious";
    case SplitBehavior::kMergedWithNext:
      return "MergedWithNext";
    case SplitBehavior::kContiguous:
      return "Contiguous";
  }
  return "";
}

// Matches and gaps of `size` bytes in order, `offset` added.
void cover(const std::vector<ByteSpan>& matches, std::size_t size, std::size_t offset, bool matched,
           std::vector<SplitRange>& ranges) {
  ranges.clear();
  std::size_t previous = 0;
  for (const ByteSpan& match : matches) {
    if (match.begin > previous) ranges.push_back({{offset + previous, offset + match.begin}, !matched});
    ranges.push_back({{offset + match.begin, offset + match.end}, matched});
    previous = match.end;
  }
  if (size > previous) ranges.push_back({{offset + previous, offset + size}, !matched});
}

class Split : public PreTokenizer {
 public:
  Split(Regex pattern, SplitBehavior behavior, SplitOn split_on)
      : pattern_(std::move(pattern)), behavior_(behavior), split_on_(split_on) {}

  void refine(PreTokenized& state) const override {
    RegexMatcher matcher(pattern_);
    std::vector<SplitRange> ranges;
    std::vector<ByteSpan> pieces;
    for (const ByteSpan& piece : state.pieces) {
      const std::string_view text = state.text.text().substr(piece.begin, piece.end - piece.begin);
      cover(matcher.find_all(text), text.size(), piece.begin, split_on_ == SplitOn::kMatches, ranges);
      apply_split(ranges, behavior_, pieces);
    }
    state.pieces = std::move(pieces);
  }

  std::string describe() const override {
    return fmt::format("Split({},{}{})", quote(pattern_.pattern(), pattern_.pattern().size()),
                       name_of(behavior_), split_on_ == SplitOn::kGaps ? ",invert" : "");
  }

 private:
  Regex pattern_;
  SplitBehavior behavior_;
  SplitOn split_on_;
};

class Digits : public PreTokenizer {
 public:
  explicit Digits(DigitRuns runs) : runs_(runs) {}

  void refine(PreTokenized& state) const override {
    std::vector<ByteSpan> pieces;
    for (const ByteSpan& piece : state.pieces) refine_piece(state.text.text(), piece, pieces);
    state.pieces = std::move(pieces);
  }

  std::string describe() const override {
    return runs_ == DigitRuns::kEachDigit ? "Digits(each)" : "Digits(runs)";
  }

 private:
  void refine_piece(std::string_view text, ByteSpan piece, std::vector<ByteSpan>& pieces) const {
    std::size_t begin = piece.begin;
    bool was_number = false;
    for (std::size_t i = piece.begin; i < piece.end;) {
      const CodePoint next = code_point_at(text, i);
      const bool number = is_number(next.code_point);
      const bool cut = number != was_number || (number && runs_ == DigitRuns::kEachDigit);
      if (cut && i > begin) {
        pieces.push_back({begin, i});
        begin = i;
      }
      was_number = number;
      i += next.length;
    }
    if (piece.end > begin) pieces.push_back({begin, piece.end});
  }

  DigitRuns runs_;
};

class PrefixSpace : public PreTokenizer {
 public:
  void refine(PreTokenized& state) const override {
    const std::string_view text = state.text.text();
    AlignedTextBuilder builder(state.text);
    std::vector<ByteSpan> pieces;
    for (const ByteSpan& piece : state.pieces) {
      const std::size_t begin = builder.size();
      if (text[piece.begin] != ' ') builder.replace(" ", piece.begin, piece.begin);
      builder.keep(piece.begin, piece.end);
      pieces.push_back({begin, builder.size()});
    }
    state = {builder.finish(), std::move(pieces)};
  }

  std::string describe() const override { return "PrefixSpace"; }
};

class PreTokenizerSequence : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<std::unique_ptr<PreTokenizer>> parts)
      : parts_(std::move(parts)) {}

  void refine(PreTokenized& state) const override {
    for (const auto& part : parts_) part->refine(state);
  }

  std::string describe() const override {
    std::vector<std::string> parts;
    for (const auto& part : parts_) parts.push_back(part->describe());
    return join(parts, ",");
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> parts_;
};

// A match goes with the range before it, unless that is a match as well.
void merge_with_previous(const std::vector<SplitRange>& ranges, std::vector<ByteSpan>& merged) {
  bool previous_match = false;
  for (const SplitRange& range : ranges) {
    if (range.is_match && !previous_match && !merged.empty()) {
      merged.back().end = range.span.end;
    } else {
      merged.push_back(range.span);
    }
    previous_match = range.is_match;
  }
}

// The mirror image: a match goes with the range behind it.
void merge_with_next(const std::vector<SplitRange>& ranges, std::vector<ByteSpan>& merged) {
  bool pending_match = false;  // the last of `merged` is a match that may take what follows
  for (const SplitRange& range : ranges) {
    if (pending_match && !range.is_match) {
      merged.back().end = range.span.end;
    } else {
      merged.push_back(range.span);
    }
    pending_match = range.is_match;
  }
}

void merge_alike(const std::vector<SplitRange>& ranges, std::vector<ByteSpan>& merged) {
  bool previous_match = false;
  for (const SplitRange& range : ranges) {
    if (range.is_match == previous_match && !merged.empty()) {
      merged.back().end = range.span.end;
    } else {
      merged.push_back(range.span);
    }
    previous_match = range.is_match;
  }
}

}  // namespace

void apply_split(const std::vector<SplitRange>& ranges, SplitBehavior behavior,
                 std::vector<ByteSpan>& pieces) {
  std::vector<ByteSpan> merged;
  switch (behavior) {
    case SplitBehavior::kRemoved:
    case SplitBehavior::kIsolated:
      for (const SplitRange& range : ranges) {
        const bool dropped = range.is_match && behavior == SplitBehavior::kRemoved;
        if (!dropped && range.span.begin < range.span.end) pieces.push_back(range.span);
      }
      return;
    case SplitBehavior::kMergedWithPrevious:
      merge_with_previous(ranges, merged);
      break;
    case SplitBehavior::kMergedWithNext:
      merge_with_next(ranges, merged);
      break;
    case SplitBehavior::kContiguous:
      merge_alike(ranges, merged);
      break;
  }
  for (const ByteSpan& span : merged) {
    if (span.begin < span.end) pieces.push_back(span);
  }
}

std::unique_ptr<PreTokenizer> make_split(Regex pattern, SplitBehavior behavior, SplitOn split_on) {
  return std::make_unique<Split>(std::move(pattern), behavior, split_on);
}

std::unique_ptr<PreTokenizer> make_digits(DigitRuns runs) {
  return std::make_unique<Digits>(runs);
}

std::unique_ptr<PreTokenizer> make_prefix_space() {
  return std::make_unique<PrefixSpace>();
}

std::unique_ptr<PreTokenizer> make_pre_tokenizer_sequence(std::vector<std::unique_ptr<PreTokenizer>> parts) {
  return std::make_unique<PreTokenizerSequence>(std::move(parts));
}

}  // namespace emend::text
