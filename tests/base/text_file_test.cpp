#include "base/text_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/base/expect_error.h"
#include "tests/base/temp_folder.h"

namespace emend {
namespace {

using test::error_of;
using test::TempFolder;
using testing::AllOf;
using testing::HasSubstr;

TEST(TextFile, ReadsAllBytesAsTheyAre) {
  const TempFolder folder;
  const std::string text("a\r\n\0\xFF", 5);
  EXPECT_EQ(read_text_file(folder.write("a.txt", text)), text);
  EXPECT_EQ(read_text_file(folder.write("empty.txt", "")), "");
}

TEST(TextFile, ReadsFilesOfUnknownLength) {
  EXPECT_THAT(read_text_file("/proc/self/status"), HasSubstr("Name:"));
}

TEST(TextFile, ReadsFilesLongerThanItsSteps) {
  const TempFolder folder;
  const std::string text(1'000'003, 'x');
  EXPECT_EQ(read_text_file(folder.write("long.txt", text)), text);
}

TEST(TextFile, MissingFileIsNamed) {
  const TempFolder folder;
  const std::string message = error_of(ErrorKind::kIo, [&] { read_text_file(folder / "none.txt"); });
  EXPECT_THAT(message, AllOf(HasSubstr("none.txt"), HasSubstr("no such file")));
}

TEST(TextFile, FolderIsRefused) {
  const TempFolder folder;
  const std::string message = error_of(ErrorKind::kIo, [&] { read_text_file(folder.path()); });
  EXPECT_THAT(message, AllOf(HasSubstr(folder.path().string()), HasSubstr("it is a folder")));
}

TEST(TextFile, UnreadableFileIsRefused) {
  if (::geteuid() == 0) GTEST_SKIP() << "root reads everything";
  const TempFolder folder;
  const auto file = folder.write("secret.txt", "x");
  std::filesystem::permissions(file, std::filesystem::perms::none);
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { read_text_file(file); }), HasSubstr("permission denied"));
}

TEST(TextFile, TooLongFileIsRefused) {
  const TempFolder folder;
  const auto file = folder.write("long.txt", std::string(2000, 'x'));
  EXPECT_EQ(read_text_file(file, 2000).size(), 2000u);
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { read_text_file(file, 1999); }),
              HasSubstr("it is longer than 2.00 kB"));
}

TEST(TextFile, EndlessFileIsRefused) {
  EXPECT_THAT(error_of(ErrorKind::kIo, [] { read_text_file("/dev/zero", 1'000'000); }),
              HasSubstr("it is longer than 1.00 MB"));
}

}  // namespace
}  // namespace emend
