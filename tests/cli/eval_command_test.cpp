// emend eval from the command line, on the invented world and C = I (no statistics to collect).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.h"
#include "program.h"
#include "scratch_folder.h"
#include "world_edit.h"

namespace emend {
namespace {

using testing::HasSubstr;

std::string data() {
  return std::string(EMEND_TEST_DATA) + "/world/edits.jsonl";
}

// Few steps and no statistics: quick, not good.
constexpr const char* kQuick =
    "label: quick\nmethod: rome\noptions: {covariance: false, steps: 4, contexts: 0}\n";
constexpr const char* kSlower =
    "label: slower\nmethod: rome\noptions: {covariance: false, steps: 6, contexts: 0}\n";

std::vector<std::string> command(const ScratchFolder& folder, const std::string& out,
                                 std::vector<std::string> more,
                                 const std::string& model = world_model("gpt2")) {
  std::vector<std::string> arguments = {"eval",           "--dataset", "emend", "--data",     data(),
                                        "--model",        model,       "--out", folder / out, "--statistics",
                                        folder / "stats", "--quiet"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST(Eval, SaysWhichOptionLeftAMeasureOut) {
  if (!has_world_models()) GTEST_SKIP();
  const ScratchFolder folder;
  const Finished run = run_emend(command(folder, "out",
                                         {"--records", "1:2", "--options", folder.write("quick.yaml", kQuick),
                                          "--generations", "0", "--drift-tokens", "0"}));
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("Consistency was not measured: the option generations is 0."));
  EXPECT_THAT(run.out, HasSubstr("Drift was not measured: the option drift-tokens is 0."));
}

TEST(Eval, AsksNoModelToEndThatCannot) {
  if (!has_world_models()) GTEST_SKIP();
  const ScratchFolder folder;
  const Finished run = run_emend(command(
      folder, "out", {"--records", "1:2", "--options", folder.write("quick.yaml", kQuick), "--natural", "8"},
      model_without_end(folder)));
  EXPECT_EQ(run.code, 3) << run.err;
  EXPECT_THAT(run.err, HasSubstr("its tokenizer has no token that ends a text"));
}

TEST(Eval, WritesResultsOfSeveralMethodsAndComparesThem) {
  if (!has_world_models()) GTEST_SKIP();
  const ScratchFolder folder;
  const std::string quick = folder.write("quick.yaml", kQuick), slower = folder.write("slower.yaml", kSlower);
  const Finished run = run_emend(
      command(folder, "out",
              {"--records", "1:4", "--options", quick, "--options", slower, "--json", folder / "r.json"}));
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("quick"));
  EXPECT_THAT(run.out, HasSubstr("slower"));
  const auto json = read_json(folder / "r.json");
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0]["label"], "quick");
  EXPECT_EQ(json[0]["records"], 3);
  EXPECT_EQ(json[0]["options"]["steps"], "4");
  EXPECT_EQ(json[0]["metrics"]["efficacy_success"]["n"], 3);
  EXPECT_EQ(json[0]["base"]["neighbourhood_success"]["n"], 3);
  // Where the time went, and how fast that is.
  EXPECT_THAT(
      run.out,
      testing::ContainsRegex(
          "quick: 3 records, [0-9.]+ a minute: search [^,]+, solve [^,]+, evaluation [^,]+; besides load"));
  EXPECT_THAT(run.out, testing::ContainsRegex("slower: 3 records, "));
  const auto& seconds = json[0]["seconds"];
  const double spent =
      seconds["search"].get<double>() + seconds["solve"].get<double>() + seconds["evaluation"].get<double>();
  EXPECT_NEAR(json[0]["records_per_minute"].get<double>(), 60 * 3 / spent, 1e-6);
  EXPECT_THAT(run.out, HasSubstr("Consistency was not measured: the records have no prompts to write from."));
  for (const char* name :
       {"quick/summary.json", "quick/records.jsonl", "slower/summary.json", "report.html", "report.md"})
    EXPECT_TRUE(std::filesystem::exists(folder / (std::string("out/") + name))) << name;
  const Finished compared = run_emend({"eval", "compare", folder / "out/quick", folder / "out/slower"});
  EXPECT_EQ(compared.code, 0) << compared.err;
  EXPECT_THAT(compared.out, HasSubstr("efficacy_success"));

  // The same folder again, without and with --resume, and with another setting.
  const std::vector<std::string> same = {"--records", "1:4", "--options", quick, "--options", slower};
  const Finished again = run_emend(command(folder, "out", same));
  EXPECT_EQ(again.code, 3);
  EXPECT_THAT(again.err, HasSubstr("take it up with --resume"));
  std::vector<std::string> resumed = same;
  resumed.push_back("--resume");
  EXPECT_EQ(run_emend(command(folder, "out", resumed)).code, 0);
  resumed.push_back("--plus");
  const Finished other = run_emend(command(folder, "out", resumed));
  EXPECT_EQ(other.code, 3);
  EXPECT_THAT(other.err, HasSubstr("options.plus: \"false\" there, \"true\" now"));
}

// The work says which files there are; the log begins before, and is written when they are known.
TEST(Eval, ALogNeverEmptiesResults) {
  if (!has_world_models()) GTEST_SKIP();
  const ScratchFolder folder;
  const std::vector<std::string> same = {
      "--records",     "1:2", "--options",      folder.write("quick.yaml", kQuick),
      "--generations", "0",   "--drift-tokens", "0"};
  const auto run_with_log = [&](const std::string& log) {
    std::vector<std::string> more = same;
    more.insert(more.end(), {"--resume", "--log", log});
    return run_emend(command(folder, "out", more));
  };
  ASSERT_EQ(run_emend(command(folder, "out", same)).code, 0);
  const std::string records = folder / "out/records.jsonl", before = read_text_file(records);
  const Finished refused = run_with_log(records);
  EXPECT_EQ(refused.code, 2) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("--log " + records + " would overwrite"));
  EXPECT_EQ(read_text_file(records), before);
  const Finished again = run_with_log(folder / "log");
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(read_text_file(folder / "log"), HasSubstr(again.out));
}

TEST(Eval, RefusesBeforeAnyWork) {
  if (!has_world_models()) GTEST_SKIP();
  const ScratchFolder folder;
  struct Refusal {
    std::vector<std::string> more;
    int code;
    std::string message;
  };
  const std::vector<Refusal> refusals = {
      {{"--records", "4:2"}, 2, "--records must be A:B"},
      {{"--records", "400:"}, 2, "the file has 400 usable records"},
      {{"--method", "mend"}, 2, "--method: there is no method \"mend\""},
      {{"--options", folder.write("mend.yaml", "method: mend\n")},
       3,
       "mend.yaml:1:9: method: there is no method \"mend\""},
      {{"--options", folder / "none.yaml"}, 3, "none.yaml"},
      {{"--options", folder.write("bad.yaml", "method: rome\noptions: {stepz: 3}\n")},
       3,
       "did you mean \"steps\"?"},
      {{"--options", folder.write("key.yaml", "methods: rome\n")}, 3, "did you mean \"method\"?"},
      {{"--options", folder.write("placed.yaml", "method: rome\nlayer: 2\nstatistics: s\n"), "--layer", "1"},
       2,
       "--layer changes nothing: every --options FILE names its own"},
      {{"--options", folder / "placed.yaml"},
       2,
       "--statistics changes nothing: every --options FILE names its own"},
      {{"--layer", "9"}, 3, "--layer"},
      {{"--layer", "4294967298"}, 3, "--layer"},
      {{"--form", "chatty"}, 2, "--form"},
      {{"--snippets", folder / "none.json"}, 3, "none.json"},
      {{"--mode", "sequential:2", "--shard", "0/2"}, 2, "--shard does not go with sequential mode"},
      {{"--idf", folder / "idf"}, 2, "--snippets FILE"},
      {{"--snippets",
        folder.write("s.json", R"([{"relation_id": "P", "target_id": "Q", "samples": [{"text": "some"}]}])"),
        "--idf", folder / "idf"},
       3,
       "idf.npy"},
      {{"--json", data()}, 2, "--json " + data() + " would overwrite"},
      {{"--json", folder / "out/summary.json"}, 2, "would overwrite"},
      {{"--json", folder / "out/records.jsonl"}, 2, "would overwrite"},
      {{"--shard", "1/2", "--json", folder / "out/shard-0-of-2/records.jsonl"}, 2, "would overwrite"},
      {{"--mode", "sequential:1", "--json", folder / "out/curve/edits_000001.jsonl"}, 2, "would overwrite"},
      {{"--mode", "sequential:1", "--json", folder / "out/steps/any"}, 2, "would overwrite"},
      {{"--options", folder.write("own.yaml", kQuick), "--json", folder / "own.yaml"}, 2, "would overwrite"},
      {{"--options", folder.write("a.yaml", kQuick), "--options", folder.write("b.yaml", kSlower), "--json",
        folder / "out/slower/summary.json"},
       2,
       "would overwrite"},
  };
  for (const Refusal& refusal : refusals) {
    const Finished run = run_emend(command(folder, "out", refusal.more));
    EXPECT_EQ(run.code, refusal.code) << refusal.message << run.err;
    EXPECT_THAT(run.err, HasSubstr(refusal.message));
    EXPECT_FALSE(std::filesystem::exists(folder / "out")) << refusal.message;
    EXPECT_FALSE(std::filesystem::exists(folder / "stats")) << refusal.message;
  }
}

TEST(Eval, NamesTheRecordAndTheFieldOfBrokenData) {
  if (!has_world_models()) GTEST_SKIP();
  const ScratchFolder folder;
  const std::string broken =
      folder.write("d.jsonl", "{\"id\": \"a\", \"prompt\": \"X is\", \"subject\": \"X\", \"target\": 3}\n");
  const Finished run = run_emend({"eval", "--dataset", "emend", "--data", broken, "--model",
                                  world_model("gpt2"), "--out", folder / "o"});
  EXPECT_EQ(run.code, 3);
  EXPECT_THAT(run.err, HasSubstr("record 0"));
  EXPECT_THAT(run.err, HasSubstr("target"));
}

TEST(Eval, PartsJoinAndEmptyPartsDoNotStopThem) {
  if (!has_world_models()) GTEST_SKIP();
  const ScratchFolder folder;
  const std::string quick = folder.write("quick.yaml", kQuick);
  const Finished first =
      run_emend(command(folder, "out", {"--records", "0:2", "--options", quick, "--shard", "0/2"}));
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_FALSE(std::filesystem::exists(folder / "out/summary.json"));
  std::vector<std::string> told =
      command(folder, "out", {"--records", "0:2", "--options", quick, "--shard", "1/2"});
  std::erase(told, "--quiet");
  const Finished second = run_emend(told);
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_THAT(second.err, HasSubstr("fewer than the 2 parts: some parts have nothing to do"));
  EXPECT_EQ(read_json(folder / "out/summary.json")["records"], 2);
}

// Records of the data that cannot be used are shown, and neighbours that the batch itself edits are not
// asked.
TEST(Eval, SaysWhatWasLeftOut) {
  if (!has_world_models()) GTEST_SKIP();
  const ScratchFolder folder;
  const std::string in = folder.write(
      "d.jsonl",
      R"({"id": "a", "relation": "trade", "prompt": "Workis Tellond was trained as a", "subject": "Workis Tellond", "target": "painter", "was": "stone cutter", "neighbours": [{"prompt": "Silmwen Vagindond works as a", "answer": "tailor"}, {"prompt": "Gellis Kevond was trained as a", "answer": "stone cutter"}]})"
      "\n"
      R"({"id": "b", "relation": "trade", "prompt": "Silmwen Vagindond was trained as a", "subject": "Silmwen Vagindond", "target": "painter", "was": "tailor"})"
      "\n"
      R"({"id": "c", "relation": "trade", "prompt": "Gellis Kevond was trained as a", "subject": "Gellis Kevond", "target": " ", "was": "tailor"})"
      "\n");
  const std::vector<std::string> arguments = {"eval",
                                              "--dataset",
                                              "emend",
                                              "--data",
                                              in,
                                              "--model",
                                              world_model("gpt2"),
                                              "--quiet",
                                              "--mode",
                                              "batch:2",
                                              "--options",
                                              folder.write("quick.yaml", kQuick)};
  const auto run_into = [&](const std::string& out, const std::vector<std::string>& more) {
    std::vector<std::string> all = arguments;
    all.insert(all.end(), {"--out", folder / out});
    all.insert(all.end(), more.begin(), more.end());
    return run_emend(all);
  };
  const Finished run = run_into("o", {});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("Left out of the data, for example:\n  record 2: the target is empty"));
  EXPECT_THAT(run.out, HasSubstr("Neighbours that are themselves edited: 1 left out."));
  const auto neighbours = [&](const std::string& out) {
    return read_json(folder / (out + "/summary.json"))["metrics"]["neighbourhood_magnitude"];
  };
  const Finished kept = run_into("k", {"--edited-neighbours"});
  ASSERT_EQ(kept.code, 0) << kept.err;
  EXPECT_THAT(kept.out, testing::Not(HasSubstr("Neighbours that are themselves edited")));
  EXPECT_NE(neighbours("o")["mean"], neighbours("k")["mean"]);
}

// What the model cannot be asked is left out and counted; what an editor refuses is that record's result.
TEST(Eval, LongPromptsAreLeftOut) {
  if (!has_world_models()) GTEST_SKIP();
  const ScratchFolder folder;
  std::string longer;
  for (int i = 0; i < 200; ++i) longer += "word ";
  const std::string in = folder.write(
      "d.jsonl",
      R"({"id": "a", "prompt": "Workis Tellond was trained as a", "subject": "Workis Tellond", "target": "painter", "was": "stone cutter", "paraphrases": [")" +
          longer + R"("]})" + "\n" + R"({"id": "b", "prompt": ")" + longer +
          R"(Workis is a", "subject": "Workis", "target": "painter", "was": "cook"})" + "\n");
  const Finished run =
      run_emend({"eval", "--dataset", "emend", "--data", in, "--model", world_model("gpt2"), "--out",
                 folder / "o", "--options", folder.write("quick.yaml", kQuick), "--quiet"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto json = read_json(folder / "o/summary.json");
  EXPECT_EQ(json["records"], 1);
  EXPECT_EQ(json["skipped"]["longer than the model's positions"], 1);
  EXPECT_THAT(json["notes"].dump(), HasSubstr("1 questions are longer than the model's positions"));
}

}  // namespace
}  // namespace emend
