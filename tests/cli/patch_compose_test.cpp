// patch drop, patch merge, patch diff, and patches that cannot be laid on a model together: from the command
// line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.h"
#include "world_edit.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// Three facts edited together, and the last of them alone, with one set of statistics.
struct Edited {
  ScratchFolder folder;
  std::vector<std::string> ids;
  Finished together, alone;

  Edited() {
    if (!has_world_models()) return;
    const std::string head =
        "model: " + world_model("gpt2") +
        "\nstatistics: stats\nchecks: {efficacy: 0, paraphrase: 0, neighbourhood: 0, drift: 1000}\n";
    folder.write("abc.yaml", head + world_edits(0, 3));
    folder.write("ab.yaml", head + world_edits(0, 2));
    folder.write("c.yaml", head + world_edits(2, 1));
    together = run_emend({"edit", folder / "abc.yaml", "--quiet", "--json", folder / "abc.json"});
    alone = run_emend({"edit", folder / "c.yaml", "--quiet"});
    run_emend({"edit", folder / "ab.yaml", "--quiet"});
    if (together.code != 0) return;
    const auto json = read_json(folder / "abc.json");
    for (const auto& edit : json["edits"]) ids.push_back(edit["id"]);
  }
  static const Edited& shared() {
    static const Edited edited;
    return edited;
  }
};

class PatchCompose : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
    ASSERT_EQ(Edited::shared().together.code, 0) << Edited::shared().together.err;
    ASSERT_EQ(Edited::shared().alone.code, 0) << Edited::shared().alone.err;
  }
  static std::string made(const std::string& name) { return Edited::shared().folder / name; }
  static Finished run(std::vector<std::string> arguments, const std::string& out) {
    arguments.insert(arguments.end(),
                     {"--model", world_model("gpt2"), "--out", out, "--statistics", made("stats")});
    return run_emend(arguments);
  }
  const ScratchFolder folder_;
};

TEST_F(PatchCompose, AnInputIsNotReplaced) {
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"patch", "drop", made("abc.safetensors"), Edited::shared().ids[2]},
        {"patch", "merge", made("ab.safetensors"), made("c.safetensors")}}) {
    const Finished over = run(command, command[2]);
    EXPECT_EQ(over.code, 3);
    EXPECT_THAT(over.err, HasSubstr("it belongs to the input " + command[2]));
  }
}

TEST_F(PatchCompose, DropLeavesTheOthersAsTheyWere) {
  const std::string id = Edited::shared().ids[2];
  const Finished dropped =
      run({"patch", "drop", made("abc.safetensors"), id, "--json", folder_ / "j"}, folder_ / "q");
  ASSERT_EQ(dropped.code, 0) << dropped.out << dropped.err;
  const auto json = read_json(folder_ / "j");
  ASSERT_EQ(json["edits"].size(), 2U);
  EXPECT_EQ(json["checks"].back()["name"], "update");  // B (A k) = y r at every key that is left
  EXPECT_EQ(json["checks"].back()["passed"], true);
  EXPECT_LT(json["checks"].back()["value"], 1e-4);
  const Finished verified =
      run_emend({"patch", "verify", "--model", world_model("gpt2"), "--patch", folder_ / "q"});
  EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
  const auto before = read_json(made("abc.json"))["edits"];
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(json["edits"][i]["id"], before[i]["id"]);
    EXPECT_NEAR(json["edits"][i]["after"]["p_target"].get<double>(),
                before[i]["after"]["p_target"].get<double>(), 0.1);
  }
  const Finished diff =
      run_emend({"patch", "diff", made("abc.safetensors"), folder_ / "q", "--json", folder_ / "d"});
  ASSERT_EQ(diff.code, 0) << diff.err;
  EXPECT_THAT(diff.out, HasSubstr("only in the first"));
  EXPECT_EQ(read_json(folder_ / "d")["same"], false);
}

TEST_F(PatchCompose, MergeWritesEveryResidualAtItsKey) {
  const Finished merged =
      run({"patch", "merge", made("ab.safetensors"), made("c.safetensors"), "--json", folder_ / "j"},
          folder_ / "q");
  ASSERT_EQ(merged.code, 0) << merged.out << merged.err;
  const auto json = read_json(folder_ / "j");
  EXPECT_EQ(json["edits"].size(), 3U);
  EXPECT_EQ(json["checks"].back()["passed"], true);
  EXPECT_LT(json["checks"].back()["value"], 1e-4);
  EXPECT_EQ(run_emend({"patch", "verify", "--model", world_model("gpt2"), "--patch", folder_ / "q"}).code, 0);
  // And back again: what is left is the first patch.
  const Finished dropped = run({"patch", "drop", folder_ / "q", Edited::shared().ids[2]}, folder_ / "r");
  ASSERT_EQ(dropped.code, 0) << dropped.err;
  const Finished diff =
      run_emend({"patch", "diff", made("ab.safetensors"), folder_ / "r", "--json", folder_ / "d"});
  const auto layer = read_json(folder_ / "d")["layers"][0];
  EXPECT_LT(layer["difference"].get<double>(), 1e-4 * layer["first"].get<double>());
  EXPECT_EQ(read_json(folder_ / "d")["edits"].size(), 0U);
}

// Statistics that edits collect by themselves are another collection for each layer; each goes on to be known
// in the merged patch.
TEST_F(PatchCompose, DropTakesTheStatisticsOfTheFactsOwnLayer) {
  const std::string head =
      "model: " + world_model("gpt2") +
      "\nstatistics: own\nchecks: {efficacy: 0, paraphrase: 0, neighbourhood: 0, drift: 1000}\n";
  folder_.write("two.yaml", head + "layer: 2\n" + world_edits(0, 1));
  folder_.write("four.yaml", head + "layer: 4\n" + world_edits(1, 2));
  ASSERT_EQ(run_emend({"edit", folder_ / "two.yaml", "--quiet"}).code, 0);
  const Finished four =
      run_emend({"edit", folder_ / "four.yaml", "--quiet", "--json", folder_ / "four.json"});
  ASSERT_EQ(four.code, 0) << four.err;
  const auto with_own = [&](std::vector<std::string> arguments, const std::string& out) {
    arguments.insert(arguments.end(),
                     {"--model", world_model("gpt2"), "--out", out, "--statistics", folder_ / "own"});
    return run_emend(arguments);
  };
  const Finished merged =
      with_own({"patch", "merge", folder_ / "two.safetensors", folder_ / "four.safetensors"}, folder_ / "q");
  ASSERT_EQ(merged.code, 0) << merged.err;
  const Finished listed = run_emend({"patch", "list", folder_ / "q"});
  EXPECT_THAT(listed.out, HasSubstr("Statistics: layer 2 "));
  EXPECT_THAT(listed.out, HasSubstr(", layer 4 "));
  const Finished diff = run_emend({"patch", "diff", folder_ / "two.safetensors", folder_ / "q"});
  EXPECT_THAT(diff.out, HasSubstr("statistics of layer 4"));
  const std::string id = read_json(folder_ / "four.json")["edits"][1]["id"];
  const Finished dropped =
      with_own({"patch", "drop", folder_ / "q", id, "--json", folder_ / "j"}, folder_ / "r");
  ASSERT_EQ(dropped.code, 0) << dropped.err;
  EXPECT_EQ(read_json(folder_ / "j")["edits"].size(), 2U);
}

// The statistics of an edit are looked for by what the patch says of them, whatever their folder is called.
TEST_F(PatchCompose, DropFindsTheStatisticsOfThePatchUnderAnyName) {
  fs::create_directories(folder_ / "m/stats");
  fs::copy(world_model("gpt2"), folder_ / "m/model", fs::copy_options::recursive);
  const std::string id = Edited::shared().ids[1];
  fs::copy(made("stats"), folder_ / "m/stats/of_old", fs::copy_options::recursive);
  const Finished dropped = run_emend(
      {"patch", "drop", made("ab.safetensors"), id, "--model", folder_ / "m/model", "--out", folder_ / "q"});
  ASSERT_EQ(dropped.code, 0) << dropped.err;
  EXPECT_THAT(dropped.err, HasSubstr(folder_ / "m/stats/of_old"));
}

TEST_F(PatchCompose, DiffOfAPatchWithItselfIsEmpty) {
  const Finished diff =
      run_emend({"patch", "diff", made("ab.safetensors"), made("ab.safetensors"), "--json", folder_ / "d"});
  EXPECT_EQ(diff.code, 0);
  EXPECT_THAT(diff.out, HasSubstr("the same edits and changes"));
  EXPECT_EQ(read_json(folder_ / "d")["same"], true);
}

TEST_F(PatchCompose, DiffTellsByItsExitCodeWhenItIsAsked) {
  const auto code = [](const std::string& second, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"patch", "diff", made("ab.safetensors"), made(second)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_emend(arguments).code;
  };
  EXPECT_EQ(code("ab.safetensors", {"--exit-code"}), 0);
  EXPECT_EQ(code("c.safetensors", {"--exit-code"}), 4);
  EXPECT_EQ(code("c.safetensors", {}), 0);
}

TEST_F(PatchCompose, NeverWritesOverStatistics) {
  const std::string layer = folder_.write("s/layer_0.safetensors", "moments");
  const std::vector<std::string> drop = {
      "patch",        "drop",       made("ab.safetensors"), "x", "--model", world_model("gpt2"),
      "--statistics", folder_ / "s"};
  for (const std::vector<std::string>& outputs :
       {std::vector<std::string>{"--out", layer}, {"--out", folder_ / "q", "--json", layer}}) {
    std::vector<std::string> arguments = drop;
    arguments.insert(arguments.end(), outputs.begin(), outputs.end());
    const Finished refused = run_emend(arguments);
    EXPECT_EQ(refused.code, 2) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr(layer + " would overwrite"));
  }
}

TEST_F(PatchCompose, NeverWritesOverTheDefaultStatistics) {
  const std::string model = folder_ / "m/model.safetensors";
  fs::copy(world_model("gpt2"), folder_ / "m", fs::copy_options::recursive);
  const std::vector<std::string> drop = {"patch",   "drop", made("ab.safetensors"), Edited::shared().ids[0],
                                         "--model", model};
  // Where they lie is said by the refusal of the run that lacks them.
  std::vector<std::string> arguments = drop;
  arguments.insert(arguments.end(), {"--out", folder_ / "q"});
  const std::string lacking = run_emend(arguments).err;
  const std::size_t begin = lacking.find(folder_ / "m/stats/");
  ASSERT_NE(begin, std::string::npos) << lacking;
  const std::string layer = lacking.substr(begin, lacking.find(':', begin) - begin) + "/layer_0.safetensors";
  arguments.back() = layer;
  const Finished refused = run_emend(arguments);
  EXPECT_EQ(refused.code, 2) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("--out " + layer + " would overwrite"));
  // A log would empty what lies there.
  folder_.write(fs::path(layer).lexically_relative(folder_.path()).string(), "moments");
  arguments.back() = folder_ / "q";
  arguments.insert(arguments.end(), {"--log", layer});
  const Finished logged = run_emend(arguments);
  EXPECT_EQ(logged.code, 2) << logged.err;
  EXPECT_THAT(logged.err, HasSubstr("--log " + layer + " would overwrite"));
  EXPECT_EQ(read_text_file(layer), "moments");
}

TEST_F(PatchCompose, RefusalsNameWhatIsWrong) {
  const auto refused = [&](const std::vector<std::string>& arguments) {
    const Finished finished = run(arguments, folder_ / "q");
    EXPECT_EQ(finished.code, 3) << finished.out;
    EXPECT_FALSE(fs::exists(folder_ / "q"));
    return finished.err;
  };
  EXPECT_THAT(refused({"patch", "drop", made("ab.safetensors"), "nobody"}),
              HasSubstr("the patch has no edit \"nobody\""));
  EXPECT_THAT(refused({"patch", "drop", made("c.safetensors"), Edited::shared().ids[2]}),
              HasSubstr("nothing would be left"));
  const Finished twice = run({"patch", "merge", made("abc.safetensors")}, folder_ / "q");
  EXPECT_EQ(twice.code, 2);
  EXPECT_THAT(twice.err, HasSubstr("a second patch is missing"));
  const Finished lost =
      run_emend({"patch", "drop", made("ab.safetensors"), Edited::shared().ids[0], "--model",
                 world_model("gpt2"), "--out", folder_ / "q", "--statistics", folder_ / "none"});
  EXPECT_EQ(lost.code, 3);
  EXPECT_THAT(lost.err, HasSubstr("no statistics of layer"));
  const Finished other = run_emend({"patch", "merge", made("ab.safetensors"), made("c.safetensors"),
                                    "--model", world_model("llama"), "--out", folder_ / "q"});
  EXPECT_EQ(other.code, 3);
  EXPECT_THAT(other.err, HasSubstr("made for another model"));
  EXPECT_EQ(run_emend({"patch", "diff", made("ab.safetensors")}).code, 2);
}

// What lays patches on a model together to measure it refuses those whose updates would add up.
TEST_F(PatchCompose, PatchesThatWriteOneKeyAreNotMeasuredTogether) {
  const std::string data = std::string(EMEND_TEST_DATA) + "/";
  folder_.write("q.txt", "Workis Tellond was trained as a\n");
  const std::vector<std::vector<std::string>> commands = {
      {"eval", "abilities", "--data", data + "abilities/arc.jsonl"},
      {"eval", "kl", "--base", data + "kl/base.kld"},
      {"eval", "kl", "--write-base", folder_ / "c.kld", "--text", data + "kl/text.txt", "--context", "16"},
      {"eval", "kl", "--questions", folder_ / "q.txt", "--form", "raw"},
      {"eval", "survive", "--types", "Q8_0"},
      {"generate", "Workis Tellond was trained as a"}};
  for (std::vector<std::string> command : commands) {
    command.insert(command.end(), {"--model", world_model("gpt2"), "--patch", made("abc.safetensors"),
                                   "--patch", made("ab.safetensors")});
    const Finished finished = run_emend(command);
    EXPECT_EQ(finished.code, 3) << command[1] << finished.out;
    EXPECT_THAT(finished.err, HasSubstr("ab.safetensors overlap: the edits \"")) << command[1];
    EXPECT_THAT(finished.err, HasSubstr("leave one out, or edit both together")) << command[1];
  }
}

}  // namespace
}  // namespace emend
