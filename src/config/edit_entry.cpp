#include "config/edit_entry.h"

#include <fmt/format.h>

#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/strings.h"
#include "base/utf8.h"
#include "config/edit_schema.h"

namespace emend {
namespace {

[[noreturn]] void fail_subject_absent(const ConfigNode& node, const EditRequest& request) {
  node.fail(fmt::format("the subject {} is not in the prompt {}{}", quote(request.subject),
                        quote(request.prompt), other_form_hint(request.prompt, request.subject)));
}

// The byte offset of the occurrence that the file chooses.
std::size_t read_subject_begin(const ConfigNode& subject, const std::optional<ConfigNode>& occurrence,
                               const EditRequest& request) {
  if (trim(request.subject).empty()) subject.fail("the subject is empty");
  const std::vector<std::size_t> begins = find_occurrences(request.prompt, request.subject);
  if (begins.empty()) fail_subject_absent(subject, request);
  const std::string count = begins.size() == 1 ? "once" : fmt::format("{} times", begins.size());
  if (!occurrence) {
    if (begins.size() == 1) return begins[0];
    subject.fail(
        fmt::format("the subject {} is in the prompt {}; say which one with subject_occurrence: 1 to {}",
                    quote(request.subject), count, begins.size()));
  }
  const int chosen = occurrence->integer();
  if (chosen < 1) occurrence->fail(fmt::format("occurrences count from 1, found {}", chosen));
  if (static_cast<std::size_t>(chosen) > begins.size()) {
    occurrence->fail(fmt::format("there is no occurrence {}: the subject {} is in the prompt {}", chosen,
                                 quote(request.subject), count));
  }
  return begins[static_cast<std::size_t>(chosen) - 1];
}

class YamlValue : public EditValue {
 public:
  explicit YamlValue(ConfigNode node) : node_(std::move(node)) {}

  bool is_text() const override { return node_.is_scalar(); }
  std::string text(TextShape shape) const override { return node_.text(shape); }
  std::string id_text() const override { return node_.text(); }
  std::vector<std::unique_ptr<EditValue>> items() const override {
    std::vector<std::unique_ptr<EditValue>> values;
    for (const ConfigNode& item : node_.items()) values.push_back(std::make_unique<YamlValue>(item));
    return values;
  }
  std::unique_ptr<EditMap> members(const std::vector<std::string>& keys,
                                   const char* text_name) const override;
  [[noreturn]] void fail(const std::string& message) const override { node_.fail(message); }

 private:
  ConfigNode node_;
};

class YamlMap : public EditMap {
 public:
  // Throws Error(kConfig) for a node that is no map, and for repeated keys.
  explicit YamlMap(ConfigNode node) : node_(std::move(node)), fields_(node_.entries()) {}
  // Also for other keys.
  YamlMap(ConfigNode node, const std::vector<std::string>& keys)
      : node_(std::move(node)), fields_(node_.fields(keys)) {}

  std::size_t check_keys(ErrorList& errors) const override {
    return fields_.check_keys(edit_keys(), errors, advice_on_key);
  }

  std::unique_ptr<EditValue> find(const std::string& key) const override {
    const auto found = fields_.find(key);
    return found ? std::make_unique<YamlValue>(*found) : nullptr;
  }
  std::unique_ptr<EditValue> at(const std::string& key) const override {
    auto found = find(key);
    if (!found) node_.fail(fmt::format("the key {} is missing", quote(key)));
    return found;
  }
  std::size_t place_subject(const EditRequest& request) const override {
    return read_subject_begin(*fields_.find("subject"), fields_.find("subject_occurrence"), request);
  }
  // Where a conflict with other entries is told.
  ConfigNode place() const { return fields_.find("id").value_or(node_); }

 private:
  ConfigNode node_;
  ConfigFields fields_;
};

std::unique_ptr<EditMap> YamlValue::members(const std::vector<std::string>& keys,
                                            const char* text_name) const {
  if (!node_.is_map())
    node_.fail(
        fmt::format("expected {} or a map {{{}}}, found {}", text_name, join(keys, ", "), node_.describe()));
  return std::make_unique<YamlMap>(node_, keys);
}

std::string at_line(const EditEntry& entry) {
  return fmt::format("{} (line {})", quote(entry.request.id), entry.line);
}

// What two entries of one prompt must not have in common.
using Subject = std::pair<std::size_t, std::string_view>;  // where it begins, and what it is

// The entries so far that ask in these words. They all want the same answer.
struct SameWords {
  const EditEntry* first = nullptr;
  std::map<Subject, const EditEntry*> by_subject;  // of the entries whose prompt this is
};
using Wordings = std::unordered_map<std::string_view, SameWords>;

void require_same_target(SameWords& same, const EditEntry& entry, const char* what, std::string_view words) {
  if (same.first == nullptr) same.first = &entry;
  const std::string& earlier = same.first->request.target;
  if (entry.request.target != earlier)
    entry.refuse(fmt::format("the edits {} and {} want different answers to the {} {}: {} and {}",
                             at_line(*same.first), at_line(entry), what, quote(words), quote(earlier),
                             quote(entry.request.target)));
}

void add_to(Wordings& wordings, const EditEntry& entry) {
  const EditRequest& request = entry.request;
  SameWords& same = wordings[request.prompt];
  require_same_target(same, entry, "prompt", request.prompt);
  for (const std::string& paraphrase : request.paraphrases)
    require_same_target(wordings[paraphrase], entry, "wording", paraphrase);
  const auto [earlier, added] =
      same.by_subject.emplace(Subject(request.subject_begin, request.subject), &entry);
  if (!added)
    entry.refuse(fmt::format("the edits {} and {} say the same: prompt, subject and target are equal",
                             at_line(*earlier->second), at_line(entry)));
}

}  // namespace

std::string read_prompt(const ConfigNode& node) {
  return prompt_of(YamlValue(node));
}

std::string read_word(const ConfigNode& node) {
  return word_of(YamlValue(node));
}

EditEntry read_edit_entry(const ConfigNode& node, int number, ErrorList& errors) {
  const YamlMap map(node);
  const auto refuse = [at = map.place()](const std::string& message) { at.fail(message); };
  const std::size_t before = errors.size();
  EditRequest request = read_request(map, number, errors);
  return {std::move(request), refuse, node.line(), errors.size() == before};
}

void check_edit_conflicts(const std::vector<EditEntry>& entries, ErrorList& errors) {
  std::unordered_map<std::string_view, const EditEntry*> by_id;
  Wordings wordings;
  for (const EditEntry& entry : entries) {
    if (!entry.is_sound) continue;
    errors.collect([&] {
      const auto [earlier, added] = by_id.emplace(entry.request.id, &entry);
      if (!added)
        entry.refuse(fmt::format("the id {} is taken: edits in line {} and line {} both have it",
                                 quote(entry.request.id), earlier->second->line, entry.line));
      add_to(wordings, entry);
    });
  }
}

}  // namespace emend
