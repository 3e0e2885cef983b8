#include "config/edit_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "base/json.h"
#include "base/nearest.h"
#include "base/strings.h"
#include "config/edit_rules.h"
#include "config/edit_schema.h"
#include "config/text_check.h"
#include "emend/error.h"

namespace emend {
namespace {

// What a benchmark measures beside the edit.
const std::vector<std::string> kBenchmarkKeys = {"relation", "known",       "attributes",  "generations",
                                                 "locality", "portability", "same_subject"};

const std::vector<std::string>& line_keys() {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> all = edit_keys();
    all.insert(all.end(), kBenchmarkKeys.begin(), kBenchmarkKeys.end());
    return all;
  }();
  return keys;
}

[[noreturn]] void fail(const std::string& where, const std::string& message) {
  throw Error(ErrorKind::kConfig, where + ": " + message);
}

void require_known(const JsonView& json, const std::string& name, const std::vector<std::string>& known) {
  if (std::ranges::find(known, name) == known.end())
    fail(json.source(), fmt::format("{}unknown key {}{}{}", json.path().empty() ? "" : json.path() + ": ",
                                    quote(name), advice_on_key(name), did_you_mean(name, known)));
}

std::optional<int> occurrence_of(const JsonView& json) {
  const auto found = json.find("subject_occurrence");
  if (!found) return std::nullopt;
  const std::int64_t chosen = found->as_positive_integer();
  return static_cast<int>(std::min<std::int64_t>(chosen, std::numeric_limits<int>::max()));
}

class JsonValue : public EditValue {
 public:
  explicit JsonValue(JsonView json) : json_(std::move(json)) {}

  bool is_text() const override { return json_.is_string(); }
  std::string text(TextShape shape) const override {
    const std::string& text = json_.as_string();
    if (const auto bad = find_bad_character(text, shape)) fail(bad->what + " cannot stand here");
    return text;
  }
  // A text or a whole number, as the ids of data sets are.
  std::string id_text() const override {
    return json_.is_number() ? std::to_string(json_.as_integer()) : text(TextShape::kLine);
  }
  std::vector<std::unique_ptr<EditValue>> items() const override {
    std::vector<std::unique_ptr<EditValue>> values;
    for (const JsonView& item : json_.elements()) values.push_back(std::make_unique<JsonValue>(item));
    return values;
  }
  std::unique_ptr<EditMap> members(const std::vector<std::string>& keys,
                                   const char* text_name) const override;
  [[noreturn]] void fail(const std::string& message) const override {
    emend::fail(json_.source(), fmt::format("{}: {}", json_.path(), message));
  }

 private:
  JsonView json_;
};

class JsonMap : public EditMap {
 public:
  explicit JsonMap(JsonView json) : json_(std::move(json)) {}  // an object
  // Throws Error(kConfig) for other keys.
  JsonMap(JsonView json, const std::vector<std::string>& keys) : json_(std::move(json)) {
    for (const std::string& name : names()) require_known(json_, name, keys);
  }

  std::size_t check_keys(ErrorList& errors) const override {
    const std::size_t before = errors.size();
    for (const std::string& name : names()) errors.collect([&] { require_known(json_, name, line_keys()); });
    return errors.size() - before;
  }

  std::unique_ptr<EditValue> find(const std::string& key) const override {
    const auto found = json_.find(key);
    return found ? std::make_unique<JsonValue>(*found) : nullptr;
  }
  std::unique_ptr<EditValue> at(const std::string& key) const override {
    return std::make_unique<JsonValue>(json_.at(key));
  }
  // The rule of edits that are made in code, with the place in front of what it refuses.
  std::size_t place_subject(const EditRequest& request) const override {
    const std::optional<int> occurrence = occurrence_of(json_);
    try {
      return subject_place(request, occurrence);
    } catch (const Error& error) {
      fail(json_.source(), error.what());
    }
  }

 private:
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& [name, value] : json_.json().get_ref<const Json::object_t&>()) all.push_back(name);
    return all;
  }

  JsonView json_;
};

std::unique_ptr<EditMap> JsonValue::members(const std::vector<std::string>& keys,
                                            const char* text_name) const {
  if (!json_.is_object()) json_.refuse(fmt::format("{} or an object {{{}}}", text_name, join(keys, ", ")));
  return std::make_unique<JsonMap>(json_, keys);
}

EditEntry entry_of(const JsonView& json, int number, int line, ErrorList& errors) {
  if (!json.is_object()) json.refuse("an object, one edit a line");
  const auto refuse = [where = json.source()](const std::string& message) { fail(where, message); };
  const std::size_t before = errors.size();
  EditRequest request = read_request(JsonMap(json), number, errors);
  return {std::move(request), refuse, line, errors.size() == before};
}

// The parser counts the lines of what it is given: for a broken line those above stand in as empty ones.
Json parse_line(std::string_view line, int number, const std::string& name) {
  try {
    return parse_json(line, name);
  } catch (const Error&) {
    return parse_json(std::string(static_cast<std::size_t>(number) - 1, '\n') + std::string(line), name);
  }
}

}  // namespace

bool is_edit_lines(const std::filesystem::path& name) {
  return name.extension() == ".jsonl";
}

std::vector<EditEntry> read_edit_lines(std::string_view text, const std::string& name, ErrorList& errors) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<EditEntry> entries;
  int number = 0, edits = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    ++number;
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    if (trim(line).empty()) continue;
    ++edits;
    errors.collect([&] {
      const Json json = parse_line(line, number, name);
      const JsonView view(json, fmt::format("{}:{}", name, number));
      entries.push_back(entry_of(view, edits, number, errors));
    });
  }
  if (edits == 0) fail(name, "the file is empty; expected one edit a line");
  return entries;
}

}  // namespace emend
