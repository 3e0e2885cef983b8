#include "base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/files.h"
#include "base/nearest.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "emend/error.h"

namespace emend {
namespace {

// "3:14", both counted from 1; columns in bytes, as editors and compilers count them.
std::string line_and_column(std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, std::min(at, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t line_begin = before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1;
  return fmt::format("{}:{}", line, before.size() - line_begin + 1);
}

// What the parser reads from; `furthest` tells the builder below how far it has come.
class Cursor {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Cursor(const char* at, const char** furthest) : at_(at), furthest_(furthest) {}
  reference operator*() const { return *at_; }
  Cursor& operator++() {
    *furthest_ = ++at_;
    return *this;
  }
  Cursor operator++(int) {
    const Cursor before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Cursor& other) const { return at_ == other.at_; }
  bool operator!=(const Cursor& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** furthest_;
};

// Builds the document from parser events, and refuses what a document tree would hide.
class Builder : public nlohmann::json_sax<Json> {
 public:
  Builder(std::string_view text, const std::string& source, const char* const* furthest)
      : text_(text), source_(source), furthest_(furthest) {}

  Json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    auto [place, is_new] = open_.back()->get_ref<Json::object_t&>().emplace(std::move(name), nullptr);
    if (!is_new) fail(key_begin(), fmt::format("the key {} is there twice", quote(place->first)));
    member_ = &place->second;
    return true;
  }

  // `read` counts the characters up to and with the unexpected one, the end of the text among them.
  bool parse_error(std::size_t read, const std::string&, const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while ...": keep the
    // end of it.
    std::string_view reason = error.what();
    if (const auto at = reason.find("syntax error "); at != reason.npos) reason.remove_prefix(at);
    fail(read > 0 ? read - 1 : 0, "not valid JSON: " + std::string(reason));
  }

 private:
  static constexpr std::size_t kDeepest = 500;

  std::size_t position() const { return static_cast<std::size_t>(*furthest_ - text_.data()); }

  // The parser stands behind the closing quote: go back to the opening one, which no backslash escapes.
  std::size_t key_begin() const {
    std::size_t at = position() - 1;
    while (at > 0) {
      --at;
      if (text_[at] != '"') continue;
      std::size_t backslashes = 0;
      while (backslashes < at && text_[at - 1 - backslashes] == '\\') ++backslashes;
      if (backslashes % 2 == 0) break;
    }
    return at;
  }

  [[noreturn]] void fail(std::size_t at, const std::string& what) const {
    throw Error(ErrorKind::kFormat, fmt::format("{}:{}: {}", source_, line_and_column(text_, at), what));
  }

  template <typename Value>
  Json* put(Value&& value) {
    if (open_.empty()) {
      root_ = std::forward<Value>(value);
      return &root_;
    }
    if (open_.back()->is_array()) {
      auto& array = open_.back()->get_ref<Json::array_t&>();
      return &array.emplace_back(std::forward<Value>(value));
    }
    *member_ = std::forward<Value>(value);
    return member_;
  }

  template <typename Value>
  bool add(Value&& value) {
    put(std::forward<Value>(value));
    return true;
  }

  bool open(Json container) {
    if (open_.size() >= kDeepest) fail(position() - 1, fmt::format("nested deeper than {} levels", kDeepest));
    open_.push_back(put(std::move(container)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view text_;
  const std::string& source_;
  const char* const* furthest_;
  Json root_;
  std::vector<Json*> open_;  // an open container does not move: its parent grows only when it is closed
  Json* member_ = nullptr;   // where the value of the last key goes
};

std::string shown(const Json& value) {
  if (value.is_string()) return quote(value.get_ref<const std::string&>(), 60);
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  return value.dump();
}

}  // namespace

Json parse_json(std::string_view text, const std::string& source) {
  if (const auto bad = find_invalid_utf8(text)) {
    throw Error(ErrorKind::kFormat,
                fmt::format("{}:{}: not UTF-8 (byte {})", source, line_and_column(text, *bad), *bad));
  }
  // The parser would take a NUL for the end of the text.
  if (const auto nul = text.find('\0'); nul != text.npos) {
    throw Error(ErrorKind::kFormat,
                fmt::format("{}:{}: not valid JSON: a NUL character", source, line_and_column(text, nul)));
  }
  const char* furthest = text.data();
  Builder builder(text, source, &furthest);
  Json::sax_parse(Cursor(text.data(), &furthest), Cursor(text.data() + text.size(), &furthest), &builder);
  return builder.take();
}

Json read_json_file(const std::filesystem::path& path) {
  return parse_json(read_text_file(path), path.string());
}

JsonView::JsonView(const Json& document, std::string source) : JsonView(&document, std::move(source), "") {}

JsonView::JsonView(const Json* value, std::string source, std::string path)
    : value_(value), source_(std::move(source)), path_(std::move(path)) {}

void JsonView::refuse(const std::string& expected) const {
  const std::string where = path_.empty() ? "the document" : quote(path_);
  throw Error(ErrorKind::kFormat,
              fmt::format("{}: {} must be {}, found {}", source_, where, expected, shown(*value_)));
}

void JsonView::require_object() const {
  if (!value_->is_object()) refuse("an object");
}

std::optional<JsonView> JsonView::find(std::string_view key) const {
  require_object();
  const auto& object = value_->get_ref<const Json::object_t&>();
  const auto found = object.find(std::string(key));
  if (found == object.end() || found->second.is_null()) return std::nullopt;
  return JsonView(&found->second, source_, path_.empty() ? std::string(key) : path_ + "." + std::string(key));
}

JsonView JsonView::at(std::string_view key) const {
  require_object();
  const auto& object = value_->get_ref<const Json::object_t&>();
  const auto found = object.find(std::string(key));
  const std::string path = path_.empty() ? std::string(key) : path_ + "." + std::string(key);
  if (found == object.end()) {
    const auto near = nearest_name(key, keys());
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: {} is missing{}", source_, quote(path),
                            near ? fmt::format(" (there is {})", quote(*near)) : std::string()));
  }
  return JsonView(&found->second, source_, path);
}

std::vector<JsonView> JsonView::elements() const {
  if (!value_->is_array()) refuse("an array");
  std::vector<JsonView> views;
  views.reserve(value_->size());
  for (const Json& element : *value_) {
    views.push_back(JsonView(&element, source_, fmt::format("{}[{}]", path_, views.size())));
  }
  return views;
}

std::vector<std::string> JsonView::keys() const {
  require_object();
  std::vector<std::string> names;
  for (const auto& [name, value] : value_->items()) names.push_back(name);
  return names;
}

const std::string& JsonView::as_string() const {
  if (!value_->is_string()) refuse("a string");
  return value_->get_ref<const std::string&>();
}

bool JsonView::as_bool() const {
  if (!value_->is_boolean()) refuse("true or false");
  return value_->get<bool>();
}

std::int64_t JsonView::as_integer() const {
  const bool fits = value_->is_number_unsigned()
                        ? value_->get<std::uint64_t>() <= static_cast<std::uint64_t>(INT64_MAX)
                        : value_->is_number_integer();
  if (!fits) refuse("an integer");
  return value_->get<std::int64_t>();
}

std::int64_t JsonView::as_positive_integer() const {
  if (!value_->is_number_integer() || as_integer() <= 0) refuse("a positive integer");
  return as_integer();
}

std::int64_t JsonView::as_non_negative_integer() const {
  if (!value_->is_number_integer() || as_integer() < 0) refuse("an integer not below 0");
  return as_integer();
}

double JsonView::as_number() const {
  if (!value_->is_number()) refuse("a number");
  return value_->get<double>();
}

std::vector<std::string> JsonView::as_strings() const {
  if (!value_->is_array()) refuse("an array of strings");
  std::vector<std::string> strings;
  for (const JsonView& element : elements()) strings.push_back(element.as_string());
  return strings;
}

std::vector<std::int64_t> JsonView::as_integers() const {
  if (!value_->is_array()) refuse("an array of integers");
  std::vector<std::int64_t> integers;
  for (const JsonView& element : elements()) integers.push_back(element.as_integer());
  return integers;
}

std::string JsonView::string_or(std::string_view key, std::string_view fallback) const {
  const auto found = find(key);
  return found ? found->as_string() : std::string(fallback);
}

bool JsonView::bool_or(std::string_view key, bool fallback) const {
  const auto found = find(key);
  return found ? found->as_bool() : fallback;
}

std::int64_t JsonView::positive_integer_or(std::string_view key, std::int64_t fallback) const {
  const auto found = find(key);
  return found ? found->as_positive_integer() : fallback;
}

double JsonView::number_or(std::string_view key, double fallback) const {
  const auto found = find(key);
  return found ? found->as_number() : fallback;
}

}  // namespace emend
