#include "base/cpu_quota.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/base/temp_folder.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// A machine whose /proc and /sys lie in a folder.
class CpuQuota : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }
  std::optional<double> quota() const { return cpu_quota(folder_.path()); }

  test::TempFolder folder_;
};

TEST_F(CpuQuota, IsUnknownWithoutCgroups) {
  EXPECT_EQ(quota(), std::nullopt);
}

TEST_F(CpuQuota, OfVersion2IsTheSmallestUpToTheRoot) {
  write("proc/self/cgroup", "0::/pod/box\n");
  write("sys/fs/cgroup/pod/cpu.max", "150000 100000\n");
  write("sys/fs/cgroup/pod/box/cpu.max", "max 100000\n");
  EXPECT_EQ(quota(), 1.5);
  write("sys/fs/cgroup/pod/box/cpu.max", "50000 100000\n");
  EXPECT_EQ(quota(), 0.5);
}

TEST_F(CpuQuota, OfAContainerThatSeesItsOwnCgroupAsTheRoot) {
  write("proc/self/cgroup", "0::/not/to/be/seen\n");
  write("sys/fs/cgroup/cpu.max", "200000 100000\n");
  EXPECT_EQ(quota(), 2);
}

TEST_F(CpuQuota, OfVersion1) {
  write("proc/self/cgroup", "7:memory:/box\n3:cpu,cpuacct:/box\n2:cpuset:/box\n");
  write("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "300000\n");
  write("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota(), 3);
  write("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(quota(), std::nullopt);
}

TEST_F(CpuQuota, OfVersion1WhereTheFolderIsNamedAfterOneController) {
  write("proc/self/cgroup", "3:cpuacct,cpu:/box\n");
  write("sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "100000\n");
  write("sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "50000\n");
  EXPECT_EQ(quota(), 2);
}

TEST_F(CpuQuota, NoLimitAndDamagedFilesAreNoQuota) {
  write("proc/self/cgroup", "0::/box\nnonsense\n");
  for (const char* const text : {"max 100000\n", "", "-5 100000\n", "100 0\n", "many 100000\n"}) {
    write("sys/fs/cgroup/box/cpu.max", text);
    EXPECT_EQ(quota(), std::nullopt) << text;
  }
}

TEST(ThreadsOfQuota, AreRoundedUp) {
  EXPECT_EQ(threads_of_quota(0.1), 1);
  EXPECT_EQ(threads_of_quota(1), 1);
  EXPECT_EQ(threads_of_quota(1.5), 2);
  EXPECT_EQ(threads_of_quota(8), 8);
}

}  // namespace
}  // namespace emend
