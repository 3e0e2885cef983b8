// --memory below what the weights need: blocks are read again in each pass, what comes out is the same to the
// last byte, and the process holds no more than it was allowed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>
#include <string>
#include <vector>

#include "base/files.h"
#include "world_edit.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const std::string kPrompt = "Workis Tellond was trained as a", kSubject = "Workis Tellond";
const std::string kReadAgain = "are read from the file whenever a pass comes to them";

using Arguments = std::vector<std::string>;

Arguments joined(Arguments arguments, const Arguments& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

// "263M": what a run that is allowed nothing says that it needs.
std::string least_memory(const Arguments& arguments) {
  const Finished refused = run_emend(joined(arguments, {"--memory", "1M"}));
  EXPECT_EQ(refused.code, 3) << refused.err;
  std::smatch found;
  const std::regex least("the least is --memory ([0-9]+M)");
  EXPECT_TRUE(std::regex_search(refused.err, found, least)) << refused.err;
  return found.empty() ? "1G" : found[1].str();
}

std::int64_t bytes_of(const std::string& megabytes) {
  return std::stoll(megabytes) * 1'000'000;
}

class MemoryLimit : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
  }
  std::string model() const { return world_model(GetParam()); }

  // The run within the least memory, which must be one that reads blocks again.
  Finished within_least(const Arguments& arguments) {
    least_ = least_memory(arguments);
    Finished run = run_emend(joined(arguments, {"--memory", least_}));
    EXPECT_EQ(run.code, 0) << run.err;
    EXPECT_THAT(run.err, HasSubstr(kReadAgain));
    return run;
  }
  void expect_peak(const std::string& json) const {
    EXPECT_LE(read_json(json)["peak_memory_bytes"].get<std::int64_t>(), bytes_of(least_));
  }

  const ScratchFolder folder_;
  std::string least_;
};
INSTANTIATE_TEST_SUITE_P(World, MemoryLimit, testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(MemoryLimit, OfGenerate) {
  const Arguments command = {"generate", kPrompt, "--model", model(), "--max-new", "6", "--top", "5"};
  const Finished whole = run_emend(command);
  ASSERT_EQ(whole.code, 0) << whole.err;
  EXPECT_EQ(within_least(command).out, whole.out);
  const Finished enough = run_emend(joined(command, {"--memory", "8G"}));
  EXPECT_EQ(enough.out, whole.out);
  EXPECT_THAT(enough.err, Not(HasSubstr(kReadAgain)));
}

TEST_P(MemoryLimit, OfStats) {
  const Arguments command = {"stats", "--model", model(), "--layers", "1", "--tokens", "2000"};
  ASSERT_EQ(run_emend(joined(command, {"--out", folder_ / "whole"})).code, 0);
  within_least(joined(command, {"--out", folder_ / "within", "--json", folder_ / "j"}));
  EXPECT_EQ(read_text_file(folder_ / "within/layer_1.safetensors"),
            read_text_file(folder_ / "whole/layer_1.safetensors"));
  expect_peak(folder_ / "j");
}

TEST_P(MemoryLimit, OfLocate) {
  const Arguments command = {"locate", "--model", model(), "--prompt", kPrompt, "--subject", kSubject};
  ASSERT_EQ(run_emend(joined(command, {"--json", folder_ / "whole"})).code, 0);
  within_least(joined(command, {"--json", folder_ / "within"}));
  auto whole = read_json(folder_ / "whole"), within = read_json(folder_ / "within");
  for (const char* const key : {"facts", "average", "ranking"}) EXPECT_EQ(within[key], whole[key]) << key;
  expect_peak(folder_ / "within");
}

TEST_P(MemoryLimit, OfEdit) {
  folder_.write("a.yaml", lenient_edits(GetParam()));
  const Arguments command = {"edit", folder_ / "a.yaml", "--layer", "1"};
  ASSERT_EQ(run_emend(joined(command, {"--out", folder_ / "whole"})).code, 0);
  const Finished planned = within_least(joined(command, {"--dry-run"}));
  EXPECT_THAT(planned.out, AllOf(HasSubstr(kReadAgain), HasSubstr("A step of a search at layer 1 reads")));
  within_least(joined(command, {"--out", folder_ / "within", "--json", folder_ / "j"}));
  EXPECT_EQ(read_text_file(folder_ / "within/a.safetensors"),
            read_text_file(folder_ / "whole/a.safetensors"));
  expect_peak(folder_ / "j");
}

// What its plan counts is what is held: not the weights of blocks that are read one by one.
TEST_P(MemoryLimit, OfABulkEdit) {
  folder_.write("a.yaml", "method: bulk\nlayer: [0, 1]\n" + lenient_edits(GetParam()));
  const Arguments command = {"edit", folder_ / "a.yaml"};
  const Finished planned =
      within_least(joined(command, {"--dry-run", "--out", folder_ / "p", "--json", folder_ / "plan"}));
  EXPECT_THAT(planned.out, HasSubstr("which are read one by one"));
  EXPECT_LE(read_json(folder_ / "plan").at("memory").at("bytes").get<std::int64_t>(), bytes_of(least_));
  within_least(joined(command, {"--out", folder_ / "within", "--json", folder_ / "j"}));
  expect_peak(folder_ / "j");
  ASSERT_EQ(run_emend(joined(command, {"--out", folder_ / "whole"})).code, 0);
  EXPECT_EQ(read_text_file(folder_ / "within/a.safetensors"),
            read_text_file(folder_ / "whole/a.safetensors"));
}

TEST(MemoryLimitRefusals, NameWhatCannotBe) {
  const Finished elsewhere = run_emend({"patch", "verify", "--memory", "8G"});
  EXPECT_EQ(elsewhere.code, 2);
  EXPECT_THAT(elsewhere.err, HasSubstr("generate, stats, locate and edit take it"));
  const Finished size = run_emend({"generate", kPrompt, "--model", "m", "--memory", "many"});
  EXPECT_EQ(size.code, 2);
  EXPECT_THAT(size.err, HasSubstr("--memory"));
}

}  // namespace
}  // namespace emend
