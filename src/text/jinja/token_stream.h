// The tokens of a template, one at a time, with one to look ahead at.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/lexer.h"

namespace emend::text::jinja {

class TokenStream {
 public:
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& current() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  // Returns the current token and moves on; stays at the end.
  const Token& next();

  bool at(TokenKind kind) const { return current().kind == kind; }
  bool at_operator(std::string_view text) const { return is_operator(current(), text); }
  bool at_name(std::string_view text) const { return is_name(current(), text); }
  bool skip_operator(std::string_view text);
  bool skip_name(std::string_view text);

  // Throw SyntaxFault when another token stands there.
  void expect_operator(std::string_view text);
  void expect_name(std::string_view text);
  std::string expect_any_name();
  void expect_block_end();

  [[noreturn]] void fail(std::string message) const;
  // Something that Jinja2 may know and emend does not.
  [[noreturn]] void refuse(std::string_view construct) const;

  static bool is_operator(const Token& token, std::string_view text) {
    return token.kind == TokenKind::kOperator && token.text == text;
  }
  static bool is_name(const Token& token, std::string_view text) {
    return token.kind == TokenKind::kName && token.text == text;
  }

 private:
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
};

// For messages: `'+'`, `the name 'x'`, `the end of the tag`, ...
std::string describe(const Token& token);

}  // namespace emend::text::jinja
