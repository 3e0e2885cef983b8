// Templates of prompts, and which of them a prompt was made from.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace emend {

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
