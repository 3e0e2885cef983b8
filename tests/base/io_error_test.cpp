#include "base/io_error.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace emend {
namespace {

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

}  // namespace
}  // namespace emend
