// A rough check of HTML and SVG.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace emend {

// What is wrong with the nesting of the elements, or with a bare `<` or `&`; empty when all is well. Knows
// the elements without an end; content of <style> is skipped.
inline std::string markup_fault(const std::string& page) {
  static const std::set<std::string> kEmpty = {"meta", "br", "hr", "img", "link", "input"};
  std::vector<std::string> open;
  for (std::size_t at = 0; at < page.size();) {
    if (page[at] == '&') {
      const std::size_t end = page.find(';', at);
      if (end == std::string::npos || end - at > 8) return "a bare & before: " + page.substr(at, 40);
    }
    if (page[at] != '<') {
      ++at;
      continue;
    }
    const std::size_t end = page.find('>', at);
    if (end == std::string::npos) return "a tag without end: " + page.substr(at, 40);
    const std::string tag = page.substr(at + 1, end - at - 1);
    at = end + 1;
    if (tag.empty() || tag.find('<') != std::string::npos) return "a bare < before: " + tag;
    if (tag[0] == '!' || tag.back() == '/') continue;
    const std::string name = tag.substr(tag[0] == '/' ? 1 : 0, tag.find(' ') - (tag[0] == '/' ? 1 : 0));
    if (tag[0] == '/') {
      if (open.empty() || open.back() != name)
        return "</" + name + "> closes " + (open.empty() ? "nothing" : "<" + open.back() + ">");
      open.pop_back();
    } else if (!kEmpty.contains(name)) {
      open.push_back(name);
      if (name == "style") at = page.find("</style>", at);
    }
  }
  return open.empty() ? "" : "<" + open.back() + "> is not closed";
}

}  // namespace emend
