#include "base/folder_kind.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "emend/error.h"
#include "temp_folder.h"

namespace emend {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

TEST(FolderKind, SaysWhatAFolderWasToBe) {
  const test::TempFolder folder;
  EXPECT_NO_THROW(require_folder(folder.path(), kIndexFolder));
  folder.write("file", "text");
  for (const auto& [name, reason] : {std::pair{"none", "none: there is no such folder; "},
                                     std::pair{"file", "file: this is a file, not a folder; "}}) {
    try {
      require_folder(folder.path() / name, kStatisticsFolder);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kIo);
      EXPECT_THAT(error.what(), HasSubstr(reason));
      EXPECT_THAT(error.what(), EndsWith(std::string(kStatisticsFolder)));
    }
  }
}

}  // namespace
}  // namespace emend
