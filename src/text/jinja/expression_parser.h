// Tokens to expressions, with the precedences of Jinja2: `-` binds tighter than `**`, `~` tighter than `+`,
// filters and `is` tighter than all of these.
#pragma once

#include <string_view>
#include <vector>

#include "text/jinja/syntax.h"
#include "text/jinja/token_stream.h"

namespace emend::text::jinja {

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& tokens) : tokens_(tokens) {}

  // a if b else c
  ExpressionPtr expression();
  // As above, or a tuple without parentheses.
  ExpressionPtr tuple();
  // The same without `if` of its own: what {% for %} iterates over. With `may_be_tuple` off, one expression.
  ExpressionPtr tuple_without_condition();
  // `f(x) | g`, behind the first `|` or at the head of {% filter %}; the first filter has no object.
  ExpressionPtr filter_chain();
  Target target(std::string_view end_name = {});
  Parameters parameters();

 private:
  enum class Conditions { kAllowed, kNotAllowed };

  ExpressionPtr make(std::size_t position, decltype(Expression::node) node, int children);
  ExpressionPtr tuple_of(Conditions conditions, bool in_parentheses);
  ExpressionPtr part(Conditions conditions);
  ExpressionPtr either();         // or
  ExpressionPtr both();           // and
  ExpressionPtr negation();       // not
  ExpressionPtr comparison();     // == < in not in
  ExpressionPtr sum();            // + -
  ExpressionPtr concatenation();  // ~
  ExpressionPtr product();        // * / // %
  ExpressionPtr power();          // **
  ExpressionPtr unary(bool with_filters = true);
  ExpressionPtr primary();
  ExpressionPtr strings();
  ExpressionPtr list();
  ExpressionPtr dict();
  ExpressionPtr postfix(ExpressionPtr object);
  ExpressionPtr filters_and_tests(ExpressionPtr object);
  ExpressionPtr attribute(ExpressionPtr object);
  ExpressionPtr subscript(ExpressionPtr object);
  ExpressionPtr call(ExpressionPtr function);
  ExpressionPtr filter(ExpressionPtr object);
  ExpressionPtr test(ExpressionPtr object);
  CallArguments call_arguments();
  CallArguments test_arguments();
  Target single_target();
  std::string dotted_name();

  // Held while the parser calls itself.
  class Nested {
   public:
    explicit Nested(ExpressionParser& parser);
    ~Nested() { --parser_.depth_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    ExpressionParser& parser_;
  };

  TokenStream& tokens_;
  int depth_ = 0;
};

}  // namespace emend::text::jinja
