#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "../support/markup_check.h"
#include "mpirun.h"
#include "program.h"
#include "scratch_folder.h"
#include "tests/base/temp_folder.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class MemoriesCommand : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
  }
  std::vector<std::string> scan(const std::string& out, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"memories",  "scan",
                                          "--model",   world_model("llama"),
                                          "--corpus",  std::string(EMEND_TEST_DATA) + "/world/text.txt",
                                          "--layers",  "0-1",
                                          "--top",     "4",
                                          "--block",   "1500",
                                          "--threads", "1",
                                          "--out",     folder_ / out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  void expect_same(const std::string& a, const std::string& b) const {
    for (const char* name : {"index.json", "text.safetensors", "layer_0.safetensors", "layer_1.safetensors"})
      EXPECT_TRUE(test::read_all(fs::path(folder_ / a) / name) ==
                  test::read_all(fs::path(folder_ / b) / name))
          << name;
  }

  const ScratchFolder folder_;
};

TEST_F(MemoriesCommand, ScansAndShowsACell) {
  const Finished run =
      run_emend(scan("i", {"--tokens", "3000", "--json", folder_ / "j", "--report", folder_ / "scan.html"}));
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("Plan: "));
  EXPECT_THAT(run.out,
              AllOf(HasSubstr("active"), HasSubstr("dead"), HasSubstr("q0.999"), HasSubstr("3,000 tokens")));
  const auto made = read_json(folder_ / "j");
  EXPECT_EQ(made["tokens"], 3000);
  EXPECT_EQ(made["layers"].size(), 2U);
  EXPECT_TRUE(made["layers"][1]["quantiles"].contains("0.001"));
  EXPECT_GT(made["plan"]["table_bytes"], 0);
  EXPECT_EQ(markup_fault(test::read_all(folder_ / "scan.html")), "");

  const Finished shown =
      run_emend({"memories", "cell", "L1D7", "--index", folder_ / "i", "--json", folder_ / "c", "--report",
                 folder_ / "cell.html", "--model", world_model("llama")});
  ASSERT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out,
              AllOf(HasSubstr("L1D7"), HasSubstr("Largest coefficients"), HasSubstr("Least coefficients")));
  const auto cell = read_json(folder_ / "c");
  for (const char* key :
       {"cell", "layer", "index", "dead", "active_share", "quantiles", "triggers", "value", "labels"})
    EXPECT_TRUE(cell.contains(key)) << key;
  EXPECT_EQ(cell["cell"], "L1D7");
  EXPECT_EQ(cell["triggers"]["high"].size(), 4U);
  for (const char* key : {"coefficient", "document", "position", "text", "token", "next"})
    EXPECT_TRUE(cell["triggers"]["low"][0].contains(key)) << key;
  EXPECT_TRUE(cell["value"]["top"].empty());
  const std::string page = test::read_all(folder_ / "cell.html");
  EXPECT_EQ(markup_fault(page), "");
  for (const char* part : {"<script", "src=", "href=", "url(", "@import"})
    EXPECT_EQ(page.find(part), std::string::npos);
}

TEST_F(MemoriesCommand, AKilledScanResumesToTheSameBytes) {
  ASSERT_EQ(run_emend(scan("whole")).code, 0);
  RunningEmend killed(scan("killed"));
  const std::string checkpoint = folder_ / "killed/checkpoint.safetensors";
  for (int i = 0; i < 12000 && !fs::exists(checkpoint); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  killed.send(SIGKILL);
  ASSERT_EQ(killed.wait().code, 128 + SIGKILL);
  ASSERT_TRUE(fs::exists(checkpoint));
  const Finished again = run_emend(scan("killed"));
  EXPECT_EQ(again.code, 3);
  EXPECT_THAT(again.err, HasSubstr("--resume"));
  const std::string before = test::read_all(checkpoint);
  const Finished full = run_emend_after("trap '' XFSZ; ulimit -f 64", scan("killed", {"--resume"}));
  EXPECT_EQ(full.code, 3);
  EXPECT_TRUE(test::read_all(checkpoint) == before);
  const Finished finished = run_emend(scan("killed", {"--resume"}));
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_THAT(finished.out, HasSubstr("Taken up after"));
  expect_same("whole", "killed");
  EXPECT_FALSE(fs::exists(checkpoint));
}

TEST_F(MemoriesCommand, ShardsAreMergedToTheSameBytes) {
  ASSERT_EQ(run_emend(scan("whole")).code, 0);
  for (const char* shard : {"0/2", "1/2"}) {
    const Finished run = run_emend(scan("parts", {"--shard", shard}));
    ASSERT_EQ(run.code, 0) << run.err;
    EXPECT_THAT(run.out, HasSubstr("emend memories merge " + (folder_ / "parts") + " OTHER_SHARD... --out"));
  }
  const Finished merged = run_emend({"memories", "merge", folder_ / "parts", "--out", folder_ / "merged"});
  ASSERT_EQ(merged.code, 0) << merged.err;
  expect_same("whole", "merged");
}

TEST_F(MemoriesCommand, ProcessesShareAScan) {
  if (!has_mpi()) GTEST_SKIP() << "built without MPI";
  ASSERT_EQ(run_emend(scan("alone")).code, 0);
  const Finished run = run_emend_many(2, scan("together"));
  ASSERT_EQ(run.code, 0) << run.err;
  expect_same("alone", "together");
}

TEST_F(MemoriesCommand, RefusesWhatCannotBe) {
  ASSERT_EQ(run_emend(scan("i", {"--tokens", "500"})).code, 0);
  const auto refused = [&](const std::vector<std::string>& arguments, int code, const std::string& message) {
    const Finished run = run_emend(arguments);
    EXPECT_EQ(run.code, code) << message;
    EXPECT_THAT(run.err, HasSubstr(message));
  };
  refused({"memories", "cell", "L1D99999", "--index", folder_ / "i"}, 3, "D0 to D");
  refused({"memories", "cell", "L8D0", "--index", folder_ / "i"}, 3, "layer 8");
  refused({"memories", "cell", "1/7", "--index", folder_ / "i"}, 2, "L12D771");
  refused({"memories", "cell", "L0D0"}, 2, "--index");
  refused({"memories", "cell", "L0D0", "--index", folder_ / "none"}, 3, "no such folder");
  refused({"memories", "cell", "L0D0", "--index", folder_ / "i", "--model", world_model("gpt2")}, 3,
          "another model");
  refused(scan("i"), 3, "--resume");
  refused(scan("o", {"--dedup", "windows"}), 2, "windows");
  refused(scan("o", {"--tokens", "0"}), 2, "--tokens");
  refused(scan("o", {"--shard", "2/2"}), 2, "--shard");
  refused({"memories", "scan", "--model", world_model("llama"), "--out", folder_ / "o"}, 2, "--corpus");
  refused({"memories", "scan", "--model", world_model("llama"), "--corpus", folder_ / "none.txt", "--out",
           folder_ / "o"},
          3, "none.txt");
  EXPECT_FALSE(fs::exists(folder_ / "o"));
}

// What an index is, and what makes one, before any model is loaded.
TEST_F(MemoriesCommand, AFolderThatIsNotThereIsToldWithWhatMakesIt) {
  const ScratchFolder folder;
  const std::string none = folder / "none", model = world_model("gpt2");
  const std::vector<std::vector<std::string>> readers = {
      {"search", "painter"},
      {"cell", "L2D3"},
      {"patterns"},
      {"report", "--out", folder / "r.html"},
      {"export", "neuronpedia", "--out", folder / "o"},
      {"import", folder.write("l.json", "{}")},
      {"audit", "--patterns", folder.write("p.txt", "a a\n"), "--model", model},
      {"values", "--model", model},
      {"effects", "--model", model},
      {"explain", "--model", model, "--prompt", "Workis Tellond was trained as a"}};
  for (std::vector<std::string> reader : readers) {
    reader.insert(reader.begin(), "memories");
    reader.insert(reader.end(), {"--index", none});
    const Finished run = run_emend(reader);
    EXPECT_EQ(run.code, 3) << reader[1];
    EXPECT_THAT(run.err, HasSubstr(none + ": there is no such folder; an index of memories is a folder that "
                                          "a scan of memories (emend memories scan) writes"))
        << reader[1];
    EXPECT_THAT(run.err, Not(HasSubstr("loading"))) << reader[1];
  }
  const Finished file = run_emend({"memories", "search", "painter", "--index", folder / "l.json"});
  EXPECT_THAT(file.err, HasSubstr("l.json: this is a file, not a folder; an index of memories is"));
}

}  // namespace
}  // namespace emend
