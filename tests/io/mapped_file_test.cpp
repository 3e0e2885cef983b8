#include "io/mapped_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/atomic_file.h"
#include "tests/base/expect_error.h"
#include "tests/base/temp_folder.h"

namespace emend {
namespace {

using test::error_of;
using test::TempFolder;
using testing::AllOf;
using testing::HasSubstr;

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, ShowsTheBytes) {
  const TempFolder folder;
  MappedFile file(folder.write("a", "abc"));
  EXPECT_EQ(text_of(file), "abc");
  const MappedFile moved = std::move(file);
  EXPECT_EQ(text_of(moved), "abc");
}

TEST(MappedFile, KeepsTheOldBytesWhenTheFileIsReplaced) {
  const TempFolder folder;
  const auto path = folder.write("a", "old");
  const MappedFile file(path);
  write_file_atomically(path, "brand new");
  EXPECT_EQ(text_of(file), "old");
  EXPECT_EQ(text_of(MappedFile(path)), "brand new");
}

TEST(MappedFile, RefusesWhatIsNoFile) {
  const TempFolder folder;
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { MappedFile file(folder / "none"); }),
              AllOf(HasSubstr("none"), HasSubstr("no such file")));
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { MappedFile file(folder.path()); }), HasSubstr("it is a folder"));
  EXPECT_THAT(error_of(ErrorKind::kIo, [] { MappedFile file("/dev/zero"); }),
              HasSubstr("not a regular file"));
  EXPECT_THAT(error_of(ErrorKind::kFormat, [&] { MappedFile file(folder.write("empty", "")); }),
              AllOf(HasSubstr("empty"), HasSubstr("the file is empty")));
}

TEST(MappedFile, APipeDoesNotBlock) {
  const TempFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { MappedFile file(folder / "pipe"); }),
              HasSubstr("not a regular file"));
}

}  // namespace
}  // namespace emend
