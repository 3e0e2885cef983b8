#include "type_definitions.h"

#include <cstddef>
#include <map>
#include <set>
#include <stdexcept>

#include "cpp_tokens.h"

namespace emend::structure {
namespace {

// What encloses a definition.
struct Scope {
  std::string name;     // qualified; empty: the global namespace
  bool hidden = false;  // inside an anonymous namespace of a .cpp file
};

// Reads the tokens of one file from front to back. Each read_... function begins behind the word that it is
// named for.
class TypeReader {
 public:
  explicit TypeReader(const SourceFile& file) : file_(file), tokens_(cpp_tokens(file.text)) {}

  std::vector<TypeDefinition> read() {
    read_scope({});
    if (!done()) fail("a closing brace that nothing opened");
    return std::move(types_);
  }

 private:
  bool done() const { return at_ == tokens_.size(); }
  bool at(const std::string& text) const { return !done() && tokens_[at_].text == text; }
  bool at_word() const { return !done() && is_word(tokens_[at_]); }
  int line() const { return done() ? 0 : tokens_[at_].line; }

  // Steps over the token if it is `text`.
  bool take(const std::string& text) {
    if (!at(text)) return false;
    ++at_;
    return true;
  }

  [[noreturn]] void fail(const std::string& message) const {
    throw std::runtime_error(file_.path + ":" + std::to_string(line()) + ": " + message);
  }

  void add(const Scope& scope, const std::string& name, int line) {
    if (!scope.hidden) types_.push_back({inside(scope, name), file_.path, line});
  }

  static std::string inside(const Scope& scope, const std::string& name) {
    return scope.name.empty() ? name : scope.name + "::" + name;
  }

  // Up to the closing brace of the scope, which is left, or to the end of the file.
  void read_scope(const Scope& scope) {
    while (!done() && !at("}")) {
      if (take("namespace"))
        read_namespace(scope);
      else if (take("template"))
        skip_balanced("<", ">");
      else if (take("class") || take("struct") || take("union"))
        read_class(scope);
      else if (take("enum"))
        read_enum(scope);
      else if (take("using"))
        read_alias(scope);
      else if (take("typedef"))
        read_typedef(scope);
      else if (take("extern"))
        read_language_block(scope);
      else
        step();
    }
  }

  // Of a namespace or a class: the brace, what is in it, the other brace.
  void read_body(const Scope& scope) {
    if (!take("{")) fail("an opening brace is missing");
    read_scope(scope);
    if (!take("}")) fail("a closing brace is missing");
  }

  // From an opening sign to behind the one that closes it. In angle brackets a ">" inside parentheses closes
  // nothing.
  void skip_balanced(const std::string& open, const std::string& close) {
    if (!take(open)) return;
    while (!done() && !at(close)) {
      if (at(open))
        skip_balanced(open, close);
      else if (open == "<" && at("("))
        skip_balanced("(", ")");
      else
        ++at_;
    }
    if (!take(close)) fail("nothing closes " + open);
  }

  // Over one token, or over all that stands in braces.
  void step() {
    if (at("{"))
      skip_balanced("{", "}");
    else
      ++at_;
  }

  void skip_attributes() {
    while (at("[") || at("alignas")) {
      if (take("alignas"))
        skip_balanced("(", ")");
      else
        skip_balanced("[", "]");
    }
  }

  void read_namespace(const Scope& scope) {
    skip_attributes();
    const std::string name = read_name();
    if (!at("{")) return;  // an alias, or the tail of `using namespace`
    const bool source = !file_.path.ends_with(".h");
    if (!name.empty())
      read_body({inside(scope, name), scope.hidden});
    else
      read_body({scope.name, scope.hidden || source});
  }

  // A::B<C>, as one word; empty if there is none.
  std::string read_name() {
    std::string name;
    while (at_word() || at("::") || (at("<") && !name.empty())) {
      if (!name.empty() && at_word() && !name.ends_with("::")) break;  // the word behind the name
      const std::size_t begin = at_;
      if (at("<"))
        skip_balanced("<", ">");
      else
        ++at_;
      for (std::size_t i = begin; i < at_; ++i) name += tokens_[i].text;
    }
    return name;
  }

  // A definition goes on with a body or with base classes; anything else is a forward declaration or names
  // the type of a variable.
  void read_class(const Scope& scope) {
    skip_attributes();
    const int place = line();
    const std::string name = read_name();
    take("final");
    if (!at("{") && !at(":")) return;
    if (!name.empty()) add(scope, name, place);
    while (!done() && !at("{")) ++at_;
    read_body({inside(scope, name), scope.hidden});
  }

  void read_enum(const Scope& scope) {
    if (!take("class")) take("struct");
    skip_attributes();
    const int place = line();
    const std::string name = read_name();
    while (!done() && !at("{") && !at(";") && !at("(") && !at("=")) ++at_;  // over the type of its values
    if (at("{") && !name.empty()) add(scope, name, place);
    skip_balanced("{", "}");
  }

  // using NAME = ...; but neither `using namespace x;` nor `using x::y;`.
  void read_alias(const Scope& scope) {
    const int place = line();
    const std::string name = read_name();
    if (at("=")) add(scope, name, place);
    skip_to_semicolon();
  }

  // The name is the last word, or that of a pointer to a function: typedef void (*NAME)(int).
  void read_typedef(const Scope& scope) {
    std::vector<Token> words;
    while (!done() && !at(";")) {
      if (take("(") && take("*")) {
        add(scope, tokens_[at_].text, line());
        return skip_to_semicolon();
      }
      if (at_word()) words.push_back(tokens_[at_]);
      step();
    }
    if (words.empty()) fail("a typedef without a name");
    const bool forward = words.size() == 3 && words[1].text == words[2].text;  // typedef struct NAME NAME;
    if (!forward) add(scope, words.back().text, words.back().line);
  }

  void skip_to_semicolon() {
    while (!done() && !at(";")) step();
  }

  // extern "C" { ... } is no scope of its own.
  void read_language_block(const Scope& scope) {
    if (take("\"\"") && at("{")) read_body(scope);
  }

  const SourceFile& file_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::vector<TypeDefinition> types_;
};

}  // namespace

std::vector<TypeDefinition> find_types(const SourceFile& file) {
  return TypeReader(file).read();
}

std::vector<std::string> find_types_defined_twice(const std::vector<SourceFile>& files) {
  std::map<std::string, std::map<std::string, int>> places;  // by name: the first line of each file
  for (const SourceFile& file : files) {
    for (const TypeDefinition& type : find_types(file)) places[type.name].emplace(type.file, type.line);
  }
  std::vector<std::string> lines;
  for (const auto& [name, found] : places) {
    if (found.size() < 2) continue;
    std::string line = name;
    for (const auto& [file, number] : found)
      line += (line == name ? ": " : ", ") + file + ":" + std::to_string(number);
    lines.push_back(line);
  }
  return lines;
}

}  // namespace emend::structure
