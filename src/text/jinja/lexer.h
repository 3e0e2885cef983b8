// A template as tokens, as Jinja2's lexer cuts it with trim_blocks and lstrip_blocks on, which is how
// transformers sets them. White space that `-`, trim_blocks and lstrip_blocks take away is gone already.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace emend::text::jinja {

enum class TokenKind {
  kData,         // text outside of tags
  kOutputBegin,  // {{
  kOutputEnd,    // }}
  kBlockBegin,   // {%
  kBlockEnd,     // %}
  kName,
  kString,  // `text` holds it with its escapes resolved
  kInteger,
  kFloat,
  kOperator,  // `text` is one of + - / // * % ** ~ [ ] ( ) { } == != > >= < <= = . : | , ;
  kEnd,       // of the template
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::size_t position = 0;  // byte in the normalised source
  std::string text;
  std::int64_t integer = 0;
  double number = 0;
};

// A fault of the template's text, with the byte where it lies.
struct SyntaxFault {
  std::size_t position = 0;
  std::string message;
};

// Line ends as "\n", and the last one taken off, as Jinja2 does before anything else.
std::string normalise_source(std::string_view source);

// `source` is normalised. Throws SyntaxFault.
std::vector<Token> tokenize(std::string_view source);

}  // namespace emend::text::jinja
