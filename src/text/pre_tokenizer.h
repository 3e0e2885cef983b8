// Cuts a text into the pieces that the model encodes one by one, one file component ("Split", "Digits", ...)
// each.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/aligned_text.h"
#include "text/patterns.h"
#include "text/regex.h"

namespace emend::text {

// A text and its pieces: ranges of text.text(), in order, none empty. Gaps are text that was removed.
struct PreTokenized {
  AlignedText text;
  std::vector<ByteSpan> pieces;
};

// What becomes of the matches of a pattern and the text between them.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

enum class SplitOn { kMatches, kGaps };  // kGaps: matches and gaps change roles ("invert")

// Immutable; any thread may call any method.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Cuts each piece further.
  virtual void refine(PreTokenized& state) const = 0;
  // All that the result depends on, for fingerprints.
  virtual std::string describe() const = 0;
};

std::unique_ptr<PreTokenizer> make_split(Regex pattern, SplitBehavior behavior, SplitOn split_on);
// Numbers (Nd, Nl, No) apart from the rest: each digit a piece, or each run of them.
enum class DigitRuns { kEachDigit, kWholeRun };
std::unique_ptr<PreTokenizer> make_digits(DigitRuns runs);
// Puts a space in front of every piece that does not begin with one.
std::unique_ptr<PreTokenizer> make_prefix_space();
std::unique_ptr<PreTokenizer> make_pre_tokenizer_sequence(std::vector<std::unique_ptr<PreTokenizer>> parts);

// A range of a piece, and whether the pattern matches it. A list of them covers the piece.
struct SplitRange {
  ByteSpan span;
  bool is_match = false;
};
// The rule of each SplitBehavior, on its own for tests; appends to `pieces`, leaving out the empty ones.
void apply_split(const std::vector<SplitRange>& ranges, SplitBehavior behavior,
                 std::vector<ByteSpan>& pieces);

}  // namespace emend::text
