#include "measure/other_subjects.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "analysis/prompt_rows.h"
#include "base/strings.h"
#include "emend/error.h"
#include "measure/subject_names.h"

namespace emend {
namespace {

// A prompt around its subject.
struct Template {
  std::string front, back;
  auto operator<=>(const Template&) const = default;
};

Template template_of(const EditRequest& request) {
  return {request.prompt.substr(0, request.subject_begin),
          request.prompt.substr(request.subject_begin + request.subject.size())};
}

// "The capital of France is Paris. The capital of"
std::string beginning_again(const EditRequest& request, const Template& around) {
  const std::string front(trim_back(around.front));
  const std::string said = request.prompt + (request.was.empty() ? "" : " " + request.was) + ".";
  return front.empty() ? said + "\n" : said + " " + front;
}

bool is_other(const std::string& name, const EditRequest& request) {
  return name != request.subject && name != request.was && name != request.target &&
         beginning_of(name) == beginning_of(request.subject) &&
         find_occurrences(name, request.subject).empty() && find_occurrences(request.subject, name).empty();
}

// Whether a text has the request's own subject in it, whose key cannot be protected from the edit.
bool is_about_own(const std::string& text, const EditRequest& request) {
  return !find_occurrences(text, request.subject).empty();
}

bool is_there(const std::vector<ProtectedText>& texts, const std::string& prompt) {
  return std::ranges::any_of(texts, [&](const ProtectedText& text) { return text.prompt == prompt; });
}

}  // namespace

ProtectedText text_about(const EditRequest& request, const std::string& subject) {
  return {subject, prompt_about(request, subject), subject, request.subject_begin};
}

std::string subject_in_place(const EditRequest& request, const std::string& prompt) {
  const std::string_view front = std::string_view(request.prompt).substr(0, request.subject_begin);
  const std::string_view back =
      std::string_view(request.prompt).substr(request.subject_begin + request.subject.size());
  if (front.empty() && back.empty()) return "";
  const std::string_view whole = prompt;
  if (whole.size() <= front.size() + back.size() || !whole.starts_with(front) || !whole.ends_with(back))
    return "";
  const std::string subject(whole.substr(front.size(), whole.size() - front.size() - back.size()));
  return trim(subject) == subject ? subject : "";
}

std::vector<ProtectedText> given_texts(const EditRequest& request) {
  std::vector<ProtectedText> texts;
  for (const OtherSubject& other : request.bleed) {
    if (is_about_own(other.subject, request))
      throw Error(
          ErrorKind::kConfig,
          fmt::format("edit {}: the other subject {} in `bleed` has the subject of the edit itself in "
                      "it ({}): its key cannot be protected from the edit; take it out of `bleed`, or "
                      "protect nothing",
                      request.id, quote(other.subject), quote(request.subject)));
    texts.push_back(text_about(request, other.subject));
  }
  for (const Neighbour& neighbour : request.neighbours) {
    if (is_there(texts, neighbour.prompt)) continue;
    const std::string subject = subject_in_place(request, neighbour.prompt);
    if (is_about_own(neighbour.prompt, request))
      throw Error(
          ErrorKind::kConfig,
          fmt::format("edit {}: its neighbour {} is about the subject of the edit itself ({}): its key "
                      "cannot be protected from the edit; take it out of `neighbours`, or protect "
                      "nothing",
                      request.id, quote(neighbour.prompt, 60), quote(request.subject)));
    texts.push_back(subject.empty() ? ProtectedText{neighbour.prompt, neighbour.prompt, "", 0}
                                    : text_about(request, subject));
  }
  return texts;
}

std::vector<EditRequest> without_own_subjects(std::vector<EditRequest> requests) {
  for (EditRequest& request : requests) {
    std::erase_if(request.bleed,
                  [&](const OtherSubject& other) { return is_about_own(other.subject, request); });
    std::erase_if(request.neighbours,
                  [&](const Neighbour& neighbour) { return is_about_own(neighbour.prompt, request); });
  }
  return requests;
}

std::vector<std::vector<std::string>> name_other_subjects(const Model& model,
                                                          const std::vector<EditRequest>& requests,
                                                          const CheckOptions& options, std::int64_t begins) {
  const RowForm form{options.prefix, PromptForm::kRaw};
  std::map<Template, std::size_t> number;  // of each template, by its first request
  std::vector<NamePlace> places;
  for (const EditRequest& request : requests) {
    const Template around = template_of(request);
    if (number.emplace(around, places.size()).second)
      places.push_back(
          {prompt_ids(model.tokenizer(), beginning_again(request, around), form), around.back, {}});
    places[number.at(around)].beginnings.push_back(beginning_of(request.subject));
  }
  NameSearch search;
  search.begins = begins;
  search.token_budget = options.token_budget;
  const std::vector<std::vector<std::string>> named = names_in_places(model, places, search);
  std::vector<std::vector<std::string>> others;
  for (const EditRequest& request : requests) {
    others.emplace_back();
    for (const std::string& name : named[number.at(template_of(request))])
      if (is_other(name, request)) others.back().push_back(name);
  }
  return others;
}

Protection find_protection(const Model& model, const std::vector<EditRequest>& requests, Protect protect,
                           bool strict, const CheckOptions& options, std::vector<std::string>& unnamed) {
  Protection protection;
  protection.strict = strict;
  if (protect == Protect::kNone) return protection;
  for (const EditRequest& request : requests) protection.of[request.id].given = given_texts(request);
  if (protect != Protect::kAuto) return protection;
  const std::vector<std::vector<std::string>> named = name_other_subjects(model, requests, options);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (named[i].empty()) unnamed.push_back(requests[i].id);
    for (const std::string& name : named[i])
      protection.of[requests[i].id].found.push_back(text_about(requests[i], name));
  }
  return protection;
}

void leave_out_names(const std::vector<EditRequest>& held, Protection& protection) {
  for (const EditRequest& request : held) {
    const auto texts = protection.of.find(request.id);
    if (texts == protection.of.end()) continue;
    std::erase_if(texts->second.found, [&](const ProtectedText& found) {
      return std::ranges::any_of(request.bleed, [&](const OtherSubject& other) {
        return !find_occurrences(found.name, other.subject).empty() ||
               !find_occurrences(other.subject, found.name).empty();
      });
    });
  }
}

}  // namespace emend
