#include "base/unfinished.h"

#include <map>
#include <system_error>

namespace emend {
namespace {

namespace fs = std::filesystem;

// The one state of the library that belongs to the process and not to an object, as the files do that a
// signal would leave behind. It is never destroyed, since threads may still write while the program ends.
struct Unfinished {
  std::recursive_mutex held;
  std::map<fs::path, std::vector<fs::path>> parents;  // of each temporary file or folder
};

Unfinished& unfinished() {
  static auto* const all = new Unfinished;  // NOLINT(cppcoreguidelines-owning-memory)
  return *all;
}

// Under another name first: work that goes on meanwhile finds no folder any more to put files into, which
// would keep the folder there.
void remove_apart(const fs::path& temporary) {
  std::error_code failed;
  const fs::path apart = fs::path(temporary) += ".tmp";
  fs::rename(temporary, apart, failed);
  fs::remove_all(failed ? temporary : apart, failed);
}

}  // namespace

std::unique_lock<std::recursive_mutex> hold_unfinished() {
  return std::unique_lock(unfinished().held);
}

void note_unfinished(const fs::path& temporary, const std::vector<fs::path>& parents) {
  unfinished().parents[temporary] = parents;
}

void forget_unfinished(const fs::path& temporary) noexcept {
  unfinished().parents.erase(temporary);
}

void clear_unfinished() noexcept {
  unfinished().held.lock();
  std::error_code ignored;
  for (const auto& [temporary, parents] : unfinished().parents) {
    remove_apart(temporary);
    // remove() leaves alone what is not empty.
    for (auto parent = parents.rbegin(); parent != parents.rend(); ++parent) fs::remove(*parent, ignored);
  }
}

}  // namespace emend
