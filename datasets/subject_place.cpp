#include "datasets/subject_place.h"

#include <algorithm>
#include <set>

#include "base/strings.h"

namespace emend {
namespace {

const std::string kPlace = "{}";

}  // namespace

bool fill_subject(EditRequest& request, const std::string& pattern, const std::string& subject) {
  const std::size_t at = pattern.find(kPlace);
  if (at == std::string::npos) {
    find_subject(request, pattern, subject);
    return true;
  }
  if (pattern.find(kPlace, at + kPlace.size()) != std::string::npos) return false;
  request.subject = trim(subject);
  request.subject_begin = at;
  const std::string filled = pattern.substr(0, at) + request.subject + pattern.substr(at + kPlace.size());
  request.prompt = trim_back(filled);
  return true;
}

void find_subject(EditRequest& request, const std::string& prompt, const std::string& subject) {
  request.prompt = trim_back(prompt);
  request.subject = trim(subject);
  request.subject_begin = request.prompt.find(request.subject);
}

std::string prompt_template(const EditRequest& request) {
  return request.prompt.substr(0, request.subject_begin) + kPlace +
         request.prompt.substr(request.subject_begin + request.subject.size());
}

TemplateSet::TemplateSet(const std::vector<std::string>& patterns) {
  for (const std::string& pattern : std::set<std::string>(patterns.begin(), patterns.end())) {
    const std::size_t at = pattern.find(kPlace);
    // The bare subject fits everything.
    if (at == std::string::npos || pattern == kPlace) continue;
    parts_.push_back({pattern.substr(0, at), pattern.substr(at + kPlace.size())});
  }
  std::stable_sort(parts_.begin(), parts_.end(), [](const Parts& a, const Parts& b) {
    return a.front.size() + a.back.size() > b.front.size() + b.back.size();
  });
}

std::optional<TemplateMatch> TemplateSet::match(const std::string& prompt) const {
  for (const Parts& parts : parts_) {
    const std::size_t fixed = parts.front.size() + parts.back.size();
    if (prompt.size() <= fixed || !prompt.starts_with(parts.front) || !prompt.ends_with(parts.back)) continue;
    return TemplateMatch{parts.front + kPlace + parts.back,
                         prompt.substr(parts.front.size(), prompt.size() - fixed)};
  }
  return std::nullopt;
}

}  // namespace emend
