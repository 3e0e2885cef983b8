#include "datasets/subject_place.h"

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

}  // namespace emend
