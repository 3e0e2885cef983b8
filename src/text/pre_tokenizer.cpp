#include "text/pre_tokenizer.h"

#include <fmt/format.h>

#include <utility>

#include "base/strings.h"
#include "text/byte_alphabet.h"
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

// Whether the piece is the begin of a text that continues another.
bool continues(const PreTokenized& state, const ByteSpan& piece) {
  return state.place == Place::kContinuesText && piece.begin == 0;
}

class PrefixSpace : public PreTokenizer {
 public:
  void refine(PreTokenized& state) const override {
    const std::string_view text = state.text.text();
    AlignedTextBuilder builder(state.text);
    std::vector<ByteSpan> pieces;
    for (const ByteSpan& piece : state.pieces) {
      const std::size_t begin = builder.size();
      const bool prefixed = text[piece.begin] != ' ' && !continues(state, piece);
      if (prefixed) builder.replace(" ", piece.begin, piece.begin);
      builder.keep(piece.begin, piece.end);
      pieces.push_back({begin, builder.size()});
    }
    state.text = builder.finish();
    state.pieces = std::move(pieces);
  }

  std::string describe() const override { return "PrefixSpace"; }
};

class MetaspaceStep : public PreTokenizer {
 public:
  explicit MetaspaceStep(const Metaspace& options) : options_(options) {
    append_utf8(replacement_, options.replacement);
  }

  void refine(PreTokenized& state) const override {
    AlignedTextBuilder builder(state.text);
    std::vector<ByteSpan> pieces;
    for (const ByteSpan& piece : state.pieces) {
      const std::size_t begin = builder.size();
      if (is_prefixed(state, piece)) builder.replace(replacement_, piece.begin, piece.begin);
      write_piece(state.text.text(), piece, begin, builder, pieces);
    }
    state.text = builder.finish();
    state.pieces = std::move(pieces);
  }

  std::string describe() const override {
    return fmt::format("Metaspace({},{}{})", replacement_, static_cast<int>(options_.prepend),
                       options_.split ? ",split" : "");
  }

 private:
  bool is_prefixed(const PreTokenized& state, const ByteSpan& piece) const {
    const std::string_view text = state.text.text().substr(piece.begin, piece.end - piece.begin);
    if (text.starts_with(' ') || text.starts_with(replacement_)) return false;
    if (options_.prepend == PrependScheme::kNever || continues(state, piece)) return false;
    return options_.prepend == PrependScheme::kAlways ||
           (state.place == Place::kBeginsText && piece.begin == 0);
  }

  // The piece with its spaces replaced, cut in front of every replacement where that is asked for.
  void write_piece(std::string_view text, const ByteSpan& piece, std::size_t begin,
                   AlignedTextBuilder& builder, std::vector<ByteSpan>& pieces) const {
    for (std::size_t i = piece.begin; i < piece.end;) {
      const bool space = text[i] == ' ';
      const bool marked = space || text.substr(i, piece.end - i).starts_with(replacement_);
      if (options_.split && marked && builder.size() > begin) {
        pieces.push_back({begin, builder.size()});
        begin = builder.size();
      }
      const std::size_t length = code_point_at(text, i).length;
      if (space)
        builder.replace(replacement_, i, i + 1);
      else
        builder.keep(i, i + length);
      i += length;
    }
    pieces.push_back({begin, builder.size()});
  }

  Metaspace options_;
  std::string replacement_;
};

class SpelledSteps : public PreTokenizer {
 public:
  explicit SpelledSteps(std::unique_ptr<PreTokenizer> steps) : steps_(std::move(steps)) {}

  void refine(PreTokenized& state) const override {
    const std::string_view text = state.text.text();
    std::vector<std::size_t> spelled_at(text.size() + 1), byte_at;
    std::string spelled;
    for (std::size_t i = 0; i < text.size(); ++i) {
      spelled_at[i] = spelled.size();
      spelled += spelling_of_bytes(text.substr(i, 1));
      byte_at.resize(spelled.size(), i);
    }
    spelled_at[text.size()] = spelled.size();
    byte_at.push_back(text.size());
    PreTokenized inner{AlignedText(spelled), state.pieces, state.place};
    for (ByteSpan& piece : inner.pieces) piece = {spelled_at[piece.begin], spelled_at[piece.end]};
    steps_->refine(inner);
    state.pieces.clear();
    for (const ByteSpan& piece : inner.pieces)
      state.pieces.push_back({byte_at[piece.begin], byte_at[piece.end]});
  }

  std::string describe() const override { return "Spelled[" + steps_->describe() + "]"; }

 private:
  std::unique_ptr<PreTokenizer> steps_;
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

std::unique_ptr<PreTokenizer> make_metaspace(const Metaspace& options) {
  return std::make_unique<MetaspaceStep>(options);
}

std::unique_ptr<PreTokenizer> make_spelled_steps(std::unique_ptr<PreTokenizer> steps) {
  return std::make_unique<SpelledSteps>(std::move(steps));
}

std::unique_ptr<PreTokenizer> make_pre_tokenizer_sequence(std::vector<std::unique_ptr<PreTokenizer>> parts) {
  return std::make_unique<PreTokenizerSequence>(std::move(parts));
}

}  // namespace emend::text
