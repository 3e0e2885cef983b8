// Whether anybody reads the remarks of a run, for those that cost work to be made.
#pragma once

#include <typeinfo>

#include "emend/progress.h"

namespace emend {

// A Progress that may leave remarks unread derives from this class too.
class NoteReader {
 public:
  virtual ~NoteReader() = default;
  virtual bool reads_notes() const = 0;
};

// False if `progress` does nothing with a note.
inline bool reads_notes(const Progress& progress) {
  if (const auto* const reader = dynamic_cast<const NoteReader*>(&progress)) return reader->reads_notes();
  return typeid(progress) != typeid(SilentProgress);
}

}  // namespace emend
