#include "text/jinja/late_names.h"

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace emend::text::jinja {
namespace {

using Visit = std::function<void(const Expression&)>;

void each(const ExpressionPtr& expression, const Visit& visit) {
  if (expression) visit(*expression);
}

void each(const std::vector<ExpressionPtr>& expressions, const Visit& visit) {
  for (const ExpressionPtr& expression : expressions) each(expression, visit);
}

void each(const CallArguments& arguments, const Visit& visit) {
  each(arguments.positional, visit);
  for (const auto& [name, value] : arguments.named) each(value, visit);
  each(arguments.more_positional, visit);
  each(arguments.more_named, visit);
}

// Calls `visit` with every expression directly inside one.
struct Children {
  const Visit& visit;

  void operator()(const Constant&) const {}
  void operator()(const Name&) const {}
  void operator()(const ListDisplay& list) const { each(list.items, visit); }
  void operator()(const DictDisplay& dict) const {
    for (const auto& [key, value] : dict.entries) {
      each(key, visit);
      each(value, visit);
    }
  }
  void operator()(const Attribute& attribute) const { each(attribute.object, visit); }
  void operator()(const Subscript& subscript) const {
    each(subscript.object, visit);
    each(subscript.key, visit);
  }
  void operator()(const Slice& slice) const {
    for (const ExpressionPtr* part : {&slice.object, &slice.first, &slice.last, &slice.step})
      each(*part, visit);
  }
  void operator()(const Call& call) const {
    each(call.function, visit);
    each(call.arguments, visit);
  }
  void operator()(const Filter& filter) const {
    each(filter.object, visit);
    each(filter.arguments, visit);
  }
  void operator()(const Test& test) const {
    each(test.object, visit);
    each(test.arguments, visit);
  }
  void operator()(const Unary& unary) const { each(unary.operand, visit); }
  void operator()(const Binary& binary) const {
    each(binary.left, visit);
    each(binary.right, visit);
  }
  void operator()(const Concatenation& concatenation) const { each(concatenation.parts, visit); }
  void operator()(const Comparison& comparison) const {
    each(comparison.first, visit);
    for (const auto& [operation, value] : comparison.rest) each(value, visit);
  }
  void operator()(const Conditional& conditional) const {
    for (const ExpressionPtr* part : {&conditional.condition, &conditional.then, &conditional.otherwise})
      each(*part, visit);
  }
};

// What one block does with names, in order; blocks inside of it are gone through when this one is known as a
// whole.
class BlockNames {
 public:
  explicit BlockNames(const BlockNames* parent) : parent_(parent) {}

  void read(const std::string& name) { names_.insert(name); }

  void write(const std::string& name, bool is_conditional) {
    if (names_.insert(name).second && !is_conditional && !(parent_ && parent_->knows(name)))
      late_.push_back(name);
  }

  void read(const Expression& expression) {
    if (const auto* name = std::get_if<Name>(&expression.node)) read(name->name);
    std::visit(Children{[this](const Expression& inner) { read(inner); }}, expression.node);
  }
  void read(const ExpressionPtr& expression) {
    if (expression) read(*expression);
  }

  void write(const Target& target, bool is_conditional) {
    for (const Target& part : target.parts) write(part, is_conditional);
    if (target.is_tuple) return;
    if (target.attribute.empty())
      write(target.name, is_conditional);
    else
      read(target.name);
  }

  // A parameter is there from the beginning.
  void declare(const Target& target) {
    for (const Target& part : target.parts) declare(part);
    read(target.name);
  }

  void go_through(Block& block) {
    for (Statement& statement : block.statements) note(statement, false);
    block.late = late_;
    for (Statement& statement : block.statements) go_inside(statement);
  }

 private:
  bool knows(const std::string& name) const {
    return names_.contains(name) || (parent_ != nullptr && parent_->knows(name));
  }

  void note(Statement& statement, bool is_conditional) {
    if (auto* output = std::get_if<Output>(&statement.node)) read(output->value);
    if (auto* loop = std::get_if<For>(&statement.node)) read(loop->iterable);
    if (auto* block = std::get_if<SetBlock>(&statement.node)) write(block->target, is_conditional);
    if (auto* block = std::get_if<FilterBlock>(&statement.node)) read(block->filter);
    if (auto* macro = std::get_if<std::shared_ptr<Macro>>(&statement.node))
      write((*macro)->name, is_conditional);
    if (auto* block = std::get_if<std::shared_ptr<CallBlock>>(&statement.node)) read((*block)->call);
    if (auto* set = std::get_if<Set>(&statement.node)) {
      read(set->value);
      write(set->target, is_conditional);
    }
    if (auto* with = std::get_if<With>(&statement.node))
      for (const auto& [target, value] : with->assignments) read(value);
    if (auto* branches = std::get_if<If>(&statement.node))
      for (If::Branch& branch : branches->branches) {
        read(branch.condition);
        for (Statement& inner : branch.body.statements) note(inner, true);
      }
  }

  void go_inside(Statement& statement) {
    if (auto* loop = std::get_if<For>(&statement.node)) go_inside(*loop);
    if (auto* block = std::get_if<SetBlock>(&statement.node)) BlockNames(this).go_through(block->body);
    if (auto* block = std::get_if<FilterBlock>(&statement.node)) BlockNames(this).go_through(block->body);
    if (auto* block = std::get_if<Generation>(&statement.node)) BlockNames(this).go_through(block->body);
    if (auto* macro = std::get_if<std::shared_ptr<Macro>>(&statement.node)) go_inside(**macro);
    if (auto* block = std::get_if<std::shared_ptr<CallBlock>>(&statement.node)) go_inside((*block)->caller);
    if (auto* with = std::get_if<With>(&statement.node)) {
      BlockNames inner(this);
      for (const auto& [target, value] : with->assignments) inner.declare(target);
      inner.go_through(with->body);
    }
    if (auto* branches = std::get_if<If>(&statement.node))
      for (If::Branch& branch : branches->branches)
        for (Statement& inner : branch.body.statements) go_inside(inner);
  }

  void go_inside(For& loop) {
    BlockNames body(this);
    body.declare(loop.target);
    body.read("loop");
    body.go_through(loop.body);
    BlockNames(this).go_through(loop.otherwise);
  }

  void go_inside(Macro& macro) {
    BlockNames body(this);
    for (const std::string& name : macro.parameters.names) body.read(name);
    for (const ExpressionPtr& value : macro.parameters.defaults) body.read(value);
    for (const char* name : {"caller", "varargs", "kwargs"}) body.read(name);
    body.go_through(macro.body);
  }

  const BlockNames* parent_;
  std::set<std::string> names_;
  std::vector<std::string> late_;
};

}  // namespace

void find_late_names(Block& root) {
  BlockNames(nullptr).go_through(root);
}

}  // namespace emend::text::jinja
