#include "text/jinja/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/strings.h"
#include "text/jinja/characters.h"
#include "text/jinja/string_literal.h"

namespace emend::text::jinja {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// Longest first.
constexpr std::array kOperators = std::to_array<std::string_view>({
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
    "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";",
});

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) read_data();
    add(TokenKind::kEnd, at_);
    return std::move(tokens_);
  }

 private:
  bool starts(std::string_view text) const { return source_.substr(at_).starts_with(text); }

  [[noreturn]] static void fail(std::size_t position, std::string message) {
    throw SyntaxFault{position, std::move(message)};
  }

  Token& add(TokenKind kind, std::size_t position, std::string text = {}) {
    tokens_.push_back({kind, position, std::move(text), 0, 0});
    return tokens_.back();
  }

  void skip_space() { at_ += leading_space(source_.substr(at_)); }

  // Every step of Jinja2's lexer remembers whether it ended a line: a tag behind it then begins one.
  void note_line_start() { line_starts_ = at_ > 0 && source_[at_ - 1] == '\n'; }

  // Where the next {{, {% or {# stands.
  std::size_t find_tag() const {
    for (std::size_t at = at_; at + 1 < source_.size(); ++at) {
      const char next = source_[at + 1];
      if (source_[at] == '{' && (next == '{' || next == '%' || next == '#')) return at;
    }
    return source_.size();
  }

  void add_data(std::size_t begin, std::string_view text) {
    if (!text.empty()) add(TokenKind::kData, begin, std::string(text));
  }

  // What stays of the text before a tag whose sign is `-`, `+` or none ('\0').
  std::string_view before_tag(std::string_view text, char sign, bool is_output) const {
    if (sign == '-') return text.substr(0, trailing_space(text));
    if (sign == '+' || is_output) return text;
    const std::size_t line = text.rfind('\n') + 1;  // 0 when there is none
    if (line == 0 && !line_starts_) return text;
    return leading_space(text.substr(line)) == text.size() - line ? text.substr(0, line) : text;
  }

  static char sign_at(std::string_view text, std::size_t at) {
    return at < text.size() && (text[at] == '-' || text[at] == '+') ? text[at] : '\0';
  }

  // Text up to the next tag, and that tag.
  void read_data() {
    const std::size_t begin = at_, tag = find_tag();
    const std::string_view text = source_.substr(begin, tag - begin);
    if (tag == source_.size()) {
      add_data(begin, text);
      at_ = tag;
      return;
    }
    const char opening = source_[tag + 1], sign = sign_at(source_, tag + 2);
    add_data(begin, before_tag(text, sign, opening == '{'));
    at_ = tag + 2 + (sign != '\0');
    line_starts_ = false;
    if (opening == '#') return read_comment(tag);
    if (opening == '%' && begins_raw()) return read_raw(tag);
    add(opening == '{' ? TokenKind::kOutputBegin : TokenKind::kBlockBegin, tag);
    read_tag(tag, opening == '{');
  }

  // The end of a comment or a block: with `-` the space behind it goes, otherwise one line end.
  void after_block(char sign) {
    at_ += 2;
    if (sign == '-')
      skip_space();
    else if (sign == '\0' && at_ < source_.size() && source_[at_] == '\n')
      ++at_;
    note_line_start();
  }

  void read_comment(std::size_t begin) {
    const std::size_t end = source_.find("#}", at_);
    if (end == std::string_view::npos) fail(begin, "this comment has no end: #} is missing");
    const char sign = end > at_ ? sign_at(source_, end - 1) : '\0';
    at_ = end;
    after_block(sign);
  }

  // After "{%": whether this is {% raw %}; moves behind it if so.
  bool begins_raw() {
    std::size_t at = at_ + leading_space(source_.substr(at_));
    if (!source_.substr(at).starts_with("raw")) return false;
    at += 3;
    at += leading_space(source_.substr(at));
    if (source_.substr(at).starts_with("-%}")) {
      at_ = at + 3;
      skip_space();
    } else if (source_.substr(at).starts_with("%}")) {
      at_ = at + 2;
    } else {
      return false;
    }
    note_line_start();
    return true;
  }

  void read_raw(std::size_t begin) {
    const std::size_t body = at_;
    for (std::size_t tag = source_.find("{%", at_); tag != std::string_view::npos;
         tag = source_.find("{%", tag + 2)) {
      const char sign = sign_at(source_, tag + 2);
      std::size_t at = tag + 2 + (sign != '\0');
      at += leading_space(source_.substr(at));
      if (!source_.substr(at).starts_with("endraw")) continue;
      at += 6;
      at += leading_space(source_.substr(at));
      const char end_sign = sign_at(source_, at);
      if (end_sign != '\0') ++at;
      if (!source_.substr(at).starts_with("%}")) continue;
      add_data(body, before_tag(source_.substr(body, tag - body), sign, false));
      at_ = at;
      return after_block(end_sign);
    }
    fail(begin, "this raw block has no end: {% endraw %} is missing");
  }

  // Tokens up to the end of {{ }} or {% %}.
  void read_tag(std::size_t begin, bool is_output) {
    std::vector<char> open;
    while (true) {
      skip_space();
      if (at_ >= source_.size())
        fail(begin, fmt::format("this tag has no end: {} is missing", is_output ? "}}" : "%}"));
      if (open.empty() && end_of_tag(is_output)) return;
      read_token(open);
    }
  }

  bool end_of_tag(bool is_output) {
    const std::size_t position = at_;
    const std::string_view closing = is_output ? "}}" : "%}";
    const char sign = sign_at(source_, at_);
    if (source_.substr(at_ + (sign != '\0')).starts_with(closing) && !(is_output && sign == '+')) {
      at_ += sign != '\0';
      add(is_output ? TokenKind::kOutputEnd : TokenKind::kBlockEnd, position);
      if (is_output) {  // keeps its line end
        at_ += 2;
        if (sign == '-') skip_space();
        note_line_start();
      } else {
        after_block(sign);
      }
      return true;
    }
    return false;
  }

  void read_token(std::vector<char>& open) {
    const char c = source_[at_];
    if (is_digit(c)) return read_number();
    if (is_name_start(c)) {
      const std::size_t begin = at_;
      while (at_ < source_.size() && (is_name_start(source_[at_]) || is_digit(source_[at_]))) ++at_;
      add(TokenKind::kName, begin, std::string(source_.substr(begin, at_ - begin)));
      return;
    }
    if (c == '\'' || c == '"') return read_string(c);
    read_operator(open);
  }

  void read_string(char delimiter) {
    const std::size_t begin = at_++;
    while (at_ < source_.size() && source_[at_] != delimiter) at_ += source_[at_] == '\\' ? 2 : 1;
    if (at_ >= source_.size()) fail(begin, "this string has no end");
    add(TokenKind::kString, begin, unescape(source_.substr(begin + 1, at_ - begin - 1), begin + 1));
    ++at_;
  }

  void read_operator(std::vector<char>& open) {
    for (const std::string_view name : kOperators) {
      if (!starts(name)) continue;
      balance(name[0], open);
      add(TokenKind::kOperator, at_, std::string(name));
      at_ += name.size();
      return;
    }
    const std::size_t length = characters(source_.substr(at_)).front().size();
    fail(at_, fmt::format("unexpected character {}", quote(source_.substr(at_, length))));
  }

  void balance(char c, std::vector<char>& open) const {
    if (c == '(') open.push_back(')');
    if (c == '[') open.push_back(']');
    if (c == '{') open.push_back('}');
    if (c != ')' && c != ']' && c != '}') return;
    if (open.empty()) fail(at_, fmt::format("unexpected '{}'", c));
    if (open.back() != c) fail(at_, fmt::format("unexpected '{}', expected '{}'", c, open.back()));
    open.pop_back();
  }

  // Digits, with single underscores between them.
  std::size_t digits_end(std::size_t at) const {
    const std::size_t begin = at;
    while (at < source_.size() &&
           (is_digit(source_[at]) ||
            (source_[at] == '_' && at > begin && at + 1 < source_.size() && is_digit(source_[at + 1]))))
      ++at;
    return at;
  }

  // Where a float that begins here ends; `at_` if the number has neither fraction nor exponent.
  std::size_t float_end() const {
    if (at_ > 0 && source_[at_ - 1] == '.') return at_;
    std::size_t end = digits_end(at_);
    bool is_float = false;
    if (end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1])) {
      end = digits_end(end + 1);
      is_float = true;
    }
    if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      const std::size_t digits = end + 1 + (sign_at(source_, end + 1) != '\0');
      if (digits < source_.size() && is_digit(source_[digits])) {
        end = digits_end(digits);
        is_float = true;
      }
    }
    return is_float ? end : at_;
  }

  void read_number() {
    const std::size_t begin = at_, end = float_end();
    const auto without_underscores = [&](std::size_t last) {
      std::string digits(source_.substr(begin, last - begin));
      std::erase(digits, '_');
      return digits;
    };
    if (end > begin) {
      const std::string digits = without_underscores(end);
      Token& token = add(TokenKind::kFloat, begin, digits);
      at_ = end;
      const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), token.number);
      if (read.ec != std::errc()) fail(begin, fmt::format("the number {} is out of range", digits));
      return;
    }
    // "0" is followed by zeros only; hexadecimal and the like do not occur.
    at_ = digits_end(begin);
    if (source_[begin] == '0') {
      at_ = begin;
      while (at_ < source_.size() && source_[at_] == '0') ++at_;
      const char next = at_ < source_.size() ? source_[at_] : ' ';
      if (is_digit(next) || is_name_start(next)) fail(begin, "only decimal numbers are supported");
    }
    const std::string digits = without_underscores(at_);
    Token& token = add(TokenKind::kInteger, begin, digits);
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), token.integer);
    if (read.ec != std::errc()) fail(begin, fmt::format("the number {} does not fit into 64 bits", digits));
  }

  std::string_view source_;
  std::size_t at_ = 0;
  bool line_starts_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::string normalise_source(std::string_view source) {
  std::string result;
  result.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      result += source[i];
      continue;
    }
    result += '\n';
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (result.ends_with('\n')) result.pop_back();
  return result;
}

std::vector<Token> tokenize(std::string_view source) {
  return Lexer(source).run();
}

}  // namespace emend::text::jinja
