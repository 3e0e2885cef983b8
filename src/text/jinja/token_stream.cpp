#include "text/jinja/token_stream.h"

#include <fmt/format.h>

#include <utility>

#include "base/strings.h"

namespace emend::text::jinja {

const Token& TokenStream::next() {
  const Token& token = tokens_[at_];
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool TokenStream::skip_operator(std::string_view text) {
  if (!at_operator(text)) return false;
  next();
  return true;
}

bool TokenStream::skip_name(std::string_view text) {
  if (!at_name(text)) return false;
  next();
  return true;
}

void TokenStream::expect_operator(std::string_view text) {
  if (!skip_operator(text)) fail(fmt::format("expected '{}', found {}", text, describe(current())));
}

void TokenStream::expect_name(std::string_view text) {
  if (!skip_name(text)) fail(fmt::format("expected '{}', found {}", text, describe(current())));
}

std::string TokenStream::expect_any_name() {
  if (!at(TokenKind::kName)) fail(fmt::format("expected a name, found {}", describe(current())));
  return next().text;
}

void TokenStream::expect_block_end() {
  if (!at(TokenKind::kBlockEnd)) fail(fmt::format("expected '%}}', found {}", describe(current())));
  next();
}

void TokenStream::fail(std::string message) const {
  throw SyntaxFault{current().position, std::move(message)};
}

void TokenStream::refuse(std::string_view construct) const {
  fail(fmt::format("{} is not supported by emend", construct));
}

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kData:
      return "text";
    case TokenKind::kOutputBegin:
      return "'{{'";
    case TokenKind::kOutputEnd:
      return "'}}'";
    case TokenKind::kBlockBegin:
      return "'{%'";
    case TokenKind::kBlockEnd:
      return "'%}'";
    case TokenKind::kName:
      return fmt::format("the name '{}'", token.text);
    case TokenKind::kString:
      return "the string " + quote(token.text, 40);
    case TokenKind::kInteger:
    case TokenKind::kFloat:
      return "the number " + token.text;
    case TokenKind::kOperator:
      return fmt::format("'{}'", token.text);
    case TokenKind::kEnd:
      return "the end of the template";
  }
  return "something else";
}

}  // namespace emend::text::jinja
