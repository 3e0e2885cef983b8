// Edits that are made in code.
#include <fmt/format.h>

#include "base/strings.h"
#include "base/utf8.h"
#include "config/edit_file_writer.h"
#include "config/edit_rules.h"
#include "emend/error.h"
#include "emend/records.h"

namespace emend {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::kConfig, message);
}

std::string question_flaw_of(EditRequest& request) {
  for (std::string& prompt : request.paraphrases) {
    if (const std::string why = question_flaw(prompt, ""); !why.empty()) return why + " in a paraphrase";
  }
  for (Neighbour& neighbour : request.neighbours) {
    neighbour.answer = std::string(trim(neighbour.answer));
    if (const std::string why = question_flaw(neighbour.prompt, neighbour.answer); !why.empty())
      return why + " in a neighbour";
  }
  EditRequest seen = request;
  seen.bleed.clear();
  for (OtherSubject& other : request.bleed) {
    other.subject = std::string(trim(other.subject));
    other.answer = std::string(trim(other.answer));
    if (const std::string why = other_subject_flaw(seen, other); !why.empty()) return why;
    seen.bleed.push_back(other);
  }
  return "";
}

// Of an edit whose questions are sound.
std::string wording_conflict(const EditRequest& request, const TakenEdits& taken) {
  if (taken.wants_another(request.prompt, request.target))
    return "another edit wants another answer to the prompt " + quote(request.prompt);
  for (const std::string& words : request.paraphrases)
    if (taken.wants_another(words, request.target))
      return "another edit wants another answer to the paraphrase " + quote(words);
  return "";
}

}  // namespace

std::size_t subject_place(const EditRequest& request, std::optional<int> occurrence) {
  if (trim(request.subject).empty()) refuse("the subject is empty");
  const std::vector<std::size_t> begins = find_occurrences(request.prompt, request.subject);
  const std::string subject = "the subject " + quote(request.subject);
  if (begins.empty())
    refuse(fmt::format("{} is not in the prompt {}{}", subject, quote(request.prompt),
                       other_form_hint(request.prompt, request.subject)));
  if (!occurrence && begins.size() > 1) {
    refuse(fmt::format("{} is in the prompt {} {} times; say which occurrence: 1 to {}", subject,
                       quote(request.prompt), begins.size(), begins.size()));
  }
  const int chosen = occurrence.value_or(1);
  if (chosen < 1 || static_cast<std::size_t>(chosen) > begins.size()) {
    refuse(fmt::format("there is no occurrence {} of {} in the prompt {}: they count from 1 to {}", chosen,
                       subject, quote(request.prompt), begins.size()));
  }
  return begins[static_cast<std::size_t>(chosen) - 1];
}

EditRequest make_request(const std::string& prompt, const std::string& subject, const std::string& target,
                         std::optional<int> occurrence) {
  EditRequest request;
  request.prompt = prompt;
  request.subject = subject;
  request.target = target;
  request = cut_texts(std::move(request));
  if (request.target.empty()) refuse("the target is empty");
  request.subject_begin = subject_place(request, occurrence);
  return request;
}

EditFile make_edit_file(std::vector<EditRequest> edits) {
  if (edits.empty()) refuse("there are no edits; at least one is expected");
  TakenEdits taken;
  for (std::size_t i = 0; i < edits.size(); ++i) {
    EditRequest& request = edits[i];
    request = cut_texts(std::move(request));
    if (request.id.empty()) request.id = fmt::format("edit-{}", i + 1);
    std::string why = edit_flaw(request);
    if (why.empty()) why = taken.conflict(request);
    if (why.empty()) why = question_flaw_of(request);
    if (why.empty()) why = wording_conflict(request, taken);
    if (!why.empty()) refuse(fmt::format("the edit {}: {}", quote(request.id), why));
    taken.add(request);
    for (const std::string& words : request.paraphrases) taken.add_paraphrase(words, request.target);
  }
  EditFile file;
  file.path = "edits";
  file.text = edit_file_text(edits, {});
  file.edits = std::move(edits);
  return file;
}

}  // namespace emend
