// The stages in which an editor looks for its values, whatever its method calls that: "searching 12 values",
// "training 3 facts". They are told apart by how they begin, not by their names.
#pragma once

#include <cstdint>
#include <string_view>

#include "emend/progress.h"

namespace emend {

// A Progress that wants to know them is one of these, too.
class SearchWatcher {
 public:
  virtual ~SearchWatcher() = default;
  // The next stage is such a search.
  virtual void search_begins() = 0;
};

// For a progress that may be none.
inline void tell_search_begins(Progress& progress) {
  if (auto* const watcher = dynamic_cast<SearchWatcher*>(&progress)) watcher->search_begins();
}

// Progress::begin of a search.
inline void begin_search(Progress& progress, std::string_view stage, std::int64_t total,
                         std::string_view unit) {
  tell_search_begins(progress);
  progress.begin(stage, total, unit);
}

}  // namespace emend
