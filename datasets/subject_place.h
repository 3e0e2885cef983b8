// Where the subject stands in its prompt, as an explicit span: replacing text would hit every occurrence,
// also inside other words. And templates of
// prompts, with "{}" where the subject goes.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "emend/records.h"

namespace emend {

// Stands for subject_begin where the subject is not in the prompt.
inline constexpr std::size_t kNotInPrompt = std::string::npos;

// Sets prompt, subject and subject_begin from a pattern whose "{}" stands for the subject; without "{}" as
// find_subject. Returns false and changes nothing if "{}" is there more than once.
bool fill_subject(EditRequest& request, const std::string& pattern, const std::string& subject);

// Sets the three from a whole prompt: the first occurrence counts, as in the field's code.
void find_subject(EditRequest& request, const std::string& prompt, const std::string& subject);

// The prompt with "{}" in the place of the subject.
std::string prompt_template(const EditRequest& request);

struct TemplateMatch {
  std::string pattern;  // "{} is located in"
  std::string subject;  // what stands in the place of "{}"
};

class TemplateSet {
 public:
  // Patterns with one "{}"; repeated ones count once.
  explicit TemplateSet(const std::vector<std::string>& patterns);

  // The pattern with the most text outside of "{}" that `prompt` fits; std::nullopt if it fits none.
  std::optional<TemplateMatch> match(const std::string& prompt) const;

 private:
  struct Parts {
    std::string front, back;
  };
  std::vector<Parts> parts_;  // the longest first
};

}  // namespace emend
