#include "config/edit_file_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

#include "base/json.h"
#include "base/strings.h"
#include "config/edit_rules.h"

namespace emend {
namespace {

void fit_paraphrases(FittedEdits& fitted, EditRequest& request, TakenEdits& taken) {
  std::erase_if(request.paraphrases, [&](std::string& prompt) {
    std::string why = question_flaw(prompt, "");
    if (why.empty() && taken.wants_another(prompt, request.target))
      why = "paraphrase to which another edit wants another answer";
    if (!why.empty()) ++fitted.left_out_questions[why];
    if (why.empty()) taken.add_paraphrase(prompt, request.target);
    return !why.empty();
  });
}

void fit_neighbours(FittedEdits& fitted, EditRequest& request, const TakenEdits& taken) {
  std::erase_if(request.neighbours, [&](Neighbour& neighbour) {
    neighbour.answer = std::string(trim(neighbour.answer));
    std::string why = question_flaw(neighbour.prompt, neighbour.answer);
    if (why.empty() && taken.edits(neighbour.prompt)) why = "neighbour that is edited itself";
    if (!why.empty()) ++fitted.left_out_questions[why];
    return !why.empty();
  });
}

// Text in double quotes. What JSON escapes, YAML reads in the same way.
std::string quoted(const std::string& text) {
  return Json(text).dump();
}

void append_field(std::string& out, const char* key, const std::string& value) {
  out += fmt::format("    {}: {}\n", key, value);
}

// Which of several subjects of the prompt is meant, from 1; 0: there is one only.
std::int64_t occurrence_of(const EditRequest& request) {
  const std::vector<std::size_t> begins = find_occurrences(request.prompt, request.subject);
  if (begins.size() < 2) return 0;
  return std::find(begins.begin(), begins.end(), request.subject_begin) - begins.begin() + 1;
}

void append_subject(std::string& out, const EditRequest& request) {
  append_field(out, "subject", quoted(request.subject));
  if (const std::int64_t chosen = occurrence_of(request); chosen > 0)
    append_field(out, "subject_occurrence", std::to_string(chosen));
}

std::string neighbour_item(const Neighbour& neighbour) {
  if (neighbour.answer.empty()) return quoted(neighbour.prompt);
  return "{prompt: " + quoted(neighbour.prompt) + ", answer: " + quoted(neighbour.answer) + "}";
}

std::string other_subject_item(const OtherSubject& other) {
  if (other.answer.empty()) return quoted(other.subject);
  return "{subject: " + quoted(other.subject) + ", answer: " + quoted(other.answer) + "}";
}

void append_list(std::string& out, const char* key, const std::vector<std::string>& items) {
  if (items.empty()) return;
  out += std::string("    ") + key + ":\n";
  for (const std::string& item : items) out += "      - " + item + "\n";
}

void append_edit(std::string& out, const EditRequest& request) {
  out += fmt::format("  - id: {}\n", quoted(request.id));
  append_field(out, "prompt", quoted(request.prompt));
  append_subject(out, request);
  append_field(out, "target", quoted(request.target));
  if (!request.was.empty()) append_field(out, "was", quoted(request.was));
  std::vector<std::string> items;
  std::transform(request.paraphrases.begin(), request.paraphrases.end(), std::back_inserter(items), quoted);
  append_list(out, "paraphrases", items);
  items.clear();
  std::transform(request.neighbours.begin(), request.neighbours.end(), std::back_inserter(items),
                 neighbour_item);
  append_list(out, "neighbours", items);
  items.clear();
  std::transform(request.bleed.begin(), request.bleed.end(), std::back_inserter(items), other_subject_item);
  append_list(out, "bleed", items);
}

ResultJson line_of(const EditRequest& request) {
  ResultJson line = {{"id", request.id}, {"prompt", request.prompt}, {"subject", request.subject}};
  if (const std::int64_t chosen = occurrence_of(request); chosen > 0) line["subject_occurrence"] = chosen;
  line["target"] = request.target;
  if (!request.was.empty()) line["was"] = request.was;
  if (!request.paraphrases.empty()) line["paraphrases"] = request.paraphrases;
  for (const Neighbour& neighbour : request.neighbours)
    line["neighbours"].push_back(
        neighbour.answer.empty() ? ResultJson(neighbour.prompt)
                                 : ResultJson{{"prompt", neighbour.prompt}, {"answer", neighbour.answer}});
  for (const OtherSubject& other : request.bleed)
    line["bleed"].push_back(other.answer.empty()
                                ? ResultJson(other.subject)
                                : ResultJson{{"subject", other.subject}, {"answer", other.answer}});
  return line;
}

}  // namespace

FittedEdits fit_edits(const std::vector<EditRequest>& requests, std::size_t most) {
  FittedEdits fitted;
  TakenEdits taken;
  for (const EditRequest& original : requests) {
    if (most > 0 && fitted.edits.size() == most) {
      ++fitted.beyond;
      continue;
    }
    EditRequest request = cut_texts(original);
    std::string why = edit_flaw(request);
    if (why.empty()) why = taken.conflict(request);
    if (!why.empty()) {
      ++fitted.left_out[why];
      continue;
    }
    taken.add(request);
    fitted.edits.push_back(std::move(request));
  }
  for (EditRequest& request : fitted.edits) {
    fit_paraphrases(fitted, request, taken);
    fit_neighbours(fitted, request, taken);
  }
  return fitted;
}

std::string edit_file_text(const std::vector<EditRequest>& edits, const std::vector<std::string>& comment) {
  std::string out;
  for (const std::string& line : comment) out += "# " + line + "\n";
  out += "edits:\n";
  for (const EditRequest& request : edits) append_edit(out, request);
  return out;
}

std::string edit_lines_text(const std::vector<EditRequest>& edits) {
  std::string out;
  for (const EditRequest& request : edits) out += line_of(request).dump() + "\n";
  return out;
}

}  // namespace emend
