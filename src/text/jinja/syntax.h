// A parsed template: expressions and statements.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "text/jinja/value.h"

namespace emend::text::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

// What stands between the parentheses of a call.
struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr more_positional;  // *args
  ExpressionPtr more_named;       // **kwargs
};

struct Constant {
  Value value;
};
struct Name {
  std::string name;
};
struct ListDisplay {
  Kind kind = Kind::kList;  // or kTuple
  std::vector<ExpressionPtr> items;
};
struct DictDisplay {
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries;
};
struct Attribute {  // object.name
  ExpressionPtr object;
  std::string name;
};
struct Subscript {  // object[key]
  ExpressionPtr object, key;
};
struct Slice {  // object[first:last:step], each may be null
  ExpressionPtr object, first, last, step;
};
struct Call {
  ExpressionPtr function;
  CallArguments arguments;
};
struct Filter {  // without an object at the head of {% filter %} and {% set x | f %}
  ExpressionPtr object;
  std::string name;
  CallArguments arguments;
};
struct Test {
  ExpressionPtr object;
  std::string name;
  CallArguments arguments;
};
struct Unary {
  std::string operation;  // - + not
  ExpressionPtr operand;
};
struct Binary {
  std::string operation;  // + - * / // % ** and or
  ExpressionPtr left, right;
};
struct Concatenation {  // a ~ b ~ c
  std::vector<ExpressionPtr> parts;
};
struct Comparison {  // a < b <= c
  ExpressionPtr first;
  std::vector<std::pair<std::string, ExpressionPtr>> rest;  // "in" and "not in" too
};
struct Conditional {  // then if condition else otherwise
  ExpressionPtr condition, then, otherwise;
};

struct Expression {
  std::size_t position = 0;
  std::variant<Constant, Name, ListDisplay, DictDisplay, Attribute, Subscript, Slice, Call, Filter, Test,
               Unary, Binary, Concatenation, Comparison, Conditional>
      node;
  int depth = 1;  // of the tree below, this one included
};

// What `set` and `for` assign to: a name, a namespace's attribute, or a tuple of targets.
struct Target {
  std::size_t position = 0;
  std::string name;
  std::string attribute;      // empty: a plain name
  std::vector<Target> parts;  // not empty: a tuple
  bool is_tuple = false;
};

struct Statement;

struct Block {
  std::vector<Statement> statements;
  std::vector<std::string> late;  // names that are undefined until the block sets them; see late_names.h
};

struct Parameters {
  std::vector<std::string> names;
  std::vector<ExpressionPtr> defaults;  // of the last names
};

struct Data {
  std::string text;
};
struct Output {
  ExpressionPtr value;
};
struct If {
  struct Branch {
    ExpressionPtr condition;  // null: else
    Block body;
  };
  std::vector<Branch> branches;
};
struct For {
  Target target;
  ExpressionPtr iterable, condition;  // condition may be null
  Block body, otherwise;
};
struct Set {
  Target target;
  ExpressionPtr value;
};
struct SetBlock {
  Target target;
  ExpressionPtr filter;  // may be null
  Block body;
};
struct With {
  std::vector<std::pair<Target, ExpressionPtr>> assignments;
  Block body;
};
struct Macro {
  std::string name;
  Parameters parameters;
  Block body;
};
struct CallBlock {
  Macro caller;
  ExpressionPtr call;
};
struct FilterBlock {
  ExpressionPtr filter;
  Block body;
};
struct Generation {  // {% generation %}: what the assistant wrote; the text is as it stands
  Block body;
};
struct Break {};
struct Continue {};

struct Statement {
  std::size_t position = 0;
  std::variant<Data, Output, If, For, Set, SetBlock, With, std::shared_ptr<Macro>, std::shared_ptr<CallBlock>,
               FilterBlock, Generation, Break, Continue>
      node;
};

}  // namespace emend::text::jinja
