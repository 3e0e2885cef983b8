#include "text/jinja/string_literal.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/lexer.h"
#include "text/unicode.h"

namespace emend::text::jinja {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

class Unescaper {
 public:
  Unescaper(std::string_view body, std::size_t position) : body_(body), position_(position) {}

  std::string run() {
    while (at_ < body_.size()) {
      if (body_[at_] == '\\' && at_ + 1 < body_.size())
        escape();
      else
        result_ += body_[at_++];
    }
    return std::move(result_);
  }

 private:
  [[noreturn]] void fail(std::string message) const {
    throw SyntaxFault{position_ + at_, std::move(message)};
  }

  void escape() {
    constexpr std::string_view kLetters = "abfnrtv\\'\"";
    constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
    const char letter = body_[at_ + 1];
    const std::size_t known = kLetters.find(letter);
    if (known != std::string_view::npos) {
      result_ += kMeanings[known];
      at_ += 2;
    } else if (letter == '\n') {  // the line goes on
      at_ += 2;
    } else if (letter == 'x' || letter == 'u' || letter == 'U') {
      hexadecimal(letter == 'x' ? 2 : letter == 'u' ? 4 : 8);
    } else if (letter >= '0' && letter <= '7') {
      octal();
    } else if (letter == 'N') {
      fail("the escape \\N is not supported");
    } else {
      result_ += '\\';
      ++at_;
    }
  }

  void hexadecimal(std::size_t digits) {
    char32_t code_point = 0;
    for (std::size_t i = at_ + 2; i < at_ + 2 + digits; ++i) {
      const int value = i < body_.size() ? hex_value(body_[i]) : -1;
      if (value < 0) fail(fmt::format("the escape \\{} needs {} hexadecimal digits", body_[at_ + 1], digits));
      code_point = code_point * 16 + static_cast<char32_t>(value);
    }
    if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF))
      fail("this escape names no character");
    append_utf8(result_, code_point);
    at_ += 2 + digits;
  }

  void octal() {
    char32_t code_point = 0;
    const std::size_t end = std::min(at_ + 4, body_.size());
    for (++at_; at_ < end && body_[at_] >= '0' && body_[at_] <= '7'; ++at_)
      code_point = code_point * 8 + static_cast<char32_t>(body_[at_] - '0');
    append_utf8(result_, code_point);
  }

  std::string_view body_;
  std::size_t position_;
  std::size_t at_ = 0;
  std::string result_;
};

}  // namespace

std::string unescape(std::string_view body, std::size_t position) {
  return Unescaper(body, position).run();
}

}  // namespace emend::text::jinja
