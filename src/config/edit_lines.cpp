#include "config/edit_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "base/json.h"
#include "base/nearest.h"
#include "base/strings.h"
#include "config/edit_rules.h"
#include "config/text_check.h"
#include "emend/error.h"

namespace emend {
namespace {

const std::vector<std::string> kNeighbourKeys = {"prompt", "answer"};
const std::vector<std::string> kOtherKeys = {"subject", "answer"};

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

// About the value that `json` is.
[[noreturn]] void fail_at(const JsonView& json, const std::string& message) {
  fail(json.source(), fmt::format("{}: {}", json.path(), message));
}

void check_keys(const JsonView& json, const std::vector<std::string>& known) {
  for (const auto& [name, value] : json.json().get_ref<const Json::object_t&>())
    if (std::ranges::find(known, name) == known.end())
      fail(json.source(), fmt::format("{}unknown key {}{}", json.path().empty() ? "" : json.path() + ": ",
                                      quote(name), did_you_mean(name, known)));
}

const std::string& clean_text(const JsonView& json, TextShape shape) {
  const std::string& text = json.as_string();
  if (const auto bad = find_bad_character(text, shape)) fail_at(json, bad->what + " cannot stand here");
  return text;
}

// The same cuts as read_prompt and read_word make.
std::string prompt_of(const JsonView& json) {
  std::string prompt(trim_back(clean_text(json, TextShape::kLines)));
  if (prompt.empty()) fail_at(json, "the text is empty");
  return prompt;
}

std::string word_of(const JsonView& json) {
  std::string word(trim(clean_text(json, TextShape::kLine)));
  if (word.empty()) fail_at(json, "the text is empty");
  return word;
}

// A text or a whole number, as the ids of data sets are.
std::string id_of(const JsonView& json) {
  return json.is_number() ? std::to_string(json.as_integer()) : word_of(json);
}

std::optional<int> occurrence_of(const JsonView& json) {
  const auto found = json.find("subject_occurrence");
  if (!found) return std::nullopt;
  const std::int64_t chosen = found->as_positive_integer();
  return static_cast<int>(std::min<std::int64_t>(chosen, std::numeric_limits<int>::max()));
}

// The rules of edits that are made in code, with the place in front of what they refuse.
EditRequest request_of(const JsonView& json) {
  const std::string prompt = prompt_of(json.at("prompt")), target = word_of(json.at("target"));
  const std::string& subject = clean_text(json.at("subject"), TextShape::kLine);
  const std::optional<int> occurrence = occurrence_of(json);
  try {
    return make_request(prompt, subject, target, occurrence);
  } catch (const Error& error) {
    fail(json.source(), error.what());
  }
}

Neighbour neighbour_of(const JsonView& json) {
  if (json.is_string()) return {prompt_of(json), ""};
  if (!json.is_object()) json.refuse("a prompt or an object {prompt, answer}");
  check_keys(json, kNeighbourKeys);
  Neighbour neighbour{prompt_of(json.at("prompt")), ""};
  if (const auto answer = json.find("answer")) neighbour.answer = word_of(*answer);
  return neighbour;
}

OtherSubject other_subject_of(const JsonView& json, const EditRequest& request) {
  OtherSubject other;
  if (json.is_string()) {
    other.subject = word_of(json);
  } else {
    if (!json.is_object()) json.refuse("a subject or an object {subject, answer}");
    check_keys(json, kOtherKeys);
    other.subject = word_of(json.at("subject"));
    if (const auto answer = json.find("answer")) other.answer = word_of(*answer);
  }
  if (const std::string why = other_subject_flaw(request, other); !why.empty()) fail_at(json, why);
  return other;
}

EditEntry entry_of(const JsonView& json, int number, int line) {
  if (!json.is_object()) json.refuse("an object, one edit a line");
  check_keys(json, line_keys());
  EditRequest request = request_of(json);
  const auto id = json.find("id");
  request.id = id ? id_of(*id) : fmt::format("edit-{}", number);
  if (const auto was = json.find("was")) {
    request.was = word_of(*was);
    if (request.was == request.target)
      fail_at(*was, fmt::format("target and was are both {}: nothing to edit", quote(request.was)));
  }
  if (const auto list = json.find("paraphrases"))
    for (const JsonView& item : list->elements()) request.paraphrases.push_back(prompt_of(item));
  if (const auto list = json.find("neighbours"))
    for (const JsonView& item : list->elements()) request.neighbours.push_back(neighbour_of(item));
  if (const auto list = json.find("bleed"))
    for (const JsonView& item : list->elements()) request.bleed.push_back(other_subject_of(item, request));
  const auto refuse = [where = json.source()](const std::string& message) { fail(where, message); };
  return {std::move(request), refuse, line};
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

std::vector<EditEntry> read_edit_lines(std::string_view text, const std::string& name) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<EditEntry> entries;
  int number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    ++number;
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    if (trim(line).empty()) continue;
    const Json json = parse_line(line, number, name);
    const JsonView view(json, fmt::format("{}:{}", name, number));
    entries.push_back(entry_of(view, static_cast<int>(entries.size()) + 1, number));
  }
  if (entries.empty()) fail(name, "the file is empty; expected one edit a line");
  return entries;
}

}  // namespace emend
