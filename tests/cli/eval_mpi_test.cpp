// emend eval under mpirun, where the build has MPI.
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

std::size_t times(const std::string& text, const std::string& part) {
  std::size_t times = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++times;
  return times;
}

class EvalMpi : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_mpi()) GTEST_SKIP() << "built without MPI";
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
  }
  // C = I and few steps: quick, not good.
  std::vector<std::string> arguments(const std::string& out,
                                     const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {"eval",
                                    "--dataset",
                                    "emend",
                                    "--data",
                                    std::string(EMEND_TEST_DATA) + "/world/edits.jsonl",
                                    "--model",
                                    world_model("gpt2"),
                                    "--layer",
                                    "2",
                                    "--drift-tokens",
                                    "0",
                                    "--statistics",
                                    folder_ / "stats",
                                    "--options",
                                    quick_,
                                    "--out",
                                    folder_ / out};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  const ScratchFolder folder_;
  const std::string quick_ = folder_.write(
      "quick.yaml", "label: quick\nmethod: rome\noptions: {covariance: false, steps: 3, contexts: 0}\n");
};

// With statistics, which the first process collects and the others load, and two contenders.
TEST_F(EvalMpi, TheRecordsAreThoseOfOneProcess) {
  const std::string with_c =
      folder_.write("c.yaml", "label: c\nmethod: rome\noptions: {steps: 3, contexts: 0}\n");
  const auto both = [&](const std::string& out) {  // three units of 32 records and fewer
    return arguments(out, {"--records", "3:73", "--options", with_c, "--json", folder_ / (out + ".json")});
  };
  const Finished shared = run_emend_many(2, both("shared"));
  ASSERT_EQ(shared.code, 0) << shared.err;
  EXPECT_EQ(times(shared.err, "collecting them from text"), 1u) << shared.err;
  EXPECT_THAT(shared.err, AllOf(HasSubstr("2 processes share 70 records."), Not(HasSubstr("part 1 of 2")),
                                Not(HasSubstr("nothing to do")),
                                HasSubstr("evaluating part 0 of 2 (from 0): 38 records in")));
  EXPECT_EQ(times(shared.out, "quick: 70 records"), 1u) << shared.out;
  EXPECT_EQ(read_json(folder_ / "shared.json").size(), 2u);

  const Finished alone = run_emend(both("alone"));
  ASSERT_EQ(alone.code, 0) << alone.err;
  EXPECT_THAT(alone.err, Not(HasSubstr("collecting")));
  for (const std::string label : {"quick", "c"}) {
    const std::string records = label + "/records.jsonl";
    EXPECT_EQ(times(read_all(folder_.path() / "alone" / records), "\n"), 70u);
    EXPECT_EQ(read_all(folder_.path() / "shared" / records), read_all(folder_.path() / "alone" / records));
  }
  for (std::size_t i = 0; i < 2; ++i) {
    const auto wanted = read_json(folder_ / "alone.json")[i], found = read_json(folder_ / "shared.json")[i];
    for (const char* key : {"metrics", "base", "records", "skipped", "device", "statistics_fingerprint"})
      EXPECT_EQ(found[key], wanted[key]) << key;
  }

  // The whole run and one in parts do not mix, nor do numbers of parts.
  const Finished other = run_emend_many(3, both("shared"));
  EXPECT_EQ(other.code, 3) << other.err;
  EXPECT_THAT(other.err, HasSubstr("of a run in 2 parts, and this one is in 3 parts"));
  const Finished over = run_emend_many(2, both("alone"));
  EXPECT_EQ(over.code, 3) << over.err;
  EXPECT_THAT(over.err, HasSubstr("holds a run that is not in parts"));
}

TEST_F(EvalMpi, AnErrorOfOneProcessEndsAllAndTheyGoOnFromThere) {
  const std::vector<std::string> some = {"--records", "0:40"}, resume = {"--records", "0:40", "--resume"};
  ASSERT_EQ(run_emend(arguments("alone", some)).code, 0);
  fs::create_directories(folder_.path() / "out/shard-1-of-2");
  folder_.write("out/shard-1-of-2/run.json", "{}");  // not of this run, and only process 1 looks there
  const Finished run = run_emend_many(2, arguments("out", some));
  EXPECT_EQ(run.code, 3) << run.err;
  EXPECT_THAT(run.err, AllOf(HasSubstr("process 1 of 2: "), HasSubstr("holds the results of another run"),
                             HasSubstr("all processes end; records that are finished stay, and --resume")));
  EXPECT_FALSE(fs::exists(folder_ / "out/summary.json"));

  fs::remove_all(folder_.path() / "out/shard-1-of-2");
  const Finished resumed = run_emend_many(2, arguments("out", resume));
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(read_all(folder_ / "out/records.jsonl"), read_all(folder_ / "alone/records.jsonl"));

  // A part that is finished is not done again.
  const auto seconds = [&] { return read_all(folder_ / "out/shard-0-of-2/seconds.json"); };
  const std::string before = seconds();
  fs::remove_all(folder_.path() / "out/shard-1-of-2");
  ASSERT_EQ(run_emend_many(2, arguments("out", resume)).code, 0);
  EXPECT_EQ(seconds(), before);
  EXPECT_EQ(read_all(folder_ / "out/records.jsonl"), read_all(folder_ / "alone/records.jsonl"));
}

TEST_F(EvalMpi, RefusesWhatDoesNotGoTogetherBeforeAnyWork) {
  const std::pair<std::vector<std::string>, const char*> refusals[] = {
      {{"--shard", "0/2"}, "mpirun makes the parts: leave out --shard"},
      {{"--mode", "sequential:4"}, "--mode sequential does not go with mpirun"}};
  for (const auto& [more, message] : refusals) {
    const Finished run = run_emend_many(2, arguments("out", more));
    EXPECT_EQ(run.code, 2) << run.err;
    EXPECT_THAT(run.err, AllOf(HasSubstr(message), HasSubstr("all processes end\n"),
                               Not(HasSubstr("records that are finished stay"))));
    EXPECT_FALSE(fs::exists(folder_ / "out"));
  }
}

// Each process would do the whole run, into the same folder.
TEST_F(EvalMpi, RefusesProcessesThatAnotherMpiStarted) {
  const Finished run = run_emend_after(
      "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_plm_rsh_agent=/bin/true "
      "PMI_SIZE=2 PMI_RANK=1",
      arguments("out"));
  EXPECT_EQ(run.code, 3) << run.err;
  EXPECT_THAT(run.err, HasSubstr("several processes were started together, but this one finds no other"));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

}  // namespace
}  // namespace emend
