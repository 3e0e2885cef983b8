// What stands between operators: names, literals, calls, subscripts, filters and tests; and the targets of
// assignments.
#include <algorithm>
#include <utility>

#include "text/jinja/expression_depth.h"
#include "text/jinja/expression_parser.h"

namespace emend::text::jinja {

ExpressionPtr ExpressionParser::primary() {
  const Token token = tokens_.current();
  if (token.kind == TokenKind::kString) return strings();
  if (tokens_.at_operator("[")) return list();
  if (tokens_.at_operator("{")) return dict();
  if (tokens_.skip_operator("(")) {
    ExpressionPtr inner = tuple_of(Conditions::kAllowed, true);
    tokens_.expect_operator(")");
    return inner;
  }
  tokens_.next();
  if (token.kind == TokenKind::kInteger) return make(token.position, Constant{token.integer}, 0);
  if (token.kind == TokenKind::kFloat) return make(token.position, Constant{token.number}, 0);
  if (token.kind != TokenKind::kName)
    throw SyntaxFault{token.position, "expected an expression, found " + describe(token)};
  if (token.text == "true" || token.text == "True") return make(token.position, Constant{true}, 0);
  if (token.text == "false" || token.text == "False") return make(token.position, Constant{false}, 0);
  if (token.text == "none" || token.text == "None") return make(token.position, Constant{}, 0);
  return make(token.position, Name{token.text}, 0);
}

// 'a' 'b' is 'ab'.
ExpressionPtr ExpressionParser::strings() {
  const std::size_t position = tokens_.current().position;
  std::string text;
  while (tokens_.at(TokenKind::kString)) text += tokens_.next().text;
  return make(position, Constant{std::move(text)}, 0);
}

ExpressionPtr ExpressionParser::list() {
  const std::size_t position = tokens_.next().position;
  std::vector<ExpressionPtr> items;
  while (!tokens_.at_operator("]")) {
    items.push_back(expression());
    if (!tokens_.at_operator("]")) tokens_.expect_operator(",");
  }
  tokens_.next();
  const int depth = depth_of(items);
  return make(position, ListDisplay{Kind::kList, std::move(items)}, depth);
}

ExpressionPtr ExpressionParser::dict() {
  const std::size_t position = tokens_.next().position;
  DictDisplay display;
  int depth = 0;
  while (!tokens_.at_operator("}")) {
    ExpressionPtr key = expression();
    tokens_.expect_operator(":");
    ExpressionPtr value = expression();
    depth = std::max({depth, depth_of(key), depth_of(value)});
    display.entries.emplace_back(std::move(key), std::move(value));
    if (!tokens_.at_operator("}")) tokens_.expect_operator(",");
  }
  tokens_.next();
  return make(position, std::move(display), depth);
}

ExpressionPtr ExpressionParser::postfix(ExpressionPtr object) {
  while (true) {
    if (tokens_.at_operator("."))
      object = attribute(std::move(object));
    else if (tokens_.at_operator("["))
      object = subscript(std::move(object));
    else if (tokens_.at_operator("("))
      object = call(std::move(object));
    else
      return object;
  }
}

ExpressionPtr ExpressionParser::filters_and_tests(ExpressionPtr object) {
  while (true) {
    if (tokens_.skip_operator("|"))
      object = filter(std::move(object));
    else if (tokens_.at_name("is"))
      object = test(std::move(object));
    else if (tokens_.at_operator("("))
      object = call(std::move(object));
    else
      return object;
  }
}

ExpressionPtr ExpressionParser::attribute(ExpressionPtr object) {
  const std::size_t position = tokens_.next().position;
  const int depth = depth_of(object);
  if (tokens_.at(TokenKind::kInteger)) {  // items.0
    const Token& index = tokens_.next();
    ExpressionPtr key = make(index.position, Constant{index.integer}, 0);
    return make(position, Subscript{std::move(object), std::move(key)}, depth);
  }
  std::string name = tokens_.expect_any_name();
  return make(position, Attribute{std::move(object), std::move(name)}, depth);
}

ExpressionPtr ExpressionParser::subscript(ExpressionPtr object) {
  const std::size_t position = tokens_.next().position;
  const auto optional_part = [&]() -> ExpressionPtr {
    if (tokens_.at_operator(":") || tokens_.at_operator("]")) return nullptr;
    return expression();
  };
  ExpressionPtr first = optional_part();
  if (tokens_.at_operator(",")) tokens_.refuse("an index of several parts");
  if (!tokens_.skip_operator(":")) {
    if (!first) tokens_.fail("expected an index, found ']'");
    tokens_.expect_operator("]");
    const int depth = std::max(depth_of(object), depth_of(first));
    return make(position, Subscript{std::move(object), std::move(first)}, depth);
  }
  ExpressionPtr last = optional_part();
  ExpressionPtr step = tokens_.skip_operator(":") ? optional_part() : nullptr;
  tokens_.expect_operator("]");
  const int depth = std::max({depth_of(object), depth_of(first), depth_of(last), depth_of(step)});
  return make(position, Slice{std::move(object), std::move(first), std::move(last), std::move(step)}, depth);
}

ExpressionPtr ExpressionParser::call(ExpressionPtr function) {
  const std::size_t position = tokens_.current().position;
  CallArguments arguments = call_arguments();
  const int depth = std::max(depth_of(function), depth_of(arguments));
  return make(position, Call{std::move(function), std::move(arguments)}, depth);
}

CallArguments ExpressionParser::call_arguments() {
  tokens_.expect_operator("(");
  CallArguments arguments;
  while (!tokens_.at_operator(")")) {
    if (tokens_.skip_operator("*")) {
      if (arguments.more_positional || arguments.more_named)
        tokens_.fail("this argument stands in the wrong place");
      arguments.more_positional = expression();
    } else if (tokens_.skip_operator("**")) {
      if (arguments.more_named) tokens_.fail("this argument stands in the wrong place");
      arguments.more_named = expression();
    } else if (tokens_.at(TokenKind::kName) && TokenStream::is_operator(tokens_.ahead(), "=")) {
      if (arguments.more_named) tokens_.fail("this argument stands in the wrong place");
      std::string name = tokens_.next().text;
      tokens_.next();
      arguments.named.emplace_back(std::move(name), expression());
    } else {
      if (!arguments.named.empty() || arguments.more_positional || arguments.more_named)
        tokens_.fail("an argument without a name must stand before those with one");
      arguments.positional.push_back(expression());
    }
    if (!tokens_.at_operator(")")) tokens_.expect_operator(",");
  }
  tokens_.next();
  return arguments;
}

std::string ExpressionParser::dotted_name() {
  std::string name = tokens_.expect_any_name();
  while (tokens_.skip_operator(".")) name += "." + tokens_.expect_any_name();
  return name;
}

ExpressionPtr ExpressionParser::filter(ExpressionPtr object) {
  const std::size_t position = tokens_.current().position;
  std::string name = dotted_name();
  CallArguments arguments = tokens_.at_operator("(") ? call_arguments() : CallArguments{};
  const int depth = std::max(depth_of(object), depth_of(arguments));
  return make(position, Filter{std::move(object), std::move(name), std::move(arguments)}, depth);
}

ExpressionPtr ExpressionParser::filter_chain() {
  ExpressionPtr chain = filter(nullptr);
  while (tokens_.skip_operator("|")) chain = filter(std::move(chain));
  return chain;
}

ExpressionPtr ExpressionParser::test(ExpressionPtr object) {
  const std::size_t position = tokens_.next().position;
  const bool negated = tokens_.skip_name("not");
  std::string name = dotted_name();
  CallArguments arguments = test_arguments();
  const int depth = std::max(depth_of(object), depth_of(arguments));
  ExpressionPtr test = make(position, Test{std::move(object), std::move(name), std::move(arguments)}, depth);
  if (!negated) return test;
  return make(position, Unary{"not", std::move(test)}, depth + 1);
}

// In parentheses, or one operand without them: `x is divisibleby 3`.
CallArguments ExpressionParser::test_arguments() {
  if (tokens_.at_operator("(")) return call_arguments();
  CallArguments arguments;
  const TokenKind kind = tokens_.current().kind;
  const bool follows = kind == TokenKind::kName || kind == TokenKind::kString ||
                       kind == TokenKind::kInteger || kind == TokenKind::kFloat || tokens_.at_operator("[") ||
                       tokens_.at_operator("{");
  if (!follows || tokens_.at_name("else") || tokens_.at_name("or") || tokens_.at_name("and"))
    return arguments;
  if (tokens_.at_name("is")) tokens_.fail("tests cannot be chained with is");
  arguments.positional.push_back(postfix(primary()));
  return arguments;
}

Target ExpressionParser::single_target() {
  Target target;
  target.position = tokens_.current().position;
  if (tokens_.skip_operator("(")) {
    const Nested nested(*this);
    target = this->target();
    tokens_.expect_operator(")");
    return target;
  }
  target.name = tokens_.expect_any_name();
  for (const std::string_view taken : {"true", "false", "none", "True", "False", "None"})
    if (target.name == taken) tokens_.fail("cannot assign to " + target.name);
  if (tokens_.skip_operator(".")) target.attribute = tokens_.expect_any_name();
  return target;
}

Target ExpressionParser::target(std::string_view end_name) {
  Target first = single_target();
  if (!tokens_.at_operator(",")) return first;
  Target tuple;
  tuple.position = first.position;
  tuple.is_tuple = true;
  tuple.parts.push_back(std::move(first));
  while (tokens_.skip_operator(",")) {
    if (tokens_.at(TokenKind::kBlockEnd) || tokens_.at_operator(")") || tokens_.at_operator("=") ||
        (!end_name.empty() && tokens_.at_name(end_name)))
      break;
    tuple.parts.push_back(single_target());
  }
  return tuple;
}

Parameters ExpressionParser::parameters() {
  Parameters parameters;
  tokens_.expect_operator("(");
  while (!tokens_.at_operator(")")) {
    parameters.names.push_back(tokens_.expect_any_name());
    if (tokens_.skip_operator("="))
      parameters.defaults.push_back(expression());
    else if (!parameters.defaults.empty())
      tokens_.fail("a parameter without a default follows one with a default");
    if (!tokens_.at_operator(")")) tokens_.expect_operator(",");
  }
  tokens_.next();
  return parameters;
}

}  // namespace emend::text::jinja
