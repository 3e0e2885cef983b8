#include "config/edit_entry.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/strings.h"
#include "base/utf8.h"
#include "config/edit_rules.h"

namespace emend {
namespace {

const std::vector<std::string> kEditKeys = {
    "id", "prompt", "subject", "subject_occurrence", "target", "was", "paraphrases", "neighbours", "bleed"};
const std::vector<std::string> kNeighbourKeys = {"prompt", "answer"};
const std::vector<std::string> kOtherKeys = {"subject", "answer"};

ConfigNode require(const ConfigNode& map, const ConfigFields& fields, const std::string& key) {
  const auto found = fields.find(key);
  if (!found) map.fail(fmt::format("the key {} is missing", quote(key)));
  return *found;
}

std::string read_subject(const ConfigNode& node) {
  std::string subject = node.text();
  if (trim(subject).empty()) node.fail("the subject is empty");
  return subject;
}

[[noreturn]] void fail_subject_absent(const ConfigNode& node, const EditRequest& request) {
  node.fail(fmt::format("the subject {} is not in the prompt {}{}", quote(request.subject),
                        quote(request.prompt), other_form_hint(request.prompt, request.subject)));
}

// The byte offset of the occurrence that the file chooses.
std::size_t read_subject_begin(const ConfigNode& subject, const std::optional<ConfigNode>& occurrence,
                               const EditRequest& request) {
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

Neighbour read_neighbour(const ConfigNode& node) {
  if (node.is_scalar()) return {read_prompt(node), ""};
  if (!node.is_map()) node.fail("expected a prompt or a map {prompt, answer}, found " + node.describe());
  const ConfigFields fields = node.fields(kNeighbourKeys);
  Neighbour neighbour{read_prompt(require(node, fields, "prompt")), ""};
  if (const auto answer = fields.find("answer")) neighbour.answer = read_word(*answer);
  return neighbour;
}

OtherSubject read_other_subject(const ConfigNode& node) {
  if (node.is_scalar()) return {read_word(node), ""};
  if (!node.is_map()) node.fail("expected a subject or a map {subject, answer}, found " + node.describe());
  const ConfigFields fields = node.fields(kOtherKeys);
  OtherSubject other{read_word(require(node, fields, "subject")), ""};
  if (const auto answer = fields.find("answer")) other.answer = read_word(*answer);
  return other;
}

std::string at_line(const EditEntry& entry) {
  return fmt::format("{} (line {})", quote(entry.request.id), entry.line);
}

// What two entries of one prompt must not have in common.
using Subject = std::pair<std::size_t, std::string_view>;  // where it begins, and what it is

// The entries of one prompt so far. They all want the same answer.
struct SamePrompt {
  const EditEntry* first = nullptr;
  std::map<Subject, const EditEntry*> by_subject;
};

void add_to(SamePrompt& same, const EditEntry& entry) {
  const EditRequest& request = entry.request;
  if (same.first == nullptr) same.first = &entry;
  if (request.target != same.first->request.target)
    entry.refuse(fmt::format("the edits {} and {} want different answers to the prompt {}: {} and {}",
                             at_line(*same.first), at_line(entry), quote(request.prompt),
                             quote(same.first->request.target), quote(request.target)));
  const auto [earlier, added] =
      same.by_subject.emplace(Subject(request.subject_begin, request.subject), &entry);
  if (!added)
    entry.refuse(fmt::format("the edits {} and {} say the same: prompt, subject and target are equal",
                             at_line(*earlier->second), at_line(entry)));
}

}  // namespace

std::string read_prompt(const ConfigNode& node) {
  std::string prompt(trim_back(node.text(TextShape::kLines)));
  if (prompt.empty()) node.fail("the text is empty");
  return prompt;
}

std::string read_word(const ConfigNode& node) {
  std::string word(trim(node.text()));
  if (word.empty()) node.fail("the text is empty");
  return word;
}

const std::vector<std::string>& edit_keys() {
  return kEditKeys;
}

EditEntry read_edit_entry(const ConfigNode& node, int number) {
  const ConfigFields fields = node.fields(kEditKeys);
  EditRequest request;
  const auto id = fields.find("id");
  request.id = id ? read_word(*id) : fmt::format("edit-{}", number);
  request.prompt = read_prompt(require(node, fields, "prompt"));
  const ConfigNode subject = require(node, fields, "subject");
  request.subject = read_subject(subject);
  request.subject_begin = read_subject_begin(subject, fields.find("subject_occurrence"), request);
  request.target = read_word(require(node, fields, "target"));
  if (const auto was = fields.find("was")) {
    request.was = read_word(*was);
    if (request.was == request.target)
      was->fail(fmt::format("target and was are both {}: nothing to edit", quote(request.was)));
  }
  if (const auto list = fields.find("paraphrases")) {
    for (const ConfigNode& item : list->items()) request.paraphrases.push_back(read_prompt(item));
  }
  if (const auto list = fields.find("neighbours")) {
    for (const ConfigNode& item : list->items()) request.neighbours.push_back(read_neighbour(item));
  }
  if (const auto list = fields.find("bleed")) {
    for (const ConfigNode& item : list->items()) {
      OtherSubject other = read_other_subject(item);
      if (const std::string why = other_subject_flaw(request, other); !why.empty()) item.fail(why);
      request.bleed.push_back(std::move(other));
    }
  }
  const auto refuse = [at = id ? *id : node](const std::string& message) { at.fail(message); };
  return {std::move(request), refuse, node.line()};
}

void check_edit_conflicts(const std::vector<EditEntry>& entries) {
  std::unordered_map<std::string_view, const EditEntry*> by_id;
  std::unordered_map<std::string_view, SamePrompt> by_prompt;
  for (const EditEntry& entry : entries) {
    const auto [earlier, added] = by_id.emplace(entry.request.id, &entry);
    if (!added)
      entry.refuse(fmt::format("the id {} is taken: edits in line {} and line {} both have it",
                               quote(entry.request.id), earlier->second->line, entry.line));
    add_to(by_prompt[entry.request.prompt], entry);
  }
}

}  // namespace emend
