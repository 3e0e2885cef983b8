// Strict JSON for files that people and other programs wrote: errors name the file, line and column, a key
// given twice is an error, and what a getter refuses it names by its path in the document.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emend {

using Json = nlohmann::json;
// For results: keeps the order in which keys are put in.
using ResultJson = nlohmann::ordered_json;

// null for std::nullopt.
template <typename Value>
ResultJson or_null(const std::optional<Value>& value) {
  return value ? ResultJson(*value) : ResultJson(nullptr);
}

// Parses one JSON document. `source` names it in errors. Throws Error(kFormat) for syntax errors, text that
// is not UTF-8, NUL characters, duplicate keys, and nesting deeper than 500; a UTF-8 byte order mark is
// skipped.
Json parse_json(std::string_view text, const std::string& source);

// Throws Error(kIo) where the file cannot be read.
Json read_json_file(const std::filesystem::path& path);

// A place in a parsed document that knows its way there. Points into the document, which must outlive it. All
// that it refuses is Error(kFormat): `config.json: "n_layer" must be a positive integer, found "x"`.
class JsonView {
 public:
  JsonView(const Json& document, std::string source);

  const Json& json() const { return *value_; }
  const std::string& source() const { return source_; }
  // "rope_scaling.factor", "layers[2].name"; empty for the whole document.
  const std::string& path() const { return path_; }

  bool is_null() const { return value_->is_null(); }
  bool is_object() const { return value_->is_object(); }
  bool is_array() const { return value_->is_array(); }
  bool is_string() const { return value_->is_string(); }
  bool is_number() const { return value_->is_number(); }

  // The member `key`; at() throws if it is missing, find() returns std::nullopt if it is missing or null.
  JsonView at(std::string_view key) const;
  std::optional<JsonView> find(std::string_view key) const;
  bool has(std::string_view key) const { return find(key).has_value(); }

  // Elements of an array, in order.
  std::vector<JsonView> elements() const;
  // Keys of an object, sorted.
  std::vector<std::string> keys() const;

  const std::string& as_string() const;
  bool as_bool() const;
  // A number without fraction (1e3 and 2.0 are none) that fits.
  std::int64_t as_integer() const;
  std::int64_t as_positive_integer() const;
  std::int64_t as_non_negative_integer() const;
  // Any number, integers included.
  double as_number() const;
  std::vector<std::string> as_strings() const;
  std::vector<std::int64_t> as_integers() const;

  // The common cases in one call; the `_or` forms take the default for a missing member and for null.
  const std::string& string(std::string_view key) const { return at(key).as_string(); }
  std::string string_or(std::string_view key, std::string_view fallback) const;
  bool bool_or(std::string_view key, bool fallback) const;
  std::int64_t positive_integer(std::string_view key) const { return at(key).as_positive_integer(); }
  std::int64_t positive_integer_or(std::string_view key, std::int64_t fallback) const;
  double number(std::string_view key) const { return at(key).as_number(); }
  double number_or(std::string_view key, double fallback) const;

  // Throws `SOURCE: "PATH" must be EXPECTED, found VALUE`. For checks that the caller makes.
  [[noreturn]] void refuse(const std::string& expected) const;

 private:
  JsonView(const Json* value, std::string source, std::string path);
  void require_object() const;

  const Json* value_;
  std::string source_;
  std::string path_;
};

}  // namespace emend
