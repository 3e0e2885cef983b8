#include "config/edit_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "config/edit_rules.h"

namespace emend {
namespace {

std::string not_empty(const EditValue& value, std::string_view cut) {
  if (cut.empty()) value.fail("the text is empty");
  return std::string(cut);
}

Neighbour neighbour_of(const EditValue& value) {
  if (value.is_text()) return {prompt_of(value), ""};
  const std::unique_ptr<EditMap> map = value.members(neighbour_keys(), "a prompt");
  Neighbour neighbour{prompt_of(*map->at("prompt")), ""};
  if (const auto answer = map->find("answer")) neighbour.answer = word_of(*answer);
  return neighbour;
}

void read_id(const EditValue& value, EditRequest& request, ErrorList&) {
  request.id = not_empty(value, trim(value.id_text()));
}

void read_prompt_key(const EditValue& value, EditRequest& request, ErrorList&) {
  request.prompt = prompt_of(value);
}

// Where it stands is looked for next, and then it must not be empty.
void read_subject(const EditValue& value, EditRequest& request, ErrorList&) {
  request.subject = value.text(TextShape::kLine);
}

void read_target(const EditValue& value, EditRequest& request, ErrorList&) {
  request.target = word_of(value);
}

void read_was(const EditValue& value, EditRequest& request, ErrorList&) {
  request.was = word_of(value);
  if (request.was == request.target)
    value.fail(fmt::format("target and was are both {}: nothing to edit", quote(request.was)));
}

void read_paraphrases(const EditValue& value, EditRequest& request, ErrorList& errors) {
  for (const auto& item : value.items())
    errors.collect([&] { request.paraphrases.push_back(prompt_of(*item)); });
}

void read_neighbours(const EditValue& value, EditRequest& request, ErrorList& errors) {
  for (const auto& item : value.items())
    errors.collect([&] {
      Neighbour neighbour = neighbour_of(*item);
      if (neighbour.prompt == request.prompt)
        item->fail(
            "this is the prompt of the edit itself, whose answer changes; a neighbour is another prompt");
      request.neighbours.push_back(std::move(neighbour));
    });
}

OtherSubject other_subject_of(const EditValue& value) {
  if (value.is_text()) return {word_of(value), ""};
  const std::unique_ptr<EditMap> map = value.members(other_subject_keys(), "a subject");
  OtherSubject other{word_of(*map->at("subject")), ""};
  if (const auto answer = map->find("answer")) other.answer = word_of(*answer);
  return other;
}

void read_bleed(const EditValue& value, EditRequest& request, ErrorList& errors) {
  for (const auto& item : value.items())
    errors.collect([&] {
      OtherSubject other = other_subject_of(*item);
      if (const std::string why = other_subject_flaw(request, other); !why.empty()) item->fail(why);
      request.bleed.push_back(std::move(other));
    });
}

enum class Need { kRequired, kOptional, kPlacesSubject };

struct EditKey {
  const char* name;
  Need need;
  void (*read)(const EditValue& value, EditRequest& request, ErrorList& errors);
};

constexpr EditKey kEditKeys[] = {
    {"id", Need::kOptional, read_id},
    {"prompt", Need::kRequired, read_prompt_key},
    {"subject", Need::kRequired, read_subject},
    {"subject_occurrence", Need::kPlacesSubject, nullptr},
    {"target", Need::kRequired, read_target},
    {"was", Need::kOptional, read_was},
    {"paraphrases", Need::kOptional, read_paraphrases},
    {"neighbours", Need::kOptional, read_neighbours},
    {"bleed", Need::kOptional, read_bleed},
};

}  // namespace

std::string advice_on_key(const std::string& name) {
  static const std::vector<std::string> of_records = {"target_new",
                                                      "target_true",
                                                      "ground_truth",
                                                      "rephrase_prompt",
                                                      "rephrase",
                                                      "requested_rewrite",
                                                      "paraphrase_prompts",
                                                      "neighborhood_prompts",
                                                      "locality_prompt",
                                                      "locality_ground_truth",
                                                      "alt",
                                                      "src"};
  if (std::ranges::find(of_records, name) == of_records.end()) return "";
  return " of a benchmark's records, which can be converted into an edit file";
}

const std::vector<std::string>& edit_keys() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const EditKey& key : kEditKeys) all.emplace_back(key.name);
    return all;
  }();
  return names;
}

const std::vector<std::string>& neighbour_keys() {
  static const std::vector<std::string> names = {"prompt", "answer"};
  return names;
}

const std::vector<std::string>& other_subject_keys() {
  static const std::vector<std::string> names = {"subject", "answer"};
  return names;
}

std::string prompt_of(const EditValue& value) {
  const std::string text = value.text(TextShape::kLines);
  return not_empty(value, trim_back(text));
}

std::string word_of(const EditValue& value) {
  const std::string text = value.text(TextShape::kLine);
  return not_empty(value, trim(text));
}

EditRequest read_request(const EditMap& map, int number, ErrorList& errors) {
  EditRequest request;
  request.id = fmt::format("edit-{}", number);
  const std::size_t unknown_keys = map.check_keys(errors);
  const std::size_t before = errors.size();
  for (const EditKey& key : kEditKeys) {
    if (key.need == Need::kPlacesSubject) {
      // What is missing or broken has been told already.
      if (errors.size() == before && !request.prompt.empty() && map.find("subject") != nullptr)
        errors.collect([&] { request.subject_begin = map.place_subject(request); });
      continue;
    }
    errors.collect([&] {
      // Where a key is unknown, the missing one is what was meant by it.
      const bool must_be = key.need == Need::kRequired && unknown_keys == 0;
      if (const auto value = must_be ? map.at(key.name) : map.find(key.name))
        key.read(*value, request, errors);
    });
  }
  return request;
}

}  // namespace emend
