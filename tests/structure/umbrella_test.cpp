// emend/emend.h compiles by itself and holds every public header of the C++ library.
#include <emend/emend.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>
#include <string>

#include "source_files.h"

namespace emend::structure {
namespace {

namespace fs = std::filesystem;

TEST(Umbrella, EveryPublicHeaderOfCppIsInIt) {
  std::string umbrella, missing;
  const std::vector<SourceFile> headers = read_sources(EMEND_SOURCE_DIR, {"include"});
  for (const SourceFile& header : headers)
    if (header.path == "include/emend/emend.h") umbrella = header.text;
  ASSERT_FALSE(umbrella.empty());
  for (const SourceFile& header : headers) {
    const std::string name = fs::path(header.path).filename().string();
    if (name == "emend.h" || name.starts_with("c_api")) continue;
    if (umbrella.find("#include \"emend/" + name + "\"\n") == std::string::npos) missing += name + "\n";
  }
  EXPECT_EQ(missing, "");
  EXPECT_EQ(umbrella.find("c_api"), std::string::npos);
}

// Whoever does not follow the work need not say so. Only an Editor is called with a progress in any case.
TEST(Umbrella, ProgressHasADefaultEverywhere) {
  std::string missing;
  const std::regex without_default("Progress& progress[,)]");
  for (const SourceFile& header : read_sources(EMEND_SOURCE_DIR, {"include"})) {
    if (header.path == "include/emend/editor.h") continue;
    if (header.path == "include/emend/model.h") continue;  // the one without is private
    if (std::regex_search(header.text, without_default)) missing += header.path + "\n";
  }
  EXPECT_EQ(missing, "");
}

// Values of several headers at once.
TEST(Umbrella, ItsDeclarationsCanBeUsed) {
  const EditRunOptions editing;
  const BenchmarkOptions benchmark;
  const LocateOptions locating;
  EXPECT_GE(editing.token_budget, 1);
  EXPECT_EQ(benchmark.shards, locating.shards);
}

}  // namespace
}  // namespace emend::structure
