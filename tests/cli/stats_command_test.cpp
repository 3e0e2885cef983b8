#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "../support/markup_check.h"
#include "program.h"
#include "report/numbers.h"
#include "scratch_folder.h"
#include "tests/base/temp_folder.h"

namespace emend {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string world_text() {
  return std::string(EMEND_TEST_DATA) + "/world/text.txt";
}

class StatsCommand : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
  }
  const ScratchFolder folder_;
};

TEST_F(StatsCommand, CollectsAndShows) {
  const Finished run = run_emend({"stats", "--model", world_model("gpt2"), "--out", folder_ / "deep/stats",
                                  "--layers", "0-1", "--tokens", "2000", "--quiet", "--json", folder_ / "j"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(std::filesystem::exists(folder_ / "deep/stats/layer_0.safetensors"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "deep/stats/layer_1.safetensors"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "deep/stats/layer_2.safetensors"));
  const auto made = read_json(folder_ / "j");
  EXPECT_EQ(made["layers"].size(), 2U);
  EXPECT_GE(made["layers"][1]["tokens"], 2000);

  const Finished shown = run_emend({"stats", "show", folder_ / "deep/stats", "--json", folder_ / "s"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("condition"));
  const auto seen = read_json(folder_ / "s");
  EXPECT_EQ(seen["layers"][1]["tokens"], made["layers"][1]["tokens"]);
  EXPECT_EQ(run_emend({"stats", "show", folder_ / "deep/stats", "--model", world_model("gpt2")}).code, 0);
  const Finished other =
      run_emend({"stats", "show", folder_ / "deep/stats", "--model", world_model("llama")});
  EXPECT_EQ(other.code, 3);
  EXPECT_THAT(other.err, HasSubstr("another"));
}

// What every edit asks the unedited model: the first edit finds it, with the seed and token budget of both.
TEST_F(StatsCommand, AsksTheUneditedModelForTheFirstEdit) {
  const auto collect = [&](const std::string& out, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {
        "stats", "--model", world_model("gpt2"), "--layers", "2", "--tokens", "2000", "--out", folder_ / out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished run = run_emend(arguments);
    EXPECT_EQ(run.code, 0) << run.err;
    return run.err;
  };
  const std::string told = collect("s");
  EXPECT_THAT(told, HasSubstr("contexts of edits"));
  EXPECT_THAT(told, HasSubstr("held text of the unedited model"));
  EXPECT_THAT(collect("none", {"--no-texts"}), Not(HasSubstr("unedited")));
  const std::vector<std::string> names = {"base_2.safetensors", "contexts_10.safetensors"};
  std::vector<std::string> bytes;
  for (const std::string& name : names) {
    bytes.push_back(test::read_all(folder_ / ("s/" + name)));
    EXPECT_FALSE(bytes.back().empty());
    EXPECT_FALSE(std::filesystem::exists(folder_ / ("none/" + name)));
  }
  const std::string edits = folder_.write("a.yaml", "layer: 2\noptions: {steps: 2}\n" + world_edits(0, 1));
  for (const std::string folder : {"s", "none"}) {
    const Finished edit = run_emend({"edit", edits, "--model", world_model("gpt2"), "--out", folder_ / "out",
                                     "--statistics", folder_ / folder, "--keep-going"});
    EXPECT_TRUE(edit.code == 0 || edit.code == 4) << edit.err;
    for (std::size_t i = 0; i < names.size(); ++i)
      EXPECT_TRUE(test::read_all(folder_ / (folder + "/" + names[i])) == bytes[i])
          << folder << " " << names[i];
  }
}

TEST_F(StatsCommand, RefusesBadInputAndWritesNothing) {
  const std::string file = folder_.write("file", "text"),
                    binary = folder_.write("binary", std::string("a\0b", 3)),
                    empty = folder_.write("empty", "");
  const std::vector<std::vector<std::string>> bad = {
      {"--model", world_model("gpt2"), "--out", file},
      {"--model", world_model("gpt2"), "--out", folder_ / "o", "--layers", "99"},
      {"--model", world_model("gpt2"), "--out", folder_ / "o", "--corpus", folder_ / "missing.txt"},
      {"--model", folder_ / "missing", "--out", folder_ / "o"},
      {"--model", parity_model("gpt2"), "--out", folder_ / "o"},
      {"--model", world_model("gpt2"), "--out", folder_ / "o", "--corpus", file},  // no document of 8 tokens
      {"--model", world_model("gpt2"), "--out", folder_ / "o", "--corpus", binary},
      {"--model", world_model("gpt2"), "--out", folder_ / "o", "--corpus", empty},
      {"--model", world_model("gpt2"), "--out", folder_ / "o", "--memory", "1M"},
      {"--model", world_model("gpt2"), "--out", folder_ / "o", "--tokens", "all"},  // own text has no end
  };
  for (auto arguments : bad) {
    arguments.insert(arguments.begin(), "stats");
    const Finished run = run_emend(arguments);
    EXPECT_EQ(run.code, 3) << run.err;
    EXPECT_EQ(folder_.listing(), "binary empty file");
  }
}

TEST_F(StatsCommand, WrongCommandLinesAreRefusedByName) {
  const auto refusal = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"stats", "--model", world_model("gpt2"), "--out", folder_ / "o"});
    const Finished run = run_emend(arguments);
    EXPECT_EQ(run.code, 2) << run.err;
    EXPECT_EQ(folder_.listing(), "");
    return run.err;
  };
  EXPECT_THAT(refusal({"--memory", "lots"}), HasSubstr("--memory"));
  EXPECT_THAT(refusal({"--tokens", "0"}), HasSubstr("--tokens"));
  EXPECT_THAT(refusal({"--tokens", "many"}), HasSubstr("--tokens"));
  EXPECT_THAT(refusal({"--shard", "3/3"}), HasSubstr("--shard"));
  EXPECT_THAT(refusal({"--until", "0"}), HasSubstr("--until"));
  EXPECT_THAT(refusal({"--corpus", "self", "x"}), HasSubstr("self"));
  EXPECT_THAT(refusal({"--no-texts", "--keep-sums"}), HasSubstr("--no-texts"));
  EXPECT_THAT(refusal({"--no-texts", "--shard", "0/2"}), HasSubstr("--no-texts"));
}

TEST_F(StatsCommand, ThePlanIsToldBeforeAnyWork) {
  const Finished run =
      run_emend({"stats", "--model", world_model("gpt2"), "--corpus", world_text(), "--tokens", "5000",
                 "--block", "1000", "--dry-run", "--json", folder_ / "j"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("9 layers in 1 pass over 5,000 tokens"));
  const auto plan = read_json(folder_ / "j")["plan"];
  EXPECT_EQ(plan["tokens"], 5000);
  EXPECT_EQ(plan["file_bytes"], 9 * 768 * 768 * 4);
  EXPECT_GT(plan["seconds"], 0);
  EXPECT_GT(plan["peak_bytes"], plan["sum_bytes"]);
}

TEST_F(StatsCommand, SaysWhatItFoundInTheCorpus) {
  const std::string text = "It rained in Josov for twenty days and nights, and the river rose.\n";
  std::filesystem::create_directory(folder_ / "c");
  folder_.write("c/a.txt", text + "The caf\xE9 in Thidov was closed for the whole of the long winter.\n");
  folder_.write("c/b.txt", text);
  folder_.write("c/c.bin", std::string("a\0b", 3));
  const Finished run = run_emend({"stats", "--model", world_model("gpt2"), "--corpus", folder_ / "c",
                                  "--layers", "0", "--out", folder_ / "o"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("1 pieces of the corpus are not UTF-8"));
  EXPECT_THAT(run.err, HasSubstr("1 documents stand in the corpus more than once"));
  EXPECT_THAT(run.err, HasSubstr("c.bin"));
  EXPECT_THAT(run.err, HasSubstr("fewer than the key's size 768"));
  EXPECT_THAT(run.out, HasSubstr("singular"));
}

TEST_F(StatsCommand, AKilledRunResumesToTheSameBytes) {
  const auto arguments = [&](const std::string& out) {
    return std::vector<std::string>{"stats",    "--model", world_model("gpt2"), "--corpus", world_text(),
                                    "--tokens", "all",     "--layers",          "0-1",      "--block",
                                    "1500",     "--out",   folder_ / out};
  };
  ASSERT_EQ(run_emend(arguments("whole")).code, 0);
  RunningEmend killed(arguments("killed"));
  const std::string checkpoint = folder_ / "killed/checkpoint_0-1.safetensors";
  for (int i = 0; i < 6000 && !std::filesystem::exists(checkpoint); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  killed.send(SIGKILL);
  ASSERT_EQ(killed.wait().code, 128 + SIGKILL);
  ASSERT_TRUE(std::filesystem::exists(checkpoint));
  const Finished again = run_emend(arguments("killed"));
  EXPECT_EQ(again.code, 3);
  EXPECT_THAT(again.err, HasSubstr("resume"));
  // A full disk at the next checkpoint: the one before stays as it is.
  const std::string before = test::read_all(checkpoint);
  std::vector<std::string> resumed = arguments("killed");
  resumed.push_back("--resume");
  const Finished full = run_emend_after("trap '' XFSZ; ulimit -f 64", resumed);
  EXPECT_EQ(full.code, 3);
  EXPECT_THAT(full.err, HasSubstr("checkpoint_0-1"));
  EXPECT_TRUE(test::read_all(checkpoint) == before);
  const Finished finished = run_emend(resumed);
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_THAT(finished.out, HasSubstr("Taken up after"));
  for (const char* name : {"layer_0.safetensors", "layer_1.safetensors", "held_text.safetensors"})
    EXPECT_TRUE(test::read_all(folder_ / ("killed/" + std::string(name))) ==
                test::read_all(folder_ / ("whole/" + std::string(name))))
        << name;
}

TEST_F(StatsCommand, ShardsAreMerged) {
  for (const char* shard : {"0/2", "1/2"})
    ASSERT_EQ(run_emend({"stats", "--model", world_model("gpt2"), "--corpus", world_text(), "--layers", "1",
                         "--tokens", "4000", "--block", "500", "--shard", shard, "--out", folder_ / "shards"})
                  .code,
              0);
  const Finished merged =
      run_emend({"stats", "merge", folder_ / "shards", "--out", folder_ / "m", "--json", folder_ / "j"});
  ASSERT_EQ(merged.code, 0) << merged.err;
  EXPECT_EQ(read_json(folder_ / "j")["layers"][0]["tokens"], 4000);
  EXPECT_EQ(run_emend({"stats", "merge", folder_ / "m", folder_ / "m", "--out", folder_ / "n"}).code, 3);
  EXPECT_EQ(run_emend({"stats", "merge", folder_ / "m", folder_ / "shards", "--out", folder_ / "n"}).code, 3);
  EXPECT_EQ(run_emend({"stats", "merge", "--out", folder_ / "n"}).code, 2);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "n"));
}

TEST_F(StatsCommand, ShowDrawsSpectra) {
  ASSERT_EQ(run_emend({"stats", "--model", world_model("gpt2"), "--corpus", world_text(), "--layers", "0-1",
                       "--tokens", "4000", "--out", folder_ / "s"})
                .code,
            0);
  const Finished shown = run_emend({"stats", "show", folder_ / "s", "--spectrum", "all", "--svg",
                                    folder_ / "s.svg", "--json", folder_ / "j"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("effective rank"));
  EXPECT_THAT(shown.out, HasSubstr("layer 1  "));
  EXPECT_THAT(test::read_all(folder_ / "s.svg"), HasSubstr("<style>"));
  const auto result = read_json(folder_ / "j");
  EXPECT_EQ(result["log10_spectrum"]["0"].size(), 768U);
  EXPECT_GT(result["layers"][0]["error_estimate"], 0);
  EXPECT_EQ(run_emend({"stats", "show", folder_ / "s", "--spectrum", "7"}).code, 3);
}

TEST_F(StatsCommand, ShowNeverDrawsOverWhatItReads) {
  const std::string layer = folder_.write("s/layer_0.safetensors", "moments");
  for (const std::string option : {"--svg", "--report", "--json"}) {
    const Finished run = run_emend({"stats", "show", folder_ / "s", option, layer});
    EXPECT_EQ(run.code, 2) << run.err;
    EXPECT_THAT(run.err, HasSubstr(option + " " + layer + " would overwrite"));
    EXPECT_EQ(test::read_all(layer), "moments");
  }
}

TEST_F(StatsCommand, WritesPages) {
  const Finished made =
      run_emend({"stats", "--model", world_model("gpt2"), "--corpus", world_text(), "--layers", "0-1",
                 "--tokens", "4000", "--out", folder_ / "s", "--report", folder_ / "deep/made.html"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("Report: " + (folder_ / "deep/made.html")));
  const Finished shown = run_emend(
      {"stats", "show", folder_ / "s", "--report", folder_ / "shown.html", "--json", folder_ / "j"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  const auto layers = read_json(folder_ / "j")["layers"];
  for (const std::string file : {"deep/made.html", "shown.html"}) {
    const std::string page = test::read_all(folder_ / file);
    EXPECT_EQ(markup_fault(page), "") << file;
    for (const auto& layer : layers)
      EXPECT_THAT(page, HasSubstr("<td>" + number_text(layer["effective_rank"].get<double>()) + "</td>"));
  }
  EXPECT_THAT(test::read_all(folder_ / "shown.html"), HasSubstr("<h2>Spectra</h2>"));
}

TEST_F(StatsCommand, RefusesAPageBeforeTheWork) {
  const std::vector<std::string> common = {"stats", "--model", world_model("gpt2"), "--out", folder_ / "s"};
  const auto refused = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = common;
    all.insert(all.end(), more.begin(), more.end());
    return run_emend(all);
  };
  for (const std::vector<std::string>& option :
       {std::vector<std::string>{"--dry-run"}, {"--keep-sums"}, {"--shard", "0/2"}}) {
    std::vector<std::string> all = {"--report", folder_ / "r.html"};
    all.insert(all.end(), option.begin(), option.end());
    const Finished run = refused(all);
    EXPECT_EQ(run.code, 2);
    EXPECT_THAT(run.err, HasSubstr("--report"));
  }
  EXPECT_EQ(refused({"--report", folder_ / "r", "--json", folder_ / "r"}).code, 2);
  EXPECT_EQ(refused({"--report", folder_.path().string()}).code, 3);
  EXPECT_EQ(folder_.listing(), "");
}

TEST_F(StatsCommand, ImportWantsTrustInTheModelsName) {
  const std::string file = folder_.write("transformer.h.1.mlp.c_proj_float32_mom2_100000.npz", "no archive");
  const Finished unsure =
      run_emend({"stats", "import", file, "--model", world_model("gpt2"), "--out", folder_ / "o"});
  EXPECT_EQ(unsure.code, 2);
  EXPECT_THAT(unsure.err, HasSubstr("--trust-model-name"));
  const Finished broken = run_emend({"stats", "import", file, "--model", world_model("gpt2"), "--out",
                                     folder_ / "o", "--trust-model-name"});
  EXPECT_EQ(broken.code, 3);
  EXPECT_THAT(broken.err, testing::AllOf(HasSubstr("import of statistics"), HasSubstr("zip")));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "o"));
}

TEST_F(StatsCommand, ShowRefusesFoldersOfOtherThings) {
  EXPECT_EQ(run_emend({"stats", "show", folder_ / "missing"}).code, 3);
  const Finished empty = run_emend({"stats", "show", folder_.path().string()});
  EXPECT_EQ(empty.code, 3);
  EXPECT_THAT(empty.err, HasSubstr("layer_<l>.safetensors"));
  folder_.write("layer_0.safetensors", "garbage");
  EXPECT_EQ(run_emend({"stats", "show", folder_.path().string()}).code, 3);
}

TEST_F(StatsCommand, AFolderThatIsNotThereIsToldWithWhatMakesIt) {
  const ScratchFolder folder;
  const std::string none = folder / "none";
  const std::vector<std::vector<std::string>> readers = {
      {"show", none}, {"merge", none, "--out", folder / "o"}, {"export", none, "--out", folder / "i.gguf"}};
  for (std::vector<std::string> reader : readers) {
    reader.insert(reader.begin(), "stats");
    const Finished run = run_emend(reader);
    EXPECT_EQ(run.code, 3) << reader[1];
    EXPECT_THAT(run.err, HasSubstr(none + ": there is no such folder; statistics are a folder that a "
                                          "collection of statistics (emend stats) writes"))
        << reader[1];
  }
  const Finished import = run_emend(
      {"stats", "import", none, "--model", world_model("gpt2"), "--out", folder / "o", "--trust-model-name"});
  EXPECT_EQ(import.code, 3);
  EXPECT_THAT(import.err, HasSubstr("cannot read " + none + ": no such file or folder"));
  EXPECT_THAT(import.err, Not(HasSubstr("loading")));
}

}  // namespace
}  // namespace emend
