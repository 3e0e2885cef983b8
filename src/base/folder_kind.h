// Folders that runs read, and what is said where there is none.
#pragma once

#include <filesystem>
#include <string_view>

namespace emend {

// What a folder was to be, and what makes one.
inline constexpr std::string_view kIndexFolder =
    "an index of memories is a folder that a scan of memories writes";
inline constexpr std::string_view kStatisticsFolder =
    "statistics are a folder that a collection of statistics writes";

// Throws Error(kIo), which ends in `what`, unless `folder` is one.
void require_folder(const std::filesystem::path& folder, std::string_view what);

}  // namespace emend
