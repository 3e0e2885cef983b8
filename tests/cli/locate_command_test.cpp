// `emend locate`, and `layer: auto` of `emend edit` after it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "../support/markup_check.h"
#include "program.h"
#include "scratch_folder.h"

namespace emend {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const std::string kPrompt = "Workis Tellond was trained as a", kSubject = "Workis Tellond";

std::string text_of(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

class LocateCommand : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
  }
  // Facts of the invented world as a file of JSON lines.
  std::string facts(std::size_t count) const {
    std::ifstream in(EMEND_TEST_DATA "/world/edits.jsonl");
    std::string text, line;
    for (std::size_t i = 0; i < count && std::getline(in, line); ++i) text += line + "\n";
    return folder_.write("facts.jsonl", text);
  }
  static std::vector<std::string> with(std::vector<std::string> arguments,
                                       const std::vector<std::string>& more) {
    arguments.insert(arguments.begin(), {"locate", "--model", world_model("gpt2"), "--samples", "2"});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  const ScratchFolder folder_;
};

TEST_F(LocateCommand, TracesOnePrompt) {
  const Finished run = run_emend(with({"--prompt", kPrompt, "--subject", kSubject},
                                      {"--json", folder_ / "j", "--report", folder_ / "deep/r.html", "--svg",
                                       folder_ / "svg", "--estimates"}));
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("Residual stream"), HasSubstr("MLP outputs"),
                             HasSubstr("decided by depth"), HasSubstr("Layers count from 0")));
  EXPECT_THAT(run.out, Not(HasSubstr("\x1b")));  // no terminal, no colours
  const auto json = read_json(folder_ / "j");
  const auto& fact = json.at("facts")[0];
  const std::size_t tokens = fact.at("tokens").size();
  for (const char* const grid : {"block", "mlp", "attn"}) {
    ASSERT_EQ(fact.at(grid).size(), tokens);
    EXPECT_EQ(fact.at(grid)[0].size(), 9u);
  }
  EXPECT_EQ(fact.at("tokens")[0], "<|bos|>");
  EXPECT_LT(fact.at("low").get<double>(), fact.at("high").get<double>());
  EXPECT_EQ(json.at("ranking").size(), 9u);
  EXPECT_EQ(json.at("layer"), 2);
  EXPECT_TRUE(fact.at("estimates").contains("mlp"));
  const std::string page = text_of(folder_ / "deep/r.html");
  EXPECT_EQ(markup_fault(page), "");
  EXPECT_THAT(page, AllOf(HasSubstr("<svg"), HasSubstr(kPrompt), HasSubstr("prefers-color-scheme"),
                          Not(HasSubstr("href=")), Not(HasSubstr("src=")), Not(HasSubstr("url("))));
  EXPECT_EQ(markup_fault(text_of(folder_ / "svg/fact-0-mlp.svg")), "");
  EXPECT_TRUE(std::filesystem::exists(folder_ / "svg/ranking.svg"));
}

TEST_F(LocateCommand, ColoursTheMapsButNotTheLog) {
  const auto trace = [&](const std::string& when) {
    return run_emend(with({"--prompt", kPrompt, "--subject", kSubject},
                          {"--no-severed", "--no-knockout", "--color", when, "--log", folder_ / when}));
  };
  const Finished coloured = trace("always"), plain = trace("never");
  ASSERT_EQ(coloured.code, 0) << coloured.err;
  EXPECT_THAT(coloured.out, HasSubstr("\x1b[48;5;"));
  EXPECT_THAT(plain.out, Not(HasSubstr("\x1b")));
  for (const std::string when : {"always", "never"})
    EXPECT_THAT(text_of(folder_ / when), AllOf(HasSubstr("Residual stream"), Not(HasSubstr("\x1b"))));
  EXPECT_THAT(text_of(folder_ / "never"), HasSubstr(plain.out));
}

TEST_F(LocateCommand, AFactsFileGivesAveragesAndADecisionThatEditAndEvalUse) {
  const std::string file = facts(11), stats = folder_ / "stats";
  const std::vector<std::string> common = {"--facts", file,           "--statistics",
                                           stats,     "--no-severed", "--no-knockout"};
  const Finished traced = run_emend(with(common, {"--out", folder_ / "out", "--json", folder_ / "j"}));
  ASSERT_EQ(traced.code, 0) << traced.err;
  const auto json = read_json(folder_ / "j");
  EXPECT_EQ(json.at("average").at("facts"), 11);
  EXPECT_EQ(json.at("evidence"), "depth");
  EXPECT_TRUE(std::filesystem::exists(folder_ / "out/facts/000003.json"));
  EXPECT_FALSE(std::filesystem::exists(stats)) << "nothing is kept without being asked for";
  EXPECT_THAT(traced.out, HasSubstr("--keep-decision"));

  EXPECT_EQ(run_emend(with(common, {"--out", folder_ / "out"})).code, 3);
  const Finished tried =
      run_emend(with(common, {"--out", folder_ / "out", "--resume", "--trial", "10", "--trial-layers", "1,5",
                              "--keep-decision", "--json", folder_ / "k"}));
  ASSERT_EQ(tried.code, 0) << tried.err;
  EXPECT_THAT(tried.out, HasSubstr("decided by edits"));
  const auto decided = read_json(folder_ / "k");
  EXPECT_EQ(decided.at("evidence"), "trial");
  EXPECT_EQ(decided.at("trial").size(), 2u);
  EXPECT_EQ(decided.at("layer"), decided.at("trial")[0].at("layer"));
  EXPECT_EQ(decided.at("facts"), json.at("facts"));

  const std::string edit = folder_.write("edit.yaml", world_edits(6, 1));
  const Finished dry = run_emend({"edit", edit, "--model", world_model("gpt2"), "--statistics", stats,
                                  "--dry-run", "--json", folder_ / "plan"});
  ASSERT_EQ(dry.code, 0) << dry.err;
  EXPECT_THAT(dry.err, HasSubstr("decided by edits"));
  const Finished plain = run_emend(with(common, {"--keep-decision"}));
  EXPECT_THAT(plain.err, HasSubstr("it stays"));
  const Finished fresh = run_emend(
      {"edit", edit, "--model", world_model("gpt2"), "--statistics", folder_ / "none", "--dry-run"});
  ASSERT_EQ(fresh.code, 0) << fresh.err;
  EXPECT_THAT(fresh.err, AllOf(HasSubstr("without a kept decision"), HasSubstr("decided by depth"),
                               HasSubstr("The trace of 1 fact")));

  // Layer 5 or 1, but not the depth's 2: a benchmark takes the decision as well.
  const std::string quick =
      folder_.write("quick.yaml", "method: rome\noptions: {covariance: false, steps: 2, contexts: 0}\n");
  const Finished benchmark =
      run_emend({"eval", "--dataset", "emend", "--data", file, "--model", world_model("gpt2"), "--records",
                 "0:1", "--options", quick, "--statistics", stats, "--out", folder_ / "eval"});
  ASSERT_EQ(benchmark.code, 0) << benchmark.err;
  EXPECT_EQ(read_json(folder_ / "eval/summary.json").at("options").at("layer"),
            std::to_string(decided.at("layer").get<int>()));
  EXPECT_THAT(benchmark.out + benchmark.err, HasSubstr("layer_decision.json"));
}

TEST_F(LocateCommand, ATrialOfOtherOrNoFactsIsRefused) {
  const std::string file = facts(4), stats = folder_ / "stats", out = folder_ / "out";
  const std::vector<std::string> common = {
      "--facts", file, "--statistics", stats, "--no-severed",   "--no-knockout",
      "--out",   out,  "--trial",      "1",   "--trial-layers", "1"};
  const Finished few = run_emend(with(common, {"--trial-data", file}));
  ASSERT_EQ(few.code, 0) << few.err;
  EXPECT_THAT(few.out, AllOf(HasSubstr("Fewer than 10 facts tell layers apart by luck."),
                             Not(HasSubstr("--keep-decision"))));
  const Finished asked = run_emend(with(common, {"--trial-data", file, "--keep-decision", "--resume"}));
  EXPECT_EQ(asked.code, 2);
  EXPECT_THAT(asked.err, HasSubstr("--keep-decision wants a trial over at least 10 facts, found --trial 1"));

  const std::string wrong = folder_.write(
      "wrong.jsonl",
      R"({"id": "a", "prompt": "Workis Tellond was trained as a", "subject": "Workis Tellond", "target": "painter", "was": "sailor"})");
  const Finished other = run_emend(with(common, {"--trial-data", wrong, "--resume"}));
  EXPECT_EQ(other.code, 3);
  EXPECT_THAT(other.err, HasSubstr("data"));
  std::vector<std::string> fresh = common;
  *std::find(fresh.begin(), fresh.end(), out) = folder_ / "out2";
  const Finished none = run_emend(with(fresh, {"--trial-data", wrong}));
  EXPECT_EQ(none.code, 3);
  EXPECT_THAT(none.err, HasSubstr("a trial over no facts decides nothing"));
  EXPECT_FALSE(std::filesystem::exists(stats + "/layer_decision.json"));

  // Before any tracing: an editor that there is not, and a check for which no facts are left.
  const Finished editor =
      run_emend(with({"--facts", file, "--statistics", stats, "--out", folder_ / "out3", "--trial", "1"},
                     {"--method", "nonsense"}));
  EXPECT_EQ(editor.code, 2);
  EXPECT_THAT(editor.err, HasSubstr("--method: there is no method \"nonsense\""));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out3/facts/000000.json"));
  const Finished check = run_emend(with(common, {"--trial-data", file, "--check", "1", "--resume"}));
  EXPECT_EQ(check.code, 0) << check.err;
}

TEST_F(LocateCommand, ADecisionThatCannotBeUsedIsReplaced) {
  const std::string stats = folder_ / "stats";
  std::filesystem::create_directories(stats);
  std::ofstream(stats + "/layer_decision.json") << "{}";
  const Finished run = run_emend(
      with({"--facts", facts(2), "--statistics", stats, "--no-severed", "--no-knockout", "--keep-decision"},
           {"--report", folder_ / "r.html"}));
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("it will be replaced"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "r.html"));
  EXPECT_EQ(read_json(stats + "/layer_decision.json").at("evidence"), "depth");
}

TEST_F(LocateCommand, ResumingWithOtherAnswersIsRefused) {
  const std::string file = facts(2);
  const std::vector<std::string> common = {"--facts",         file,           "--statistics",
                                           folder_ / "stats", "--no-severed", "--no-knockout",
                                           "--out",           folder_ / "out"};
  ASSERT_EQ(run_emend(with(common, {})).code, 0);
  std::ifstream in(file);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  const std::size_t was = text.find("\"was\": \"");
  ASSERT_NE(was, std::string::npos);
  text = text.substr(0, was + 8) + "other " + text.substr(was + 8);
  std::ofstream(file) << text;
  const Finished again = run_emend(with(common, {"--resume"}));
  EXPECT_EQ(again.code, 3);
  EXPECT_THAT(again.err, HasSubstr("another \"facts\""));
}

TEST_F(LocateCommand, PartsOfARunMakeTheWhole) {
  const std::string file = facts(3);
  const std::vector<std::string> common = {"--facts",         file,           "--statistics",
                                           folder_ / "stats", "--out",        folder_ / "out",
                                           "--no-severed",    "--no-knockout"};
  const Finished first = run_emend(with(common, {"--shard", "0/2", "--json", folder_ / "none"}));
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_THAT(first.err, HasSubstr("facts of other parts are not there yet"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "none"));
  ASSERT_EQ(run_emend(with(common, {"--shard", "1/2", "--json", folder_ / "j"})).code, 0);
  EXPECT_EQ(read_json(folder_ / "j").at("facts").size(), 3u);
}

TEST_F(LocateCommand, RefusesBadInputAndWritesNothing) {
  const std::string good = facts(1);
  const std::string broken =
      folder_.write("broken.jsonl",
                    "{\"prompt\": \"a b\", \"subject\": \"a\"}\n{\"prompt\": \"a b\", \"subject\": \"x\"}\n");
  const std::string one = folder_.write("one.json", R"([{"prompt": "of", "subject": "of"}])");
  const std::string before = folder_.listing();
  const std::vector<std::string> prompt = {"--prompt", kPrompt, "--subject", kSubject};
  const auto expect = [&](std::vector<std::string> arguments, int code, const std::string& text) {
    const Finished run = run_emend(with(std::move(arguments), {}));
    EXPECT_EQ(run.code, code) << run.err;
    EXPECT_THAT(run.err, HasSubstr(text));
    EXPECT_EQ(folder_.listing(), before);
  };
  const auto plus = [&](std::vector<std::string> more) {
    more.insert(more.begin(), prompt.begin(), prompt.end());
    return more;
  };
  expect({"--prompt", kPrompt, "--subject", "Nobody"}, 3, "the subject \"Nobody\" is not in the prompt");
  expect({"--facts", broken}, 3, "broken.jsonl: record 1: the subject \"x\" is not in the prompt");
  expect({"--facts", one}, 3, "is one token");
  expect({"--facts", folder_ / "missing"}, 3, "missing");
  expect(plus({"--window", "10"}), 3, "a window of 10 layers does not fit the model, which has 9");
  expect(plus({"--window", "0"}), 2, "--window");
  expect(plus({"--knockout-window", "0"}), 2, "--knockout-window");
  expect(plus({"--fast", "0"}), 2, "above 0");
  expect(plus({"--method", "rome"}), 2, "--method goes with --trial");
  expect({"--facts", good, "--trial", "1", "--trial-layers", "99"}, 3, "--trial-layers");
  expect(plus({"--noise", "s0"}), 2, "levels are above 0");
  expect(plus({"--noise", "-1"}), 2, "levels are above 0");
  expect(plus({"--report", folder_ / "facts.jsonl/r.html"}), 3, "facts.jsonl");
  expect(plus({"--svg", good}), 3, "facts.jsonl");
  for (const std::string option : {"--report", "--json"})
    expect(plus({"--statistics", folder_ / "s", option, folder_ / "s/layer_0.safetensors"}), 2,
           option + " " + (folder_ / "s/layer_0.safetensors") + " would overwrite");
  expect(plus({"--facts", good}), 2, "either --prompt P and --subject S, or --facts FILE");
  expect({"--prompt", kPrompt}, 2, "--subject S");
  expect({}, 2, "either --prompt");
  expect(plus({"--shard", "2/2"}), 2, "--shard must be i/N");
  expect(plus({"--fast", "0.5", "--samples", "0"}), 2, "samples");
  expect(plus({"--trial", "3"}), 2, "--facts only");
  expect({"--facts", one, "--trial", "3"}, 2, "names no targets");
  expect(plus({"--reference-noise", "--noise", "t5"}), 3, "normal and uniform");
}

}  // namespace
}  // namespace emend
