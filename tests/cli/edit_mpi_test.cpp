// emend edit under mpirun, where the build has MPI.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "mpirun.h"
#include "program.h"
#include "scratch_folder.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class EditMpi : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_mpi()) GTEST_SKIP() << "built without MPI";
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
  }

  // The first `facts` of the invented world, by few steps on C = I: quick, not good.
  std::string edit_file(int facts) const {
    std::ifstream records(std::string(EMEND_TEST_DATA) + "/world/edits.jsonl");
    std::string text;
    for (std::string line; facts > 0 && std::getline(records, line); --facts) text += line + "\n";
    return folder_.write("facts.jsonl", text);
  }

  std::vector<std::string> arguments(const std::string& file, const std::string& out,
                                     const std::vector<std::string>& more) const {
    std::vector<std::string> all = {
        "edit",  file,         "--model", world_model("gpt2"), "--statistics", folder_ / "stats",
        "--out", folder_ / out};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  const ScratchFolder folder_;
};

// 40 facts are several batches of the search, and three processes do not divide them evenly. The first
// process collects the statistics that all of them use.
TEST_F(EditMpi, ThePatchOfABulkEditIsThatOfOneProcess) {
  const std::string file = edit_file(40);
  const std::vector<std::string> how = {"--editor", "memit", "--layer", "2", "--keep-going"};
  const Finished shared = run_emend_many(3, arguments(file, "shared", how));
  ASSERT_THAT(shared.code, testing::AnyOf(0, 4)) << shared.err;
  EXPECT_THAT(shared.out, HasSubstr("Patch: "));
  EXPECT_EQ(shared.out.find("Patch: "), shared.out.rfind("Patch: ")) << "every process wrote one";
  const Finished alone = run_emend(arguments(file, "alone", how));
  EXPECT_EQ(alone.code, shared.code) << alone.err;
  const std::string patch = read_all(folder_ / "alone/facts.safetensors");
  ASSERT_FALSE(patch.empty());
  EXPECT_TRUE(patch == read_all(folder_ / "shared/facts.safetensors"));
}

// Other subjects are protected by default: every process names and measures them for itself.
TEST_F(EditMpi, ThePatchOfProtectedEditsIsThatOfOneProcess) {
  const std::string file = edit_file(24);
  const std::vector<std::string> how = {"--editor", "rome", "--layer", "2", "--keep-going"};
  const Finished shared = run_emend_many(2, arguments(file, "shared", how));
  ASSERT_THAT(shared.code, testing::AnyOf(0, 4)) << shared.err;
  const Finished alone = run_emend(arguments(file, "alone", how));
  EXPECT_EQ(alone.code, shared.code) << alone.err;
  const std::string patch = read_all(folder_ / "alone/facts.safetensors");
  ASSERT_FALSE(patch.empty());
  EXPECT_TRUE(patch == read_all(folder_ / "shared/facts.safetensors"));
}

TEST_F(EditMpi, AnErrorEndsAllProcessesAndIsToldOnce) {
  const std::string file = edit_file(2);
  const Finished ended = run_emend_many(2, arguments(file, "shared", {"--editor", "memit", "--layer", "99"}));
  EXPECT_EQ(ended.code, 3) << ended.err;
  EXPECT_THAT(ended.err, AllOf(HasSubstr("99"), HasSubstr("all processes end")));
  EXPECT_FALSE(fs::exists(folder_ / "shared/facts.safetensors"));
}

}  // namespace
}  // namespace emend
