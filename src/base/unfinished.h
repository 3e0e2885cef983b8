// The temporary files and folders of this process, so that a program which ends at once leaves none of them.
#pragma once

#include <filesystem>
#include <mutex>
#include <vector>

namespace emend {

// Whoever makes, renames or removes a temporary file or folder holds this meanwhile, and so does whoever
// renames several files that belong together: clear_unfinished() waits for it. One thread may hold it several
// times.
[[nodiscard]] std::unique_lock<std::recursive_mutex> hold_unfinished();

// To be called while it is held. `parents`: folders that were made for it, the outermost first.
void note_unfinished(const std::filesystem::path& temporary,
                     const std::vector<std::filesystem::path>& parents = {});
void forget_unfinished(const std::filesystem::path& temporary) noexcept;

// Removes all that is noted, and the parents that are empty then. From then on no other thread gets hold of
// it: the process must end next.
void clear_unfinished() noexcept;

}  // namespace emend
