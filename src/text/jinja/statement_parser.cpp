#include "text/jinja/statement_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include "text/jinja/expression_parser.h"
#include "text/jinja/late_names.h"
#include "text/jinja/token_stream.h"

namespace emend::text::jinja {
namespace {

constexpr int kMaxDepth = 50;

class StatementParser {
 public:
  explicit StatementParser(std::string_view source) : tokens_(tokenize(source)), expressions_(tokens_) {}

  Block run() {
    Block block;
    while (!tokens_.at(TokenKind::kEnd)) {
      if (tokens_.at(TokenKind::kBlockBegin))
        statement(block);
      else
        text_or_output(block);
    }
    return block;
  }

 private:
  using Ends = std::initializer_list<std::string_view>;

  void text_or_output(Block& block) {
    const Token token = tokens_.next();
    if (token.kind == TokenKind::kData) {
      block.statements.push_back({token.position, Data{token.text}});
      return;
    }
    block.statements.push_back({token.position, Output{expressions_.tuple()}});
    if (!tokens_.at(TokenKind::kOutputEnd))
      tokens_.fail(fmt::format("expected '}}}}', found {}", describe(tokens_.current())));
    tokens_.next();
  }

  // Statements up to the tag of one of these names, whose name is then the current token.
  Block body(std::string_view opening, std::size_t position, Ends ends) {
    if (++depth_ > kMaxDepth) tokens_.fail("statements stand inside each other more than 50 deep");
    tokens_.skip_operator(":");
    tokens_.expect_block_end();
    Block block;
    while (!tokens_.at(TokenKind::kEnd)) {
      if (!tokens_.at(TokenKind::kBlockBegin)) {
        text_or_output(block);
        continue;
      }
      const Token& name = tokens_.ahead();
      if (name.kind == TokenKind::kName && std::find(ends.begin(), ends.end(), name.text) != ends.end()) {
        tokens_.next();
        --depth_;
        return block;
      }
      statement(block);
    }
    throw SyntaxFault{position,
                      fmt::format("this {} has no end: {{% {} %}} is missing", opening, *(ends.end() - 1))};
  }

  // The same with the end tag taken as well.
  Block body_to(std::string_view opening, std::size_t position, std::string_view end) {
    Block block = body(opening, position, {end});
    tokens_.next();
    tokens_.expect_block_end();
    return block;
  }

  void statement(Block& block) {
    tokens_.next();
    if (!tokens_.at(TokenKind::kName))
      tokens_.fail(fmt::format("expected the name of a statement, found {}", describe(tokens_.current())));
    const Token name = tokens_.current();
    block.statements.push_back({name.position, node(name)});
  }

  decltype(Statement::node) node(const Token& name) {
    for (const std::string_view unsupported :
         {"block", "extends", "include", "import", "from", "autoescape", "print", "do", "trans", "debug"})
      if (name.text == unsupported) tokens_.refuse(fmt::format("the statement '{}'", name.text));
    tokens_.next();
    if (name.text == "if") return if_statement(name.position);
    if (name.text == "for") return for_statement(name.position);
    if (name.text == "set") return set_statement(name.position);
    if (name.text == "with") return with_statement(name.position);
    if (name.text == "macro") return macro_statement(name.position);
    if (name.text == "call") return call_block(name.position);
    if (name.text == "filter") return filter_block(name.position);
    if (name.text == "generation") {
      const OutsideLoops outside(*this);
      return Generation{body_to("generation", name.position, "endgeneration")};
    }
    if (name.text == "break" || name.text == "continue") return loop_control(name);
    throw SyntaxFault{name.position, fmt::format("there is no statement '{}' here", name.text)};
  }

  decltype(Statement::node) loop_control(const Token& name) {
    if (loops_ == 0)
      throw SyntaxFault{name.position, fmt::format("'{}' stands outside of a loop", name.text)};
    tokens_.expect_block_end();
    if (name.text == "break") return Break{};
    return Continue{};
  }

  If if_statement(std::size_t position) {
    If result;
    ExpressionPtr condition = expressions_.tuple_without_condition();
    while (true) {
      const bool is_else = condition == nullptr;
      Block block =
          is_else ? body("if", position, {"endif"}) : body("if", position, {"elif", "else", "endif"});
      result.branches.push_back({std::move(condition), std::move(block)});
      const std::string end = tokens_.next().text;
      if (end == "endif") break;
      condition = end == "elif" ? expressions_.tuple_without_condition() : nullptr;
    }
    tokens_.expect_block_end();
    return result;
  }

  For for_statement(std::size_t position) {
    For loop;
    loop.target = expressions_.target("in");
    refuse_loop_variable(loop.target);
    tokens_.expect_name("in");
    loop.iterable = expressions_.tuple_without_condition();
    if (tokens_.skip_name("if")) loop.condition = expressions_.expression();
    if (tokens_.at_name("recursive")) tokens_.refuse("a recursive loop");
    ++loops_;
    loop.body = body("for", position, {"else", "endfor"});
    --loops_;
    if (tokens_.next().text == "else") {
      loop.otherwise = body("for", position, {"endfor"});
      tokens_.next();
    }
    tokens_.expect_block_end();
    return loop;
  }

  void refuse_loop_variable(const Target& target) const {
    if (target.name == "loop") throw SyntaxFault{target.position, "cannot assign to loop"};
    if (!target.attribute.empty())
      throw SyntaxFault{target.position, "a loop cannot assign to a namespace's attribute"};
    for (const Target& part : target.parts) refuse_loop_variable(part);
  }

  decltype(Statement::node) set_statement(std::size_t position) {
    Target target = expressions_.target();
    if (tokens_.skip_operator("=")) {
      ExpressionPtr value = expressions_.tuple();
      tokens_.expect_block_end();
      return Set{std::move(target), std::move(value)};
    }
    ExpressionPtr filter = tokens_.skip_operator("|") ? expressions_.filter_chain() : nullptr;
    Block block = body_to("set", position, "endset");
    return SetBlock{std::move(target), std::move(filter), std::move(block)};
  }

  With with_statement(std::size_t position) {
    With with;
    while (!tokens_.at(TokenKind::kBlockEnd)) {
      if (!with.assignments.empty()) tokens_.expect_operator(",");
      Target target;
      target.position = tokens_.current().position;
      target.name = tokens_.expect_any_name();
      tokens_.expect_operator("=");
      with.assignments.emplace_back(std::move(target), expressions_.expression());
    }
    with.body = body_to("with", position, "endwith");
    return with;
  }

  // The body of a macro is a function of its own: break cannot leave it.
  class OutsideLoops {
   public:
    explicit OutsideLoops(StatementParser& parser)
        : parser_(parser), loops_(std::exchange(parser.loops_, 0)) {}
    ~OutsideLoops() { parser_.loops_ = loops_; }

   private:
    StatementParser& parser_;
    int loops_;
  };

  std::shared_ptr<Macro> macro_statement(std::size_t position) {
    const OutsideLoops outside(*this);
    auto macro = std::make_shared<Macro>();
    macro->name = tokens_.expect_any_name();
    macro->parameters = expressions_.parameters();
    macro->body = body_to("macro", position, "endmacro");
    return macro;
  }

  std::shared_ptr<CallBlock> call_block(std::size_t position) {
    const OutsideLoops outside(*this);
    auto block = std::make_shared<CallBlock>();
    block->caller.name = "caller";
    if (tokens_.at_operator("(")) block->caller.parameters = expressions_.parameters();
    block->call = expressions_.expression();
    if (!std::holds_alternative<Call>(block->call->node))
      throw SyntaxFault{block->call->position, "expected the call of a macro"};
    block->caller.body = body_to("call", position, "endcall");
    return block;
  }

  FilterBlock filter_block(std::size_t position) {
    FilterBlock block;
    block.filter = expressions_.filter_chain();
    block.body = body_to("filter", position, "endfilter");
    return block;
  }

  TokenStream tokens_;
  ExpressionParser expressions_;
  int depth_ = 0;
  int loops_ = 0;
};

}  // namespace

Block parse(std::string_view source) {
  Block block = StatementParser(source).run();
  find_late_names(block);
  return block;
}

}  // namespace emend::text::jinja
