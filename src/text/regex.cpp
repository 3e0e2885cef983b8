#include "text/regex.h"

#include <fmt/format.h>
#include <oniguruma.h>

#include <array>
#include <new>
#include <utility>

#include "emend/error.h"
#include "text/regex_encoding.h"
#include "text/unicode.h"

namespace emend::text {
namespace {

// Steps back of one attempt at one place: Oniguruma's own default, at which `tokenizers` gives up as well.
constexpr unsigned long kRetriesInMatch = 10'000'000;
// Steps back of one search over all places: linear in the text, so that a pattern that steps back from every
// place ends.
constexpr unsigned long kRetriesInSearch = 10'000'000, kRetriesPerByte = 100;
constexpr unsigned int kStackEntries = 8 * 1024 * 1024;  // of about 40 bytes

struct Free {
  void operator()(OnigRegexType* p) const { onig_free(p); }
  void operator()(OnigMatchParam* p) const { onig_free_match_param(p); }
  void operator()(OnigRegion* p) const { onig_region_free(p, 1); }
};
template <typename T>
using Handle = std::unique_ptr<T, Free>;

const OnigUChar* begin_of(std::string_view text) {
  return reinterpret_cast<const OnigUChar*>(text.data());
}

const OnigUChar* end_of(std::string_view text) {
  return begin_of(text) + text.size();
}

std::string error_text(int code, OnigErrorInfo* info = nullptr) {
  std::array<OnigUChar, ONIG_MAX_ERROR_MESSAGE_LEN> buffer{};
  const int length =
      info ? onig_error_code_to_str(buffer.data(), code, info) : onig_error_code_to_str(buffer.data(), code);
  return std::string(reinterpret_cast<const char*>(buffer.data()), static_cast<std::size_t>(length));
}

}  // namespace

struct Regex::Compiled {
  Handle<OnigRegexType> code;
};

Regex::Regex(std::string pattern, std::string where)
    : pattern_(std::move(pattern)), where_(std::move(where)) {
  OnigRegex code = nullptr;
  OnigErrorInfo info{};
  const int status = onig_new(&code, begin_of(pattern_), end_of(pattern_), ONIG_OPTION_NONE, regex_encoding(),
                              ONIG_SYNTAX_ONIGURUMA, &info);
  if (status != ONIG_NORMAL) {
    throw Error(ErrorKind::kFormat, fmt::format("{}: the regex {} does not compile: {}", where_, pattern_,
                                                error_text(status, &info)));
  }
  compiled_ = std::make_unique<Compiled>();
  compiled_->code.reset(code);
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

Regex Regex::literal(std::string_view text, std::string where) {
  std::string pattern;
  for (const char c : text) {
    const bool ascii_punctuation =
        (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
    if (ascii_punctuation) pattern += '\\';
    pattern += c;
  }
  return Regex(std::move(pattern), std::move(where));
}

struct RegexMatcher::State {
  Handle<OnigMatchParam> limits;
  Handle<OnigRegion> region;

  // Where a match begins, ONIG_MISMATCH, or the number of an error.
  int search(OnigRegexType* code, std::string_view subject, std::size_t start) {
    const OnigUChar* end = end_of(subject);
    return onig_search_with_param(code, begin_of(subject), end, begin_of(subject) + start, end, region.get(),
                                  ONIG_OPTION_NONE, limits.get());
  }
};

RegexMatcher::RegexMatcher(const Regex& regex) : regex_(regex), state_(std::make_unique<State>()) {
  state_->limits.reset(onig_new_match_param());
  state_->region.reset(onig_region_new());
  if (!state_->limits || !state_->region) throw std::bad_alloc();
  onig_initialize_match_param(state_->limits.get());
  onig_set_retry_limit_in_match_of_match_param(state_->limits.get(), kRetriesInMatch);
  onig_set_match_stack_limit_size_of_match_param(state_->limits.get(), kStackEntries);
}

RegexMatcher::~RegexMatcher() = default;

const std::vector<ByteSpan>& RegexMatcher::find_all(std::string_view subject) {
  matches_.clear();
  onig_set_retry_limit_in_search_of_match_param(state_->limits.get(),
                                                kRetriesInSearch + kRetriesPerByte * subject.size());
  std::size_t start = 0;
  while (start <= subject.size()) {
    const int result = state_->search(regex_.compiled_->code.get(), subject, start);
    if (result == ONIG_MISMATCH) break;
    if (result < 0) {
      throw Error(ErrorKind::kFormat,
                  fmt::format("{}: the regex {} failed on a text of {} bytes: {}", regex_.where_,
                              regex_.pattern_, subject.size(), error_text(result)));
    }
    const ByteSpan match{static_cast<std::size_t>(state_->region->beg[0]),
                         static_cast<std::size_t>(state_->region->end[0])};
    const bool empty_behind_match =
        match.begin >= match.end && !matches_.empty() && matches_.back().end == match.end;
    if (empty_behind_match) {
      start = match.end < subject.size() ? match.end + code_point_at(subject, match.end).length
                                         : subject.size() + 1;
      continue;
    }
    matches_.push_back(match);
    start = match.end;
  }
  return matches_;
}

}  // namespace emend::text
