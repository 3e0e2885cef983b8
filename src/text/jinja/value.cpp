#include "text/jinja/value.h"

#include <algorithm>

namespace emend::text::jinja {
namespace {

constexpr int kMaxDepth = 64;

int checked(int depth) {
  if (depth > kMaxDepth) throw Fault{"values stand inside each other more than 64 deep"};
  return depth;
}

}  // namespace

Value* Namespace::find(std::string_view name) {
  const auto found = std::find_if(attributes.begin(), attributes.end(),
                                  [&](const auto& entry) { return entry.first == name; });
  return found == attributes.end() ? nullptr : &found->second;
}

Value::Value(std::string text, bool markup)
    : data_(std::make_shared<const Text>(Text{std::move(text), markup})) {}

Value Value::undefined(std::string why) {
  Value value;
  value.data_ = std::make_shared<const std::string>(std::move(why));
  return value;
}

Value Value::list(std::vector<Value> items) {
  return sequence(Kind::kList, std::move(items));
}

Value Value::tuple(std::vector<Value> items) {
  return sequence(Kind::kTuple, std::move(items));
}

Value Value::sequence(Kind kind, std::vector<Value> items, std::string repr) {
  const int depth = checked(depth_of(items) + 1);
  Value value;
  value.data_ = std::make_shared<const Sequence>(Sequence{kind, std::move(items), std::move(repr), depth});
  return value;
}

Value Value::dict(std::vector<Entry> entries) {
  int depth = 0;
  for (const auto& [key, entry] : entries) depth = std::max({depth, key.depth(), entry.depth()});
  Value value;
  value.data_ = std::make_shared<const Dict>(Dict{std::move(entries), checked(depth + 1)});
  return value;
}

Value Value::iterator(std::vector<Value> items, std::string name) {
  const int depth = checked(depth_of(items) + 1);
  Value value;
  value.data_ = std::make_shared<Iterator>(Iterator{std::move(items), 0, std::move(name), depth});
  return value;
}

Value Value::callable(std::string name, std::function<Value(Runtime&, const Arguments&)> call,
                      const Value* self) {
  const int depth = self == nullptr ? 0 : checked(self->depth() + 1);
  Value value;
  value.data_ = std::make_shared<const Callable>(Callable{std::move(name), std::move(call), depth, {}});
  return value;
}

Value Value::macro(std::string name, std::function<Value(Runtime&, const Arguments&)> call) {
  std::string repr = name == "caller" ? "<Macro anonymous>" : "<Macro '" + name + "'>";
  Value value;
  value.data_ =
      std::make_shared<const Callable>(Callable{std::move(name), std::move(call), 0, std::move(repr)});
  return value;
}

Kind Value::kind() const {
  struct Visitor {
    Kind operator()(None) const { return Kind::kNone; }
    Kind operator()(bool) const { return Kind::kBool; }
    Kind operator()(std::int64_t) const { return Kind::kInt; }
    Kind operator()(double) const { return Kind::kFloat; }
    Kind operator()(const std::shared_ptr<const std::string>&) const { return Kind::kUndefined; }
    Kind operator()(const std::shared_ptr<const Text>&) const { return Kind::kString; }
    Kind operator()(const std::shared_ptr<const Sequence>& sequence) const { return sequence->kind; }
    Kind operator()(const std::shared_ptr<const Dict>&) const { return Kind::kDict; }
    Kind operator()(const std::shared_ptr<Iterator>&) const { return Kind::kIterator; }
    Kind operator()(Namespace*) const { return Kind::kNamespace; }
    Kind operator()(const std::shared_ptr<Loop>&) const { return Kind::kLoop; }
    Kind operator()(const std::shared_ptr<const Callable>&) const { return Kind::kCallable; }
  };
  return std::visit(Visitor{}, data_);
}

std::int64_t Value::integer() const {
  return is(Kind::kBool) ? std::int64_t{boolean()} : std::get<std::int64_t>(data_);
}

double Value::number() const {
  return is(Kind::kFloat) ? std::get<double>(data_) : static_cast<double>(integer());
}

bool Value::is_markup() const {
  const auto* text = std::get_if<std::shared_ptr<const Text>>(&data_);
  return text != nullptr && (*text)->markup;
}

bool Value::is_same(const Value& other) const {
  return data_ == other.data_;
}

int Value::depth() const {
  if (is_sequence()) return std::get<std::shared_ptr<const Sequence>>(data_)->depth;
  if (is(Kind::kDict)) return std::get<std::shared_ptr<const Dict>>(data_)->depth;
  if (is(Kind::kIterator)) return iterator().depth;
  if (is(Kind::kCallable)) return function().depth;
  return 0;
}

int Value::depth_of(const std::vector<Value>& items) {
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  return depth;
}

std::string_view type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return value.is_markup() ? "Markup" : "str";
    case Kind::kList:
      return "list";
    case Kind::kTuple:
      return "tuple";
    case Kind::kRange:
      return "range";
    case Kind::kDictKeys:
      return "dict_keys";
    case Kind::kDictValues:
      return "dict_values";
    case Kind::kDictItems:
      return "dict_items";
    case Kind::kDict:
      return "dict";
    case Kind::kIterator:
      return value.iterator().name;
    case Kind::kNamespace:
      return "TemplateNamespace";
    case Kind::kLoop:
      return "LoopContext";
    case Kind::kCallable:
      return "function";
  }
  return "object";
}

}  // namespace emend::text::jinja
