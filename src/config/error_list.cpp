#include "config/error_list.h"

#include <fmt/format.h>

namespace emend {

void ErrorList::add(const Error& error) {
  if (errors_.size() == kMost) throw_all(fmt::format("the first {} mistakes in {}", kMost, name_));
  errors_.push_back(error);
}

void ErrorList::throw_if_any() const {
  if (errors_.size() == 1) throw errors_.front();
  if (!errors_.empty()) throw_all(fmt::format("{} mistakes in {}", errors_.size(), name_));
}

void ErrorList::throw_all(const std::string& title) const {
  std::string text = title + ":";
  for (const Error& error : errors_) text += std::string("\n  ") + error.what();
  throw Error(errors_.front().kind(), text);
}

}  // namespace emend
