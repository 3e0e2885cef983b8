// The evaluator's statements.
#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/access.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/loop.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"

namespace emend::text::jinja {
namespace {

void hide_late_names(const Block& block, Scope& scope) {
  for (const std::string& name : block.late)
    scope.set(name,
              Value::undefined(fmt::format("'{}' is undefined here: the block around sets it later", name)));
}

// A loop that is left, by an exception too, fetches nothing more.
class LoopEnd {
 public:
  explicit LoopEnd(Loop& loop) : loop_(loop) {}
  ~LoopEnd() { loop_.finish(); }
  LoopEnd(const LoopEnd&) = delete;
  LoopEnd& operator=(const LoopEnd&) = delete;

 private:
  Loop& loop_;
};

}  // namespace

Evaluator::Evaluator(Runtime& runtime, const Variables& variables) : runtime_(runtime) {
  for (const auto& [name, value] : variables) root_.set(name, value);
}

std::string Evaluator::run(const Block& block) {
  hide_late_names(block, root_);
  std::string out;
  run_block(block, root_, out);
  return out;
}

Evaluator::Flow Evaluator::run_block(const Block& block, Scope& scope, std::string& out) {
  const Runtime::Nested nested(runtime_);
  for (const Statement& statement : block.statements) {
    runtime_.step();
    position_ = statement.position;
    const Flow flow = std::visit([&](const auto& node) { return run(node, scope, out); }, statement.node);
    if (flow != Flow::kOn) return flow;
  }
  return Flow::kOn;
}

Evaluator::Flow Evaluator::run_inner(const Block& block, std::unique_ptr<Scope> scope, std::string& out) {
  hide_late_names(block, *scope);
  const Flow flow = run_block(block, *scope, out);
  if (scope->is_kept()) kept_.push_back(std::move(scope));
  return flow;
}

Evaluator::Flow Evaluator::run(const Data& data, Scope&, std::string& out) {
  runtime_.append(out, data.text);
  return Flow::kOn;
}

Evaluator::Flow Evaluator::run(const Output& output, Scope& scope, std::string& out) {
  runtime_.append(out, to_text(runtime_, evaluate(*output.value, scope)));
  return Flow::kOn;
}

Evaluator::Flow Evaluator::run(const If& statement, Scope& scope, std::string& out) {
  for (const If::Branch& branch : statement.branches)
    if (!branch.condition || truth(evaluate(*branch.condition, scope)))
      return run_block(branch.body, scope, out);
  return Flow::kOn;
}

std::shared_ptr<Loop> Evaluator::make_loop(const For& statement, Scope& scope) {
  auto items = std::make_shared<std::vector<Value>>(iterate(runtime_, evaluate(*statement.iterable, scope)));
  const std::optional<std::size_t> length =
      statement.condition ? std::nullopt : std::optional<std::size_t>(items->size());
  auto fetch = [this, &statement, &scope, items, next = std::size_t{0}]() mutable -> std::optional<Value> {
    while (next < items->size()) {
      const Value& item = (*items)[next++];
      if (!statement.condition) return item;
      auto inner = std::make_unique<Scope>(&scope);
      assign(statement.target, item, *inner);
      const bool taken = truth(evaluate(*statement.condition, *inner));
      if (taken) return item;
    }
    return std::nullopt;
  };
  return std::make_shared<Loop>(std::move(fetch), length);
}

Evaluator::Flow Evaluator::run(const For& statement, Scope& scope, std::string& out) {
  const std::shared_ptr<Loop> loop = make_loop(statement, scope);
  const LoopEnd end(*loop);
  bool any = false;
  while (loop->advance()) {
    any = true;
    runtime_.step();
    auto inner = std::make_unique<Scope>(&scope);
    inner->set("loop", loop);
    assign(statement.target, loop->item(), *inner);
    if (run_inner(statement.body, std::move(inner), out) == Flow::kBreak) break;
  }
  if (any) return Flow::kOn;
  return run_inner(statement.otherwise, std::make_unique<Scope>(&scope), out);
}

void Evaluator::unpack(const Target& target, const Value& value, Scope& scope) {
  const std::vector<Value> items = iterate(runtime_, value);
  if (items.size() != target.parts.size())
    throw Fault{fmt::format("expected {} values to assign, found {}", target.parts.size(), items.size())};
  for (std::size_t i = 0; i < items.size(); ++i) assign(target.parts[i], items[i], scope);
}

void Evaluator::assign(const Target& target, const Value& value, Scope& scope) {
  position_ = target.position;
  if (target.is_tuple) return unpack(target, value, scope);
  if (target.attribute.empty()) return scope.set(target.name, value);
  const Value* object = scope.find(target.name);
  if (object == nullptr || !object->is(Kind::kNamespace))
    throw Fault{fmt::format("cannot assign to {}.{}: {} is no namespace", target.name, target.attribute,
                            target.name)};
  if (target.attribute.starts_with("_"))
    throw Fault{fmt::format("a namespace cannot hold '{}': it begins with _", target.attribute)};
  Namespace& name_space = object->name_space();
  if (Value* present = name_space.find(target.attribute))
    *present = value;
  else
    name_space.attributes.emplace_back(target.attribute, value);
}

Evaluator::Flow Evaluator::run(const Set& statement, Scope& scope, std::string&) {
  assign(statement.target, evaluate(*statement.value, scope), scope);
  return Flow::kOn;
}

Evaluator::Flow Evaluator::run(const SetBlock& statement, Scope& scope, std::string&) {
  std::string text;
  const Flow flow = run_inner(statement.body, std::make_unique<Scope>(&scope), text);
  if (flow != Flow::kOn) return flow;
  Value value(std::move(text));
  if (statement.filter) value = evaluate_filter(*statement.filter, scope, value);
  assign(statement.target, value, scope);
  return Flow::kOn;
}

Evaluator::Flow Evaluator::run(const With& statement, Scope& scope, std::string& out) {
  auto inner = std::make_unique<Scope>(&scope);
  for (const auto& [target, value] : statement.assignments) assign(target, evaluate(*value, scope), *inner);
  return run_inner(statement.body, std::move(inner), out);
}

Evaluator::Flow Evaluator::run(const std::shared_ptr<Macro>& macro, Scope& scope, std::string&) {
  scope.set(macro->name, make_macro(*macro, scope));
  return Flow::kOn;
}

Value Evaluator::make_macro(const Macro& macro, Scope& scope) {
  scope.keep();
  return Value::macro(macro.name, [this, &macro, &scope](Runtime&, const Arguments& arguments) {
    return call_macro(macro, scope, arguments);
  });
}

Value Evaluator::call_macro(const Macro& macro, Scope& definition, const Arguments& arguments) {
  auto scope = std::make_unique<Scope>(&definition);
  bind_parameters(macro, *scope, arguments);
  std::string out;
  run_inner(macro.body, std::move(scope), out);
  return out;
}

void Evaluator::bind_parameters(const Macro& macro, Scope& scope, const Arguments& arguments) {
  const auto& [names, defaults] = macro.parameters;
  if (arguments.positional.size() > names.size())
    throw Fault{fmt::format("the macro '{}' takes at most {} arguments, found {}", macro.name, names.size(),
                            arguments.positional.size())};
  for (const auto& [name, value] : arguments.named)
    if (name != "caller" && std::find(names.begin(), names.end(), name) == names.end())
      throw Fault{fmt::format("the macro '{}' has no argument '{}'", macro.name, name)};
  const Value* caller = arguments.find("caller");
  scope.set("caller", caller ? *caller : Value::undefined("this macro was not called with {% call %}"));
  scope.set("varargs", Value::tuple({}));
  scope.set("kwargs", Value::dict({}));
  const std::size_t required = names.size() - defaults.size();
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Value* named = arguments.find(names[i]);
    if (i < arguments.positional.size()) {
      if (named) throw Fault{fmt::format("the macro '{}' is given '{}' twice", macro.name, names[i])};
      scope.set(names[i], arguments.positional[i]);
    } else if (named) {
      scope.set(names[i], *named);
    } else if (i >= required) {
      scope.set(names[i], evaluate(*defaults[i - required], scope));
    } else {
      scope.set(names[i], Value::undefined(fmt::format("the argument '{}' was not given", names[i])));
    }
  }
}

Evaluator::Flow Evaluator::run(const std::shared_ptr<CallBlock>& statement, Scope& scope, std::string& out) {
  const Value caller = make_macro(statement->caller, scope);
  const auto& call = std::get<Call>(statement->call->node);
  position_ = statement->call->position;
  runtime_.append(out, to_text(runtime_, call_with(call, scope, &caller)));
  return Flow::kOn;
}

Evaluator::Flow Evaluator::run(const FilterBlock& statement, Scope& scope, std::string& out) {
  std::string text;
  const Flow flow = run_inner(statement.body, std::make_unique<Scope>(&scope), text);
  if (flow != Flow::kOn) return flow;
  runtime_.append(out, to_text(runtime_, evaluate_filter(*statement.filter, scope, Value(std::move(text)))));
  return Flow::kOn;
}

Evaluator::Flow Evaluator::run(const Generation& statement, Scope& scope, std::string& out) {
  return run_inner(statement.body, std::make_unique<Scope>(&scope), out);
}

}  // namespace emend::text::jinja
