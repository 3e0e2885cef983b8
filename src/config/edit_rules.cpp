#include "config/edit_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "config/text_check.h"

namespace emend {
namespace {

bool is_clean(std::string_view text, TextShape shape) {
  return !find_bad_character(text, shape);
}

bool subject_is_in_place(const EditRequest& request) {
  return request.subject_begin <= request.prompt.size() &&
         request.prompt.compare(request.subject_begin, request.subject.size(), request.subject) == 0;
}

}  // namespace

EditRequest cut_texts(EditRequest request) {
  request.id = std::string(trim(request.id));
  request.prompt = std::string(trim_back(request.prompt));
  request.target = std::string(trim(request.target));
  request.was = std::string(trim(request.was));
  return request;
}

std::string edit_flaw(const EditRequest& request) {
  for (const std::string& line : {request.id, request.subject, request.target, request.was})
    if (!is_clean(line, TextShape::kLine)) return "line end or control character in a one-line field";
  if (!is_clean(request.prompt, TextShape::kLines)) return "control character in the prompt";
  if (request.id.empty() || trim(request.subject).empty() || request.target.empty()) return "empty field";
  if (!subject_is_in_place(request)) return "subject not in its prompt";
  if (request.target == request.was) return "target equals the present answer";
  return "";
}

std::string question_flaw(std::string& prompt, std::string_view answer) {
  prompt = std::string(trim_back(prompt));
  if (prompt.empty()) return "empty prompt";
  const bool clean = is_clean(prompt, TextShape::kLines) && is_clean(answer, TextShape::kLine);
  return clean ? "" : "control character";
}

std::string other_subject_flaw(const EditRequest& request, const OtherSubject& other) {
  if (trim(other.subject).empty()) return "another subject is empty";
  if (!is_clean(other.subject, TextShape::kLine) || !is_clean(other.answer, TextShape::kLine))
    return "line end or control character in another subject or its answer";
  if (other.subject == request.subject)
    return fmt::format("{} is the subject of the edit itself; `bleed` names other ones",
                       quote(other.subject));
  const bool is_known = std::ranges::any_of(
      request.bleed, [&](const OtherSubject& known) { return known.subject == other.subject; });
  return is_known ? fmt::format("the other subject {} is in the list twice", quote(other.subject)) : "";
}

std::string TakenEdits::conflict(const EditRequest& request) const {
  if (ids_.contains(request.id)) return "duplicate id";
  const auto [begin, end] = by_prompt_.equal_range(request.prompt);
  for (auto same = begin; same != end; ++same) {
    const Claim& earlier = same->second;
    if (earlier.target != request.target) return "another target for a prompt met before";
    if (earlier.subject == request.subject && earlier.subject_begin == request.subject_begin)
      return "duplicate edit";
  }
  return "";
}

bool TakenEdits::wants_another(const std::string& words, const std::string& target) const {
  const auto found = by_words_.find(words);
  return found != by_words_.end() && found->second != target;
}

void TakenEdits::add(const EditRequest& request) {
  ids_.insert(request.id);
  by_words_.emplace(request.prompt, request.target);
  by_prompt_.emplace(request.prompt, Claim{request.subject, request.subject_begin, request.target});
}

}  // namespace emend
