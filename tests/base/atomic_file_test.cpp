#include "base/atomic_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "tests/base/expect_error.h"
#include "tests/base/temp_folder.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::read_all;
using test::TempFolder;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// Files of this process cannot grow beyond `bytes` while this lives: write(2) fails as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_{};
  void (*old_handler_)(int);
};

mode_t mode_of(const fs::path& file) {
  struct stat status {};
  EXPECT_EQ(::stat(file.c_str(), &status), 0);
  return status.st_mode & 07777;
}

TEST(AtomicFile, CommitPutsTheWholeFileInPlace) {
  const TempFolder folder;
  write_file_atomically(folder / "a.json", "{}\n");
  EXPECT_EQ(read_all(folder / "a.json"), "{}\n");
  EXPECT_THAT(folder.entries(), ElementsAre("a.json"));
}

TEST(AtomicFile, TargetIsUntouchedUntilCommit) {
  const TempFolder folder;
  const auto target = folder.write("a.txt", "old");
  AtomicFile file(target);
  file.write("new");
  EXPECT_EQ(read_all(target), "old");
  file.commit();
  EXPECT_EQ(read_all(target), "new");
}

TEST(AtomicFile, WithoutCommitNothingStays) {
  const TempFolder folder;
  { AtomicFile(folder / "x/y/a.txt").write("half"); }
  EXPECT_THAT(folder.entries(), IsEmpty());
}

TEST(AtomicFile, WithoutCommitFoldersThatWereThereStay) {
  const TempFolder folder;
  fs::create_directory(folder / "x");
  { AtomicFile(folder / "x/y/a.txt").write("half"); }
  EXPECT_THAT(folder.entries(), ElementsAre("x"));
}

TEST(AtomicFile, FoldersThatOthersFilledMeanwhileStay) {
  const TempFolder folder;
  {
    AtomicFile file(folder / "x/y/a.txt");
    folder.write("x/b.txt", "b");
  }
  EXPECT_THAT(folder.entries(), UnorderedElementsAre("x", "x/b.txt"));
}

TEST(AtomicFile, CreatesParentFolders) {
  const TempFolder folder;
  write_file_atomically(folder / "x/y/z/a.txt", "deep");
  EXPECT_EQ(read_all(folder / "x/y/z/a.txt"), "deep");
}

TEST(AtomicFile, ManyWritesOfAllSizesComeOutInOrder) {
  const TempFolder folder;
  std::string expected;
  AtomicFile file(folder / "big");
  for (const std::size_t size :
       {0u, 1u, 1000u, 1u << 20, 3u, (1u << 20) - 3u, 1u, 5'000'001u, 2u, 1u << 21}) {
    const std::string piece(size, static_cast<char>('a' + expected.size() % 26));
    file.write(piece);
    expected += piece;
  }
  EXPECT_EQ(file.written(), expected.size());
  file.commit();
  EXPECT_TRUE(read_all(folder / "big") == expected);
}

TEST(AtomicFile, ExistingModeIsKept) {
  const TempFolder folder;
  const auto target = folder.write("a.txt", "old");
  ::chmod(target.c_str(), 0640);
  write_file_atomically(target, "new");
  EXPECT_EQ(mode_of(target), 0640u);
}

TEST(AtomicFile, NewFilesFollowTheUmask) {
  const TempFolder folder;
  const mode_t before = ::umask(027);
  write_file_atomically(folder / "a.txt", "new");
  ::umask(before);
  EXPECT_EQ(mode_of(folder / "a.txt"), 0640u);
}

TEST(AtomicFile, LinksAreFollowed) {
  const TempFolder folder;
  folder.write("real/a.txt", "old");
  fs::create_symlink("real/a.txt", folder / "link");
  write_file_atomically(folder / "link", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(read_all(folder / "real/a.txt"), "new");
}

TEST(AtomicFile, LinkLoopsAreRefused) {
  const TempFolder folder;
  fs::create_symlink("b", folder / "a");
  fs::create_symlink("a", folder / "b");
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { AtomicFile file(folder / "a"); }), HasSubstr("symbolic links"));
}

TEST(AtomicFile, AReaderOfTheOldFileKeepsItsBytes) {
  const TempFolder folder;
  const auto target = folder.write("a.txt", "old");
  std::ifstream reader(target);
  write_file_atomically(target, "new and longer");
  std::string line;
  std::getline(reader, line);
  EXPECT_EQ(line, "old");
}

TEST(AtomicFile, TwoWritersDoNotMeet) {
  const TempFolder folder;
  AtomicFile first(folder / "a.txt"), second(folder / "a.txt");
  first.write("first");
  second.write("second");
  first.commit();
  second.commit();
  EXPECT_EQ(read_all(folder / "a.txt"), "second");
  EXPECT_THAT(folder.entries(), ElementsAre("a.txt"));
}

TEST(AtomicFile, FileWhereAFolderShouldBeIsNamed) {
  const TempFolder folder;
  folder.write("file", "x");
  const std::string message = error_of(ErrorKind::kIo, [&] { AtomicFile file(folder / "file/a.txt"); });
  EXPECT_THAT(message,
              AllOf(HasSubstr("file/a.txt"), HasSubstr("a part of the path is a file, not a folder")));
  const std::string deeper = error_of(ErrorKind::kIo, [&] { AtomicFile file(folder / "file/x/y/a.txt"); });
  EXPECT_THAT(deeper, AllOf(HasSubstr("file/x"), HasSubstr("a part of the path is a file, not a folder")));
  EXPECT_THAT(folder.entries(), ElementsAre("file"));
}

TEST(AtomicFile, FolderAsTargetIsRefused) {
  const TempFolder folder;
  fs::create_directory(folder / "out");
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { AtomicFile file(folder / "out"); }),
              HasSubstr("it is a folder"));
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { AtomicFile file(folder / "out/"); }),
              HasSubstr("this is not the name of a file"));
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { AtomicFile file(""); }),
              HasSubstr("this is not the name of a file"));
}

TEST(AtomicFile, DevicesAreNeverReplaced) {
  EXPECT_THAT(error_of(ErrorKind::kIo, [] { AtomicFile file("/dev/null"); }),
              HasSubstr("it is not a regular file"));
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const std::string end = "/dev/fd/" + std::to_string(ends[1]);
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { AtomicFile file(end); }),
              HasSubstr("cannot write " + end + ": it is not a regular file"));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(AtomicFile, UnwritableFolderIsNamed) {
  // Nothing can be made in /proc, not even by root.
  const std::string message = error_of(ErrorKind::kIo, [] { AtomicFile file("/proc/emend/a.txt"); });
  EXPECT_THAT(message, AllOf(HasSubstr("/proc/emend"), HasSubstr("cannot create the folder")));
  EXPECT_THAT(error_of(ErrorKind::kIo, [] { AtomicFile file("/proc/a.txt"); }),
              HasSubstr("cannot write /proc/a.txt"));
}

TEST(AtomicFile, FullDiskLeavesTheOldFileAndNothingElse) {
  const TempFolder folder;
  const auto target = folder.write("a.txt", "old");
  const FileSizeLimit limit(1 << 16);
  AtomicFile file(target);
  const std::string message = error_of(ErrorKind::kIo, [&] { file.write(std::string(4 << 20, 'x')); });
  EXPECT_THAT(message, AllOf(HasSubstr("cannot write " + target.string()), HasSubstr("larger than")));
  EXPECT_EQ(read_all(target), "old");
  EXPECT_THAT(folder.entries(), ElementsAre("a.txt"));
  EXPECT_THROW(file.write("more"), std::logic_error);
  EXPECT_THROW(file.commit(), std::logic_error);
}

TEST(AtomicFile, FullDiskSeenAtCommitLeavesNothing) {
  const TempFolder folder;
  const FileSizeLimit limit(1 << 10);
  AtomicFile file(folder / "new/a.txt");
  file.write(std::string(1 << 12, 'x'));  // still in the buffer
  error_of(ErrorKind::kIo, [&] { file.commit(); });
  EXPECT_THAT(folder.entries(), IsEmpty());
}

TEST(AtomicFile, CommittingTwiceIsOurOwnMistake) {
  const TempFolder folder;
  AtomicFile file(folder / "a.txt");
  file.commit();
  EXPECT_THROW(file.commit(), std::logic_error);
  EXPECT_EQ(read_all(folder / "a.txt"), "");
}

}  // namespace
}  // namespace emend
