// The share of the processors that a container may use.
#pragma once

#include <filesystem>
#include <optional>

namespace emend {

// Processors a second that the cgroups of this process allow it: the smallest quota over period from its own
// cgroup up to the root, of cgroup v2 (cpu.max) or v1 (cpu.cfs_quota_us). std::nullopt where there is no
// limit, or none that can be read. `root`: where /proc and /sys lie.
std::optional<double> cpu_quota(const std::filesystem::path& root = "/");

// Threads that use such a share: rounded up, at least one.
int threads_of_quota(double quota);

}  // namespace emend
