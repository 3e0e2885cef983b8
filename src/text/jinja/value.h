// What a template computes with: the values of Python that Jinja2 shows, as far as chat templates see them.
// Values are immutable but for namespaces, iterators and the loop's own state, and cheap to copy.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace emend::text::jinja {

// What is wrong while a template runs; render() adds the template's line and column.
struct Fault {
  std::string message;
};

class Arguments;
class Loop;
class Runtime;
class Value;

enum class Kind {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kTuple,
  kRange,
  kDictKeys,
  kDictValues,
  kDictItems,
  kDict,
  kIterator,
  kNamespace,
  kLoop,
  kCallable,
};

struct Text {
  std::string bytes;    // UTF-8; where it is not, each ill-formed part counts as one character
  bool markup = false;  // made by `safe` or `escape`: what is added to it with + is escaped for HTML
};

struct Sequence {
  Kind kind = Kind::kList;  // kList, kTuple, kRange or a view of a dict
  std::vector<Value> items;
  std::string repr;  // of a range
  int depth = 0;     // how many containers stand inside each other
};

using Entry = std::pair<Value, Value>;

struct Dict {
  std::vector<Entry> entries;  // in the order of insertion, keys unique
  int depth = 0;
};

// What `map`, `select`, `reverse` and their kin return: it can be read once.
struct Iterator {
  std::vector<Value> items;
  std::size_t next = 0;
  std::string name;  // "generator", for messages
  int depth = 0;
};

// Owned by the runtime, so that a namespace which holds itself goes away with it.
struct Namespace {
  std::vector<std::pair<std::string, Value>> attributes;

  Value* find(std::string_view name);
};

struct Callable {
  std::string name;  // for messages
  std::function<Value(Runtime&, const Arguments&)> call;
  int depth = 0;          // of a bound method: that of its object
  std::string repr = {};  // of a macro
};

class Value {
 public:
  Value() = default;  // none
  // Implicit, so that the built-in functions read like the template: a value is what it is made from.
  // NOLINTBEGIN(google-explicit-constructor)
  Value(bool value) : data_(value) {}
  Value(std::int64_t value) : data_(value) {}
  Value(double value) : data_(value) {}
  Value(std::string text, bool markup = false);
  Value(const char* text) : Value(std::string(text)) {}
  Value(Namespace* value) : data_(value) {}
  Value(std::shared_ptr<Loop> loop) : data_(std::move(loop)) {}
  // NOLINTEND(google-explicit-constructor)

  // `why` is told when the value is used: "'x' is undefined".
  static Value undefined(std::string why);
  static Value list(std::vector<Value> items);
  static Value tuple(std::vector<Value> items);
  static Value sequence(Kind kind, std::vector<Value> items, std::string repr = {});
  // Keys must be unique already.
  static Value dict(std::vector<Entry> entries);
  static Value iterator(std::vector<Value> items, std::string name);
  // `self` is the object of a bound method.
  static Value callable(std::string name, std::function<Value(Runtime&, const Arguments&)> call,
                        const Value* self = nullptr);

  // A function that has a text of its own.
  static Value macro(std::string name, std::function<Value(Runtime&, const Arguments&)> call);

  Kind kind() const;
  bool is(Kind other) const { return kind() == other; }
  bool is_number() const { return is(Kind::kBool) || is(Kind::kInt) || is(Kind::kFloat); }
  // List, tuple, range or a view of a dict.
  bool is_sequence() const { return std::holds_alternative<std::shared_ptr<const Sequence>>(data_); }

  // Each is valid for its own kind only.
  const std::string& why() const { return *std::get<std::shared_ptr<const std::string>>(data_); }
  bool boolean() const { return std::get<bool>(data_); }
  // Of a bool or an int.
  std::int64_t integer() const;
  // Of a bool, an int or a float.
  double number() const;
  const std::string& text() const { return std::get<std::shared_ptr<const Text>>(data_)->bytes; }
  bool is_markup() const;
  const std::vector<Value>& items() const { return std::get<std::shared_ptr<const Sequence>>(data_)->items; }
  const std::string& range_repr() const { return std::get<std::shared_ptr<const Sequence>>(data_)->repr; }
  const std::vector<Entry>& entries() const { return std::get<std::shared_ptr<const Dict>>(data_)->entries; }
  Iterator& iterator() const { return *std::get<std::shared_ptr<Iterator>>(data_); }
  Namespace& name_space() const { return *std::get<Namespace*>(data_); }
  Loop& loop() const { return *std::get<std::shared_ptr<Loop>>(data_); }
  const Callable& function() const { return *std::get<std::shared_ptr<const Callable>>(data_); }

  // The same object, as Python's `is` has it.
  bool is_same(const Value& other) const;

 private:
  int depth() const;
  static int depth_of(const std::vector<Value>& items);

  struct None {
    bool operator==(const None&) const = default;
  };
  std::variant<None, bool, std::int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const Text>, std::shared_ptr<const Sequence>, std::shared_ptr<const Dict>,
               std::shared_ptr<Iterator>, Namespace*, std::shared_ptr<Loop>, std::shared_ptr<const Callable>>
      data_;
};

// "str", "dict", "NoneType", ...: Python's names, for messages.
std::string_view type_name(const Value& value);

}  // namespace emend::text::jinja
