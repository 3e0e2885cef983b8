#include "base/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>

#include "tests/base/expect_error.h"
#include "tests/base/temp_folder.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::read_all;
using test::TempFolder;
using testing::AllOf;
using testing::HasSubstr;

std::string reason(int error_number) {
  const Error error = io_error("write", "/x/y", error_number);
  EXPECT_EQ(error.kind(), ErrorKind::kIo);
  const std::string begin = "cannot write /x/y: ";
  EXPECT_EQ(std::string(error.what()).substr(0, begin.size()), begin);
  return std::string(error.what()).substr(begin.size());
}

TEST(IoError, SaysInPlainWordsWhatTheSystemRefused) {
  EXPECT_EQ(reason(ENOENT), "no such file or folder");
  EXPECT_EQ(reason(EISDIR), "it is a folder");
  EXPECT_EQ(reason(ENOTDIR), "a part of the path is a file, not a folder");
  EXPECT_EQ(reason(EACCES), "permission denied");
  EXPECT_EQ(reason(EPERM), "permission denied");
  EXPECT_EQ(reason(EROFS), "the file system is read-only");
  EXPECT_EQ(reason(ENOSPC), "disk full");
  EXPECT_EQ(reason(EDQUOT), "disk quota exceeded");
  EXPECT_EQ(reason(EFBIG), "the file is larger than this system or its limits allow");
}

TEST(IoError, OtherNumbersKeepTheWordsOfTheSystem) {
  EXPECT_EQ(reason(ELOOP), "Too many levels of symbolic links");
}

TEST(TruePath, IsOneForAllNamesOfAFile) {
  const TempFolder folder;
  const fs::path root = fs::canonical(folder.path());
  fs::create_directories(root / "a/b");
  fs::create_directory_symlink(root / "a/b", root / "link");
  EXPECT_EQ(true_path(root / "a/b/../b/file"), root / "a/b/file");
  EXPECT_EQ(true_path(root / "link/file"), root / "a/b/file");
  EXPECT_EQ(true_path(root / "link/not/yet"), root / "a/b/not/yet");
  EXPECT_EQ(true_path("x"), fs::canonical(fs::current_path()) / "x");
}

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
