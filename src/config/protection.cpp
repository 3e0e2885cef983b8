#include "emend/protection.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "base/utf8.h"
#include "emend/error.h"

namespace emend {
namespace {

constexpr std::array kProtect = {Protect::kNone, Protect::kNeighbours, Protect::kAuto};

bool is_there(const std::vector<ProtectedText>& texts, const std::string& prompt) {
  return std::ranges::any_of(texts, [&](const ProtectedText& text) { return text.prompt == prompt; });
}

}  // namespace

std::string_view to_string(Protect protect) {
  switch (protect) {
    case Protect::kNone:
      return "none";
    case Protect::kNeighbours:
      return "neighbours";
    case Protect::kAuto:
      return "auto";
  }
  return "";
}

std::optional<Protect> parse_protect(std::string_view text) {
  for (const Protect protect : kProtect)
    if (text == to_string(protect)) return protect;
  return std::nullopt;
}

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
  for (const OtherSubject& other : request.bleed) texts.push_back(text_about(request, other.subject));
  for (const Neighbour& neighbour : request.neighbours) {
    if (is_there(texts, neighbour.prompt)) continue;
    const std::string subject = subject_in_place(request, neighbour.prompt);
    if (subject == request.subject || !find_occurrences(neighbour.prompt, request.subject).empty())
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

}  // namespace emend
