// Runs a parsed template.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/arguments.h"
#include "text/jinja/runtime.h"
#include "text/jinja/scope.h"
#include "text/jinja/syntax.h"

namespace emend::text::jinja {

using Variables = std::vector<std::pair<std::string, Value>>;

class Evaluator {
 public:
  Evaluator(Runtime& runtime, const Variables& variables);

  // Throws Fault; position() then tells where in the source. `block` must outlive the evaluator.
  std::string run(const Block& block);
  std::size_t position() const { return position_; }

 private:
  enum class Flow { kOn, kBreak, kContinue };

  // Statements (statements.cpp).
  Flow run_block(const Block& block, Scope& scope, std::string& out);
  Flow run_inner(const Block& block, std::unique_ptr<Scope> scope, std::string& out);
  Flow run(const Data& data, Scope& scope, std::string& out);
  Flow run(const Output& output, Scope& scope, std::string& out);
  Flow run(const If& statement, Scope& scope, std::string& out);
  Flow run(const For& statement, Scope& scope, std::string& out);
  Flow run(const Set& statement, Scope& scope, std::string& out);
  Flow run(const SetBlock& statement, Scope& scope, std::string& out);
  Flow run(const With& statement, Scope& scope, std::string& out);
  Flow run(const std::shared_ptr<Macro>& macro, Scope& scope, std::string& out);
  Flow run(const std::shared_ptr<CallBlock>& statement, Scope& scope, std::string& out);
  Flow run(const FilterBlock& statement, Scope& scope, std::string& out);
  Flow run(const Generation& statement, Scope& scope, std::string& out);
  Flow run(const Break&, Scope&, std::string&) { return Flow::kBreak; }
  Flow run(const Continue&, Scope&, std::string&) { return Flow::kContinue; }
  void assign(const Target& target, const Value& value, Scope& scope);
  void unpack(const Target& target, const Value& value, Scope& scope);
  std::shared_ptr<Loop> make_loop(const For& statement, Scope& scope);
  Value make_macro(const Macro& macro, Scope& scope);
  Value call_macro(const Macro& macro, Scope& definition, const Arguments& arguments);
  void bind_parameters(const Macro& macro, Scope& scope, const Arguments& arguments);

  // Expressions (expressions.cpp).
  Value evaluate(const Expression& expression, Scope& scope);
  Value evaluate_filter(const Expression& expression, Scope& scope, const Value& head);
  Value of(const Constant& constant, Scope& scope);
  Value of(const Name& name, Scope& scope);
  Value of(const ListDisplay& list, Scope& scope);
  Value of(const DictDisplay& dict, Scope& scope);
  Value of(const Attribute& attribute, Scope& scope);
  Value of(const Subscript& subscript, Scope& scope);
  Value of(const Slice& slice, Scope& scope);
  Value of(const Call& call, Scope& scope);
  Value of(const Filter& filter, Scope& scope);
  Value of(const Test& test, Scope& scope);
  Value of(const Unary& unary, Scope& scope);
  Value of(const Binary& binary, Scope& scope);
  Value of(const Concatenation& concatenation, Scope& scope);
  Value of(const Comparison& comparison, Scope& scope);
  Value of(const Conditional& conditional, Scope& scope);
  Value call_with(const Call& call, Scope& scope, const Value* caller);
  Arguments arguments_of(const CallArguments& arguments, Scope& scope);
  Value optional_value(const ExpressionPtr& expression, Scope& scope);

  Runtime& runtime_;
  std::size_t position_ = 0;
  Scope root_;
  std::vector<std::unique_ptr<Scope>> kept_;
};

}  // namespace emend::text::jinja
