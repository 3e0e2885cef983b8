// Rewrites a text before it is split, one file component ("NFC", "Lowercase", ...) each.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/aligned_text.h"
#include "text/regex.h"

namespace emend::text {

// Immutable; any thread may call any method.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual AlignedText normalize(const AlignedText& text, Position position = Position::kStart) const = 0;
  // All that the result depends on, for fingerprints: "NFC", "Replace(\" \",\"_\")".
  virtual std::string describe() const = 0;
};

enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };

std::unique_ptr<Normalizer> make_unicode_normalizer(UnicodeForm form);
std::unique_ptr<Normalizer> make_lowercase();
// Without marks (categories Mn, Mc and Me).
std::unique_ptr<Normalizer> make_strip_accents();
// Without white space at the begin or the end.
std::unique_ptr<Normalizer> make_strip(bool left, bool right);
// `prefix` in front of every text that is not empty, but for one that continues another.
std::unique_ptr<Normalizer> make_prepend(std::string prefix);
// `content`, taken literally, for every match.
std::unique_ptr<Normalizer> make_replace(Regex pattern, std::string content);
// One after the other.
std::unique_ptr<Normalizer> make_normalizer_sequence(std::vector<std::unique_ptr<Normalizer>> parts);

// A text in lower case, by Unicode's rules for single characters. Ill-formed parts become U+FFFD.
std::string lower_case(std::string_view text);

}  // namespace emend::text
