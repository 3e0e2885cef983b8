#include "base/cpu_quota.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>

namespace emend {

namespace {

namespace fs = std::filesystem;

// Two numbers of cpu.max, "max 100000" where there is no limit.
std::optional<double> quota_of_v2(const fs::path& group) {
  std::ifstream file(group / "cpu.max");
  double quota = 0, period = 0;
  if (file >> quota >> period && quota > 0 && period > 0) return quota / period;
  return std::nullopt;
}

// -1 where there is no limit.
std::optional<double> quota_of_v1(const fs::path& group) {
  std::ifstream quota_file(group / "cpu.cfs_quota_us"), period_file(group / "cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (quota_file >> quota && period_file >> period && quota > 0 && period > 0) return quota / period;
  return std::nullopt;
}

// Of a cgroup and all above it, up to where the hierarchy is mounted. A container often sees its own cgroup
// as the root, whatever path the kernel gives.
std::optional<double> smallest_quota(const fs::path& mount, const std::string& group,
                                     std::optional<double> (*quota_of)(const fs::path&)) {
  std::optional<double> smallest;
  const auto look = [&](const fs::path& folder) {
    if (const auto quota = quota_of(folder)) smallest = std::min(smallest.value_or(*quota), *quota);
  };
  look(mount);
  fs::path folder = mount;
  for (const fs::path& part : fs::path(group).relative_path()) look(folder /= part);
  return smallest;
}

bool lists_cpu(const std::string& controllers) {
  return ("," + controllers + ",").find(",cpu,") != std::string::npos;
}

}  // namespace

// A line of /proc/self/cgroup is HIERARCHY:CONTROLLERS:PATH; of v2 "0::PATH".
std::optional<double> cpu_quota(const fs::path& root) {
  const fs::path mounts = root / "sys/fs/cgroup";
  std::optional<double> smallest;
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1),
                      group = line.substr(second + 1);
    std::optional<double> quota;
    if (controllers.empty())
      quota = smallest_quota(mounts, group, quota_of_v2);
    else if (lists_cpu(controllers))
      for (const std::string& mount : {controllers, std::string("cpu"), std::string("cpu,cpuacct")})
        if (!quota) quota = smallest_quota(mounts / mount, group, quota_of_v1);
    if (quota) smallest = std::min(smallest.value_or(*quota), *quota);
  }
  return smallest;
}

int threads_of_quota(double quota) {
  return static_cast<int>(std::max(1.0, std::ceil(std::min(quota, 1e6))));
}

}  // namespace emend
