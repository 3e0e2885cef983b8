#include "datasets/templates.h"

#include <algorithm>
#include <set>

namespace emend {
namespace {

const std::string kPlace = "{}";

}  // namespace

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
