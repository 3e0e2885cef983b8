#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <fmt/format.h>
#include <pcre2.h>

#include <array>
#include <utility>

#include "emend/error.h"
#include "text/unicode.h"

namespace emend::text {
namespace {

constexpr std::uint32_t kMatchLimit = 10'000'000;
constexpr std::uint32_t kHeapLimitKib = 64 * 1024;
constexpr std::size_t kJitStackStartBytes = 64 * 1024;
constexpr std::size_t kJitStackMostBytes = 64 * 1024 * 1024;

struct Free {
  void operator()(pcre2_code* p) const { pcre2_code_free(p); }
  void operator()(pcre2_compile_context* p) const { pcre2_compile_context_free(p); }
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
  void operator()(pcre2_jit_stack* p) const { pcre2_jit_stack_free(p); }
};
template <typename T>
using Handle = std::unique_ptr<T, Free>;

std::string error_text(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

// Oniguruma gives these another meaning; better no tokenizer than a slightly wrong one.
void refuse_other_dialect(const std::string& pattern, const std::string& where) {
  for (const std::string_view construct : {"&&", "\\h", "\\H", "(?m"}) {
    for (std::size_t at = pattern.find(construct); at != std::string::npos;
         at = pattern.find(construct, at + 1)) {
      std::size_t backslashes = 0;
      while (backslashes < at && pattern[at - 1 - backslashes] == '\\') ++backslashes;
      if (backslashes % 2 == 1) continue;
      throw Error(ErrorKind::kFormat,
                  fmt::format("{}: the regex {} uses {}, which is not supported", where, pattern, construct));
    }
  }
}

}  // namespace

struct Regex::Compiled {
  Handle<pcre2_code> code;
};

Regex::Regex(std::string pattern, std::string where)
    : pattern_(std::move(pattern)), where_(std::move(where)) {
  refuse_other_dialect(pattern_, where_);
  const Handle<pcre2_compile_context> context(pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  // Ruby's syntax, Oniguruma's default, has `^` and `$` match at each line.
  const std::uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  int error = 0;
  PCRE2_SIZE at = 0;
  compiled_ = std::make_unique<Compiled>();
  compiled_->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern_.data()), pattern_.size(), options,
                                      &error, &at, context.get()));
  if (!compiled_->code) {
    throw Error(ErrorKind::kFormat, fmt::format("{}: the regex {} does not compile at byte {}: {}", where_,
                                                pattern_, at, error_text(error)));
  }
  pcre2_jit_compile(compiled_->code.get(), PCRE2_JIT_COMPLETE);  // without JIT it is slower, not wrong
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
  Handle<pcre2_match_data> data;
  Handle<pcre2_match_context> context;
  Handle<pcre2_jit_stack> stack;  // made when the small default one overflows

  int match(const pcre2_code* code, std::string_view subject, std::size_t start) {
    const auto run = [&] {
      return pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(subject.data()), subject.size(), start,
                         PCRE2_NO_UTF_CHECK, data.get(), context.get());
    };
    const int result = run();
    if (result != PCRE2_ERROR_JIT_STACKLIMIT || stack) return result;
    stack.reset(pcre2_jit_stack_create(kJitStackStartBytes, kJitStackMostBytes, nullptr));
    pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
    return run();
  }
};

RegexMatcher::RegexMatcher(const Regex& regex) : regex_(regex), state_(std::make_unique<State>()) {
  state_->data.reset(pcre2_match_data_create_from_pattern(regex.compiled_->code.get(), nullptr));
  state_->context.reset(pcre2_match_context_create(nullptr));
  if (!state_->data || !state_->context) throw std::bad_alloc();
  pcre2_set_match_limit(state_->context.get(), kMatchLimit);
  pcre2_set_heap_limit(state_->context.get(), kHeapLimitKib);
}

RegexMatcher::~RegexMatcher() = default;

const std::vector<ByteSpan>& RegexMatcher::find_all(std::string_view subject) {
  matches_.clear();
  const std::string_view seen = with_stand_ins(subject, stand_ins_);
  const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(state_->data.get());
  std::size_t start = 0;
  while (start <= seen.size()) {
    const int result = state_->match(regex_.compiled_->code.get(), seen, start);
    if (result == PCRE2_ERROR_NOMATCH) break;
    if (result < 0) {
      throw Error(ErrorKind::kFormat,
                  fmt::format("{}: the regex {} failed on a text of {} bytes: {}", regex_.where_,
                              regex_.pattern_, seen.size(), error_text(result)));
    }
    const ByteSpan match{ends[0], ends[1]};
    const bool empty_behind_match =
        match.begin >= match.end && !matches_.empty() && matches_.back().end == match.end;
    if (empty_behind_match) {
      start = match.end < seen.size() ? match.end + code_point_at(seen, match.end).length : seen.size() + 1;
      continue;
    }
    matches_.push_back(match);
    start = match.end;
  }
  return matches_;
}

}  // namespace emend::text
