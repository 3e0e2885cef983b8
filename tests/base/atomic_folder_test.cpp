#include "base/atomic_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/atomic_file.h"
#include "tests/base/expect_error.h"
#include "tests/base/temp_folder.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using namespace test;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

TEST(AtomicFolder, IsThereAtCommitAndNotBefore) {
  const TempFolder folder;
  AtomicFolder made(folder / "a/new");
  write_file_atomically(made.path() / "sub/x", "x");
  EXPECT_FALSE(fs::exists(folder / "a/new"));
  made.commit();
  EXPECT_EQ(read_all(folder / "a/new/sub/x"), "x");
  EXPECT_THAT(folder.entries(), UnorderedElementsAre("a", "a/new", "a/new/sub", "a/new/sub/x"));
}

TEST(AtomicFolder, WithoutCommitNothingStays) {
  const TempFolder folder;
  {
    const AtomicFolder made(folder / "new");
    write_file_atomically(made.path() / "x", "x");
  }
  EXPECT_THAT(folder.entries(), IsEmpty());
}

TEST(AtomicFolder, TakesAnEmptyFolderAndNoOther) {
  const TempFolder folder;
  fs::create_directory(folder / "new");
  AtomicFolder made(folder / "new/");
  made.commit();
  EXPECT_THAT(folder.entries(), UnorderedElementsAre("new"));
  folder.write("new/x", "x");
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { AtomicFolder again(folder / "new"); }),
              HasSubstr("in this folder already"));
  folder.write("file", "x");
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { AtomicFolder again(folder / "file"); }),
              HasSubstr("cannot write"));
  EXPECT_THROW(AtomicFolder(folder / "file/new"), Error);
}

TEST(AtomicFolder, ACommitOverWhatCameMeanwhileIsRefused) {
  const TempFolder folder;
  AtomicFolder made(folder / "new");
  folder.write("new/x", "theirs");
  error_of(ErrorKind::kIo, [&] { made.commit(); });
  EXPECT_EQ(read_all(folder / "new/x"), "theirs");
}

}  // namespace
}  // namespace emend
