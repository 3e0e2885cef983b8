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

// Where a part of a text stands that lies between added tokens.
enum class Place {
  kBeginsText,     // in front of everything
  kContinuesText,  // the same, but the whole text continues another
  kInside          // behind an added token
};

// A text and its pieces: ranges of text.text(), in order, none empty. Gaps are text that was removed.
struct PreTokenized {
  AlignedText text;
  std::vector<ByteSpan> pieces;
  Place place = Place::kBeginsText;
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
// Puts a space in front of every piece that does not begin with one, but for the first of a text that
// continues another.
std::unique_ptr<PreTokenizer> make_prefix_space();
// Spaces become `replacement`, which is also put in front of every piece (kAlways) or of the first one of the
// text (kFirst) that does not begin with it; not where the text continues another.
enum class PrependScheme { kAlways, kFirst, kNever };
struct Metaspace {
  char32_t replacement = 0x2581;
  PrependScheme prepend = PrependScheme::kAlways;
  bool split = true;  // cut in front of every replacement
};
std::unique_ptr<PreTokenizer> make_metaspace(const Metaspace& options);
// Runs `steps`, which only cut, on the pieces as byte-level files spell them: each byte is a character there
// (byte_alphabet.h), so that the byte 0xB2 is the number U+00B2.
std::unique_ptr<PreTokenizer> make_spelled_steps(std::unique_ptr<PreTokenizer> steps);
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
