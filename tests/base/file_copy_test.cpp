#include "base/file_copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/base/expect_error.h"
#include "tests/base/temp_folder.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using namespace test;
using testing::AllOf;
using testing::HasSubstr;

TEST(CopyFile, CopiesBytesAndMode) {
  const TempFolder folder;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{3'000'001}}) {
    const std::string bytes(size, 'x');
    const fs::path from = folder.write("from", bytes);
    fs::permissions(from, fs::perms::owner_read | fs::perms::group_read);
    fs::remove(folder / "to");
    copy_file_durably(from, folder / "to");
    EXPECT_TRUE(read_all(folder / "to") == bytes);
    EXPECT_EQ(fs::status(folder / "to").permissions(), fs::perms::owner_read | fs::perms::group_read);
    fs::remove(from);
  }
}

TEST(CopyFile, FollowsLinks) {
  const TempFolder folder;
  folder.write("real", "abc");
  fs::create_symlink("real", folder / "link");
  copy_file_durably(folder / "link", folder / "to");
  EXPECT_FALSE(fs::is_symlink(folder / "to"));
  EXPECT_EQ(read_all(folder / "to"), "abc");
}

TEST(CopyFile, NeverOverwrites) {
  const TempFolder folder;
  folder.write("from", "new");
  folder.write("to", "old");
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { copy_file_durably(folder / "from", folder / "to"); }),
              HasSubstr("exists"));
  EXPECT_EQ(read_all(folder / "to"), "old");
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { copy_file_durably(folder / "missing", folder / "x"); }),
              HasSubstr("cannot read"));
  EXPECT_FALSE(fs::exists(folder / "x"));
}

TEST(RequireSpace, ComparesWithWhatIsFree) {
  const TempFolder folder;
  EXPECT_NO_THROW(require_space(folder.path(), 0));
  EXPECT_NO_THROW(require_space(folder / "not/there/yet", 1));
  EXPECT_NO_THROW(require_space("", 1));  // the folder of a bare file name: the current one
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { require_space(folder / "not/there", std::uint64_t{1} << 62); }),
              AllOf(HasSubstr("too little space in " + folder.path().string()), HasSubstr("are needed"),
                    HasSubstr("are free")));
}

}  // namespace
}  // namespace emend
