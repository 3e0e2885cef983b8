#include "cpp_tokens.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <string_view>
#include <utility>

namespace emend::structure {
namespace {

bool word_begins(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) || c == '_';
}

bool word_goes_on(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::vector<Token> scan() {
    while (at_ < text_.size()) {
      if (std::isspace(static_cast<unsigned char>(text_[at_])))
        skip(1);
      else if (looks_at("//"))
        skip_line();
      else if (looks_at("/*"))
        skip_past("*/", 2);
      else if (text_[at_] == '#' && line_is_new_)
        skip_line();
      else
        scan_token();
    }
    return std::move(tokens_);
  }

 private:
  bool looks_at(std::string_view sign) const { return text_.substr(at_).starts_with(sign); }

  void skip(std::size_t count) {
    for (const std::size_t end = std::min(at_ + count, text_.size()); at_ < end; ++at_) {
      if (text_[at_] != '\n') continue;
      ++line_;
      line_is_new_ = true;
    }
  }

  // Past the next `sign`, which stands `from` characters ahead or later.
  void skip_past(std::string_view sign, std::size_t from) {
    const std::size_t found = text_.find(sign, at_ + from);
    skip(found == std::string_view::npos ? text_.size() : found + sign.size() - at_);
  }

  // To the end of the line, and of those that a backslash joins to it.
  void skip_line() {
    std::size_t end = text_.find('\n', at_);
    while (end != std::string_view::npos && end > 0 && text_[end - 1] == '\\')
      end = text_.find('\n', end + 1);
    skip(end == std::string_view::npos ? text_.size() : end - at_);
  }

  void scan_token() {
    line_is_new_ = false;
    const char c = text_[at_];
    if (raw_string_begins())
      take_raw_string();
    else if (c == '"' || c == '\'')
      take_literal(c);
    else if (word_begins(c))
      take_while(word_goes_on);
    else if (std::isdigit(static_cast<unsigned char>(c)))
      take_while([](char d) { return word_goes_on(d) || d == '\'' || d == '.'; });
    else
      take(looks_at("::") ? 2 : 1);
  }

  void take(std::size_t count) {
    tokens_.push_back({std::string(text_.substr(at_, count)), line_, false, ""});
    at_ += count;
  }

  template <typename Belongs>
  void take_while(Belongs belongs) {
    const auto begin = text_.begin() + static_cast<std::ptrdiff_t>(at_);
    take(static_cast<std::size_t>(std::find_if_not(begin, text_.end(), belongs) - begin));
  }

  bool raw_string_begins() const {
    static constexpr std::string_view kPrefixes[] = {"R\"", "u8R\"", "uR\"", "UR\"", "LR\""};
    return std::ranges::any_of(kPrefixes, [&](std::string_view prefix) { return looks_at(prefix); });
  }

  // R"name( ... )name"
  void take_raw_string() {
    tokens_.push_back({"\"\"", line_, true, ""});
    const std::size_t quote = text_.find('"', at_), open = text_.find('(', quote);
    if (open == std::string_view::npos) return skip(text_.size());
    const std::string name(text_.substr(quote + 1, open - quote - 1)), end = ")" + name + "\"";
    tokens_.back().literal = text_.substr(open + 1, text_.find(end, open) - open - 1);
    skip_past(end, open - at_);
  }

  void take_literal(char quote) {
    std::size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote) end += text_[end] == '\\' ? 2 : 1;
    const bool is_string = quote == '"';
    tokens_.push_back(
        {"\"\"", line_, is_string, is_string ? std::string(text_.substr(at_ + 1, end - at_ - 1)) : ""});
    skip(end + 1 - at_);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_is_new_ = true;  // nothing but blanks so far
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> cpp_tokens(const std::string& text) {
  return Scanner(text).scan();
}

std::vector<Token> string_literals(const std::string& text) {
  std::vector<Token> literals;
  bool joins = false;
  for (const Token& token : cpp_tokens(text)) {
    if (token.is_string && joins)
      literals.back().literal += token.literal;
    else if (token.is_string)
      literals.push_back(token);
    joins = token.is_string;
  }
  return literals;
}

bool is_word(const Token& token) {
  return word_begins(token.text.front());
}

}  // namespace emend::structure
