// The stages in which an editor searches its values. Methods name them in their own words ("searching 12
// values", "training 3 facts"), so an editor announces such a stage with one of the functions below, and
// nobody has to recognise it by its name.
#pragma once

#include <cstdint>
#include <string_view>

#include "emend/progress.h"

namespace emend {

// A Progress that wants to know when a search begins derives from this class too.
class SearchWatcher {
 public:
  virtual ~SearchWatcher() = default;
  // The stage that begins next is a search.
  virtual void search_begins() = 0;
};

// Calls search_begins() if `progress` is a SearchWatcher, and does nothing otherwise.
inline void tell_search_begins(Progress& progress) {
  if (auto* const watcher = dynamic_cast<SearchWatcher*>(&progress)) watcher->search_begins();
}

// Announces a search and begins its stage (Progress::begin).
inline void begin_search(Progress& progress, std::string_view stage, std::int64_t total,
                         std::string_view unit) {
  tell_search_begins(progress);
  progress.begin(stage, total, unit);
}

}  // namespace emend
