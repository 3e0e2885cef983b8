// emend/emend.h compiles by itself and holds every public header of the C++ library.
#include <emend/emend.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

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
