// The evaluator's expressions.
#include <fmt/format.h>

#include "text/jinja/access.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/filters.h"
#include "text/jinja/globals.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/value_tests.h"

namespace emend::text::jinja {

// The position is that of the innermost expression at work: it is put back before the operation itself, so
// that a fault is told where it happens.
Value Evaluator::evaluate(const Expression& expression, Scope& scope) {
  const Runtime::Nested nested(runtime_);
  position_ = expression.position;
  runtime_.step();
  Value value = std::visit([&](const auto& node) { return of(node, scope); }, expression.node);
  position_ = expression.position;
  return value;
}

Value Evaluator::of(const Constant& constant, Scope&) {
  return constant.value;
}

Value Evaluator::of(const Name& name, Scope& scope) {
  if (const Value* value = scope.find(name.name)) return *value;
  if (auto global = find_global(name.name)) return *global;
  return Value::undefined(fmt::format("'{}' is undefined", name.name));
}

Value Evaluator::of(const ListDisplay& list, Scope& scope) {
  std::vector<Value> items;
  for (const ExpressionPtr& item : list.items) items.push_back(evaluate(*item, scope));
  return Value::sequence(list.kind, std::move(items));
}

Value Evaluator::of(const DictDisplay& dict, Scope& scope) {
  std::vector<Entry> entries;
  for (const auto& [key_expression, value_expression] : dict.entries) {
    Value key = evaluate(*key_expression, scope);
    Value value = evaluate(*value_expression, scope);
    require_hashable(key);
    Entry* same = nullptr;
    for (Entry& entry : entries)
      if (equal(runtime_, entry.first, key)) same = &entry;
    if (same != nullptr)
      same->second = std::move(value);
    else
      entries.emplace_back(std::move(key), std::move(value));
  }
  return Value::dict(std::move(entries));
}

Value Evaluator::of(const Attribute& attribute, Scope& scope) {
  const std::size_t position = position_;
  const Value object = evaluate(*attribute.object, scope);
  position_ = position;
  return get_attribute(runtime_, object, attribute.name);
}

Value Evaluator::of(const Subscript& subscript, Scope& scope) {
  const std::size_t position = position_;
  const Value object = evaluate(*subscript.object, scope);
  const Value key = evaluate(*subscript.key, scope);
  position_ = position;
  return get_item(runtime_, object, key);
}

Value Evaluator::optional_value(const ExpressionPtr& expression, Scope& scope) {
  return expression ? evaluate(*expression, scope) : Value();
}

Value Evaluator::of(const Slice& slice, Scope& scope) {
  const std::size_t position = position_;
  const Value object = evaluate(*slice.object, scope);
  const Value first = optional_value(slice.first, scope);
  const Value last = optional_value(slice.last, scope);
  const Value step = optional_value(slice.step, scope);
  position_ = position;
  return get_slice(runtime_, object, first, last, step);
}

Arguments Evaluator::arguments_of(const CallArguments& arguments, Scope& scope) {
  Arguments result;
  for (const ExpressionPtr& argument : arguments.positional)
    result.positional.push_back(evaluate(*argument, scope));
  for (const auto& [name, argument] : arguments.named) {
    if (result.find(name)) throw Fault{fmt::format("the argument '{}' is given twice", name)};
    result.named.emplace_back(name, evaluate(*argument, scope));
  }
  if (arguments.more_positional)
    for (Value& value : iterate(runtime_, evaluate(*arguments.more_positional, scope)))
      result.positional.push_back(std::move(value));
  if (!arguments.more_named) return result;
  const Value more = evaluate(*arguments.more_named, scope);
  if (!more.is(Kind::kDict)) throw Fault{fmt::format("** needs a dict, found {}", type_name(more))};
  for (const auto& [key, value] : more.entries()) {
    if (!key.is(Kind::kString)) throw Fault{"** needs a dict whose keys are strings"};
    if (result.find(key.text())) throw Fault{fmt::format("the argument '{}' is given twice", key.text())};
    result.named.emplace_back(key.text(), value);
  }
  return result;
}

Value Evaluator::call_with(const Call& call, Scope& scope, const Value* caller) {
  const std::size_t position = position_;
  const Value function = evaluate(*call.function, scope);
  Arguments arguments = arguments_of(call.arguments, scope);
  if (caller != nullptr) arguments.named.emplace_back("caller", *caller);
  position_ = position;
  return jinja::call(runtime_, function, arguments);
}

Value Evaluator::of(const Call& call, Scope& scope) {
  return call_with(call, scope, nullptr);
}

Value Evaluator::of(const Filter& filter, Scope& scope) {
  const std::size_t position = position_;
  const Value object = evaluate(*filter.object, scope);
  const Arguments arguments = arguments_of(filter.arguments, scope);
  position_ = position;
  return apply_filter(runtime_, filter.name, object, arguments);
}

Value Evaluator::evaluate_filter(const Expression& expression, Scope& scope, const Value& head) {
  const Runtime::Nested nested(runtime_);
  const auto& filter = std::get<Filter>(expression.node);
  const Value object = filter.object ? evaluate_filter(*filter.object, scope, head) : head;
  const Arguments arguments = arguments_of(filter.arguments, scope);
  position_ = expression.position;
  return apply_filter(runtime_, filter.name, object, arguments);
}

Value Evaluator::of(const Test& test, Scope& scope) {
  const std::size_t position = position_;
  const Value object = evaluate(*test.object, scope);
  const Arguments arguments = arguments_of(test.arguments, scope);
  position_ = position;
  return apply_test(runtime_, test.name, object, arguments);
}

Value Evaluator::of(const Unary& unary, Scope& scope) {
  const std::size_t position = position_;
  const Value operand = evaluate(*unary.operand, scope);
  position_ = position;
  if (unary.operation == "not") return !truth(operand);
  return unary.operation == "-" ? negative(operand) : positive(operand);
}

Value Evaluator::of(const Binary& binary, Scope& scope) {
  const std::size_t position = position_;
  Value left = evaluate(*binary.left, scope);
  if (binary.operation == "and" && !truth(left)) return left;
  if (binary.operation == "or" && truth(left)) return left;
  Value right = evaluate(*binary.right, scope);
  if (binary.operation == "and" || binary.operation == "or") return right;
  position_ = position;
  return arithmetic(runtime_, binary.operation, left, right);
}

Value Evaluator::of(const Concatenation& concatenation, Scope& scope) {
  std::string result;
  for (const ExpressionPtr& part : concatenation.parts)
    runtime_.append(result, to_text(runtime_, evaluate(*part, scope)));
  return result;
}

Value Evaluator::of(const Comparison& comparison, Scope& scope) {
  const std::size_t position = position_;
  Value left = evaluate(*comparison.first, scope);
  for (const auto& [operation, expression] : comparison.rest) {
    Value right = evaluate(*expression, scope);
    position_ = position;
    if (!compare(runtime_, operation, left, right)) return false;
    left = std::move(right);
  }
  return true;
}

Value Evaluator::of(const Conditional& conditional, Scope& scope) {
  if (truth(evaluate(*conditional.condition, scope))) return evaluate(*conditional.then, scope);
  if (conditional.otherwise) return evaluate(*conditional.otherwise, scope);
  return Value::undefined("this 'if' without 'else' has no value, since its condition is false");
}

}  // namespace emend::text::jinja
