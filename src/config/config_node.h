// Typed reading of a YAML file. Every error names file, line, column and the path of the value, says what was
// found and what was expected. Keys that no reader knows are errors, since they are typing mistakes.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/error_list.h"
#include "config/text_check.h"
#include "config/yaml_text.h"

namespace emend {

class ConfigFields;
class ConfigNode;
struct ConfigEntry;

// One parsed YAML file. Its nodes point to it, so it must outlive them and stay where it is.
class ConfigDocument {
 public:
  // Throws Error(kConfig) for YAML syntax, an empty file, or more than one document.
  ConfigDocument(std::string_view yaml, std::string name);
  ConfigDocument(const ConfigDocument&) = delete;
  ConfigDocument& operator=(const ConfigDocument&) = delete;

  ConfigNode root();

 private:
  friend class ConfigNode;

  YamlText text_;
  YAML::Node root_;
  std::size_t read_bytes_ = 0;  // bytes handed out so far: aliases may repeat them, but not without end
};

// A value in the file. Cheap to copy.
class ConfigNode {
 public:
  std::string where() const;  // "eiffel.yaml:9:12": its own place, or its key's when it is empty
  int line() const { return mark_.line + 1; }
  // "edits[2].target", counted from 1; empty for the whole file.
  const std::string& path() const { return path_; }

  // Throws Error(kConfig) with the place and the path in front of `message`.
  [[noreturn]] void fail(const std::string& message) const;

  bool is_scalar() const { return node_.IsScalar(); }
  bool is_list() const { return node_.IsSequence(); }
  bool is_map() const { return node_.IsMap(); }

  // What a person would call it: `the text "x"`, "a list", "a map", "nothing". For messages.
  std::string describe() const;

  // The readers. Each throws Error(kConfig) when the value is of another type.

  // As written; numbers and words without quotes are texts, too.
  std::string text(TextShape shape = TextShape::kLine) const;
  // Unquoted decimal digits with or without a minus sign, within the range of int.
  int integer(const std::string& expected = "an integer") const;
  // Unquoted and finite.
  double number() const;
  std::vector<ConfigNode> items() const;
  // In file order; no key twice.
  std::vector<ConfigEntry> entries() const;
  // The same for a map that must not have other keys than `known`.
  ConfigFields fields(const std::vector<std::string>& known) const;

 private:
  friend class ConfigDocument;
  ConfigNode(ConfigDocument& document, const YAML::Node& node, YAML::Mark mark, std::string path)
      : document_(&document), node_(node), mark_(mark), path_(std::move(path)) {}

  [[noreturn]] void fail_type(const std::string& expected) const;
  ConfigNode child(const YAML::Node& node, YAML::Mark fallback, std::string path) const;
  const std::string& plain_scalar(const std::string& expected) const;
  void spend(std::size_t bytes) const;

  ConfigDocument* document_;
  YAML::Node node_;
  YAML::Mark mark_;
  std::string path_;
};

// One `name: value` of a map. An error about the name is one of `key`, whose path is that of the map.
struct ConfigEntry {
  std::string name;
  ConfigNode key;
  ConfigNode value;
};

// What stands behind an unknown key in the message; may be empty.
using KeyAdvice = std::string (*)(const std::string& name);

// Throws Error(kConfig), at the key, if the entry's name is none of `known`.
void require_known(const ConfigEntry& entry, const std::vector<std::string>& known,
                   KeyAdvice advice = nullptr);

// The entries of one map.
class ConfigFields {
 public:
  explicit ConfigFields(std::vector<ConfigEntry> entries) : entries_(std::move(entries)) {}

  // The value of `key`; std::nullopt if the map does not have it.
  std::optional<ConfigNode> find(std::string_view key) const;
  // Tells of every key that is none of `known`, and returns how many they are.
  std::size_t check_keys(const std::vector<std::string>& known, ErrorList& errors,
                         KeyAdvice advice = nullptr) const;

 private:
  std::vector<ConfigEntry> entries_;
};

}  // namespace emend
