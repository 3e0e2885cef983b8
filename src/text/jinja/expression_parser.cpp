#include "text/jinja/expression_parser.h"

#include <algorithm>
#include <array>
#include <utility>

#include "text/jinja/expression_depth.h"

namespace emend::text::jinja {
namespace {

template <std::size_t count>
bool at_one_of(const TokenStream& tokens, const std::array<std::string_view, count>& operators) {
  return std::any_of(operators.begin(), operators.end(),
                     [&](std::string_view name) { return tokens.at_operator(name); });
}

}  // namespace

ExpressionParser::Nested::Nested(ExpressionParser& parser) : parser_(parser) {
  if (parser.depth_ >= kMaxExpressionDepth)
    parser.tokens_.fail("expressions stand inside each other more than 100 deep");
  ++parser.depth_;
}

ExpressionPtr ExpressionParser::make(std::size_t position, decltype(Expression::node) node, int children) {
  if (children >= kMaxExpressionDepth) tokens_.fail("this expression is more than 100 operations deep");
  return std::make_unique<Expression>(Expression{position, std::move(node), children + 1});
}

ExpressionPtr ExpressionParser::expression() {
  const Nested nested(*this);
  ExpressionPtr then = either();
  while (tokens_.at_name("if")) {
    const std::size_t position = tokens_.next().position;
    ExpressionPtr condition = either();
    ExpressionPtr otherwise = tokens_.skip_name("else") ? expression() : nullptr;
    const int depth = std::max({depth_of(then), depth_of(condition), depth_of(otherwise)});
    then = make(position, Conditional{std::move(condition), std::move(then), std::move(otherwise)}, depth);
  }
  return then;
}

ExpressionPtr ExpressionParser::tuple() {
  return tuple_of(Conditions::kAllowed, false);
}

ExpressionPtr ExpressionParser::tuple_without_condition() {
  return tuple_of(Conditions::kNotAllowed, false);
}

ExpressionPtr ExpressionParser::part(Conditions conditions) {
  return conditions == Conditions::kAllowed ? expression() : either();
}

ExpressionPtr ExpressionParser::tuple_of(Conditions conditions, bool in_parentheses) {
  const std::size_t position = tokens_.current().position;
  const auto ends = [&] {
    return tokens_.at(TokenKind::kOutputEnd) || tokens_.at(TokenKind::kBlockEnd) || tokens_.at_operator(")");
  };
  std::vector<ExpressionPtr> items;
  bool is_tuple = false;
  while (!ends()) {
    items.push_back(part(conditions));
    if (!tokens_.skip_operator(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && !items.empty()) return std::move(items.front());
  if (!is_tuple && !in_parentheses)
    tokens_.fail("expected an expression, found " + describe(tokens_.current()));
  const int depth = depth_of(items);
  return make(position, ListDisplay{Kind::kTuple, std::move(items)}, depth);
}

ExpressionPtr ExpressionParser::either() {
  ExpressionPtr left = both();
  while (tokens_.at_name("or")) {
    const std::size_t position = tokens_.next().position;
    ExpressionPtr right = both();
    const int depth = std::max(depth_of(left), depth_of(right));
    left = make(position, Binary{"or", std::move(left), std::move(right)}, depth);
  }
  return left;
}

ExpressionPtr ExpressionParser::both() {
  ExpressionPtr left = negation();
  while (tokens_.at_name("and")) {
    const std::size_t position = tokens_.next().position;
    ExpressionPtr right = negation();
    const int depth = std::max(depth_of(left), depth_of(right));
    left = make(position, Binary{"and", std::move(left), std::move(right)}, depth);
  }
  return left;
}

ExpressionPtr ExpressionParser::negation() {
  if (!tokens_.at_name("not")) return comparison();
  const Nested nested(*this);
  const std::size_t position = tokens_.next().position;
  ExpressionPtr operand = negation();
  const int depth = depth_of(operand);
  return make(position, Unary{"not", std::move(operand)}, depth);
}

ExpressionPtr ExpressionParser::comparison() {
  constexpr std::array<std::string_view, 6> kComparisons = {"==", "!=", "<", "<=", ">", ">="};
  ExpressionPtr first = sum();
  std::vector<std::pair<std::string, ExpressionPtr>> rest;
  std::size_t position = 0;
  int depth = depth_of(first);
  while (true) {
    std::string operation;
    if (at_one_of(tokens_, kComparisons) || tokens_.at_name("in")) {
      operation = tokens_.current().text;
    } else if (tokens_.at_name("not") && TokenStream::is_name(tokens_.ahead(), "in")) {
      operation = "not in";
      tokens_.next();
    } else {
      break;
    }
    if (rest.empty()) position = tokens_.current().position;
    tokens_.next();
    rest.emplace_back(std::move(operation), sum());
    depth = std::max(depth, depth_of(rest.back().second));
  }
  if (rest.empty()) return first;
  return make(position, Comparison{std::move(first), std::move(rest)}, depth);
}

ExpressionPtr ExpressionParser::sum() {
  constexpr std::array<std::string_view, 2> kSums = {"+", "-"};
  ExpressionPtr left = concatenation();
  while (at_one_of(tokens_, kSums)) {
    const Token operation = tokens_.next();
    ExpressionPtr right = concatenation();
    const int depth = std::max(depth_of(left), depth_of(right));
    left = make(operation.position, Binary{operation.text, std::move(left), std::move(right)}, depth);
  }
  return left;
}

ExpressionPtr ExpressionParser::concatenation() {
  const std::size_t position = tokens_.current().position;
  std::vector<ExpressionPtr> parts;
  parts.push_back(product());
  while (tokens_.skip_operator("~")) parts.push_back(product());
  if (parts.size() == 1) return std::move(parts.front());
  const int depth = depth_of(parts);
  return make(position, Concatenation{std::move(parts)}, depth);
}

ExpressionPtr ExpressionParser::product() {
  constexpr std::array<std::string_view, 4> kProducts = {"*", "/", "//", "%"};
  ExpressionPtr left = power();
  while (at_one_of(tokens_, kProducts)) {
    const Token operation = tokens_.next();
    ExpressionPtr right = power();
    const int depth = std::max(depth_of(left), depth_of(right));
    left = make(operation.position, Binary{operation.text, std::move(left), std::move(right)}, depth);
  }
  return left;
}

ExpressionPtr ExpressionParser::power() {
  ExpressionPtr left = unary();
  while (tokens_.at_operator("**")) {
    const std::size_t position = tokens_.next().position;
    ExpressionPtr right = unary();
    const int depth = std::max(depth_of(left), depth_of(right));
    left = make(position, Binary{"**", std::move(left), std::move(right)}, depth);
  }
  return left;
}

ExpressionPtr ExpressionParser::unary(bool with_filters) {
  const Nested nested(*this);
  ExpressionPtr node;
  if (tokens_.at_operator("-") || tokens_.at_operator("+")) {
    const Token sign = tokens_.next();
    ExpressionPtr operand = unary(false);
    const int depth = depth_of(operand);
    node = make(sign.position, Unary{sign.text, std::move(operand)}, depth);
  } else {
    node = primary();
  }
  node = postfix(std::move(node));
  return with_filters ? filters_and_tests(std::move(node)) : std::move(node);
}

}  // namespace emend::text::jinja
