// Regexes of tokenizer files, run by Oniguruma in its own syntax, as `tokenizers` runs them.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "emend/tokenizer.h"

namespace emend::text {

// A compiled pattern; immutable, usable by any number of RegexMatchers at once.
class Regex {
 public:
  // `where` names file and field in messages. Throws Error(kFormat) if the pattern does not compile.
  Regex(std::string pattern, std::string where);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  // A pattern that matches exactly `text`.
  static Regex literal(std::string_view text, std::string where);

  const std::string& pattern() const { return pattern_; }

 private:
  friend class RegexMatcher;
  struct Compiled;
  std::string pattern_;
  std::string where_;
  std::unique_ptr<Compiled> compiled_;
};

// What one thread needs to match; make one for many subjects. The Regex must outlive it.
class RegexMatcher {
 public:
  explicit RegexMatcher(const Regex& regex);
  ~RegexMatcher();
  RegexMatcher(const RegexMatcher&) = delete;
  RegexMatcher& operator=(const RegexMatcher&) = delete;

  // All matches in `subject` (valid UTF-8), leftmost first, none overlapping. An empty match right behind
  // another match is left out. The result is valid until the next call. Throws Error(kFormat) if the
  // search for one match takes too many steps or too much memory. The steps of different matches are not
  // added up: a pattern that looks ahead to the end from every match, such as a(?!.*b), takes time quadratic
  // in the subject (about a second for 20,000 bytes).
  const std::vector<ByteSpan>& find_all(std::string_view subject);

 private:
  struct State;
  const Regex& regex_;
  std::unique_ptr<State> state_;
  std::vector<ByteSpan> matches_;
};

}  // namespace emend::text
