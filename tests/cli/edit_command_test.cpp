#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "../support/markup_check.h"
#include "base/files.h"
#include "report/numbers.h"
#include "world_edit.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class EditCommand : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
    ASSERT_EQ(world().run.code, 0) << world().run.err;
  }
  static const EditedWorld& world() { return EditedWorld::shared(); }
};

TEST_F(EditCommand, WritesAPatchBesideTheEditFile) {
  EXPECT_TRUE(fs::exists(world().folder / "a.safetensors"));
  EXPECT_TRUE(fs::exists(world().folder / "stats/held_text.safetensors"));
  for (const std::string word :
       {"p(target)", "Neighbours kept", "efficacy", "Try it: emend generate", "Peak memory"})
    EXPECT_THAT(world().run.out, HasSubstr(word));
  EXPECT_THAT(world().run.err, HasSubstr("No statistics of layer"));
}

TEST_F(EditCommand, WritesJunitXml) {
  const std::string xml = read_text_file(world().folder / "a.xml");
  for (const std::string word : {"<testsuite name=\"a.safetensors\"", "check neighbourhood", "\"edit "})
    EXPECT_THAT(xml, HasSubstr(word));
}

TEST_F(EditCommand, WritesAPage) {
  EXPECT_THAT(world().run.out, HasSubstr("Report: " + (world().folder / "pages/a.html")));
  const std::string page = read_text_file(world().folder / "pages/a.html");
  const auto json = read_json(world().folder / "a.json");
  EXPECT_EQ(markup_fault(page), "");
  for (const std::string heading : {"Checks", "Facts", "How it was solved", "How it was made"})
    EXPECT_THAT(page, HasSubstr("<h2>" + heading + "</h2>"));
  for (const auto& edit : json["edits"]) {
    EXPECT_THAT(page, HasSubstr(">" + edit["id"].get<std::string>() + "</th>"));
    EXPECT_THAT(page, HasSubstr(">" + probability_text(edit["after"]["p_target"]) + "</td>"));
  }
  EXPECT_THAT(page, HasSubstr(json["model"]["fingerprint"].get<std::string>()));
}

TEST_F(EditCommand, WritesTheJsonOfTheContract) {
  const auto json = read_json(world().folder / "a.json");
  for (const std::string key : {"emend", "model", "method", "objective", "statistics", "seconds",
                                "peak_memory_bytes", "edits", "checks", "outputs", "passed"})
    EXPECT_TRUE(json.contains(key)) << key;
  for (const std::string key : {"path", "family", "layers", "d_model", "d_ff", "vocab", "fingerprint"})
    EXPECT_TRUE(json["model"].contains(key)) << key;
  for (const std::string key :
       {"source", "tokens", "condition", "relative_ridge", "ridge", "condition_with_ridge"})
    EXPECT_FALSE(json["statistics"].value(key, nlohmann::json()).is_null()) << key;
  EXPECT_EQ(json["statistics"]["relative_ridge"], 1e-5);
  EXPECT_GT(json["statistics"]["ridge"], 0);
  EXPECT_LE(json["statistics"]["condition_with_ridge"], json["statistics"]["condition"]);
  for (const char* key : {"condition", "ridge", "condition_with_ridge"})
    EXPECT_EQ(json["statistics"]["layers"][0][key], json["statistics"][key]) << key;
  EXPECT_EQ(json["device"], "cpu");
  EXPECT_EQ(json["dtype"], "float32");
  EXPECT_EQ(json["seed"], 0);
  EXPECT_EQ(json["token_budget"], 4096);
  for (const std::string key : {"total", "load", "statistics", "search", "solve", "check"})
    EXPECT_TRUE(json["seconds"][key].is_number()) << key;
  ASSERT_EQ(json["edits"].size(), kWorldEdits);
  const auto& edit = json["edits"][0];
  for (const std::string key : {"id", "prompt", "subject", "target", "layer", "steps", "loss", "update_norm",
                                "relative_norm", "status", "before", "after", "paraphrases", "neighbours"})
    EXPECT_TRUE(edit.contains(key)) << key;
  for (const std::string key : {"p_target", "p_was", "argmax_target", "completion"}) {
    EXPECT_TRUE(edit["before"].contains(key)) << key;
    EXPECT_TRUE(edit["after"].contains(key)) << key;
    EXPECT_TRUE(edit["paraphrases"][0]["after"].contains(key)) << key;
  }
  for (const std::string key : {"prompt", "answer", "before", "after"})
    EXPECT_TRUE(edit["neighbours"][0].contains(key)) << key;
  for (const std::string key : {"name", "value", "threshold", "passed", "n"})
    EXPECT_TRUE(json["checks"][0].contains(key)) << key;
  EXPECT_EQ(json["outputs"][0], world().folder / "a.safetensors");
  EXPECT_EQ(edit["status"], "edited");
  EXPECT_GT(edit["after"]["p_target"], edit["before"]["p_target"]);
}

TEST_F(EditCommand, GivesTheSameBytesAgain) {
  const ScratchFolder folder;
  const std::string file = folder.write("a.yaml", lenient_edits("gpt2"));
  const Finished run = run_emend({"edit", file, "--statistics", world().folder / "stats", "--quiet"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.err, Not(HasSubstr("searching")));
  EXPECT_TRUE(read_text_file(folder / "a.safetensors") == read_text_file(world().folder / "a.safetensors"));
  EXPECT_EQ(folder.listing(), "a.reproduce.json a.safetensors a.yaml");
}

TEST_F(EditCommand, PutsRelativeOutputsUnderOut) {
  const ScratchFolder folder;
  const std::string text = "outputs: {patch: sub/named.safetensors}\n" + lenient_edits("gpt2");
  const std::string file = folder.write("in/a.yaml", text);
  const Finished run =
      run_emend({"edit", file, "--out", folder / "out", "--statistics", world().folder / "stats", "--quiet"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(fs::exists(folder / "out/sub/named.safetensors"));
}

TEST_F(EditCommand, HasAnEffectOnGenerate) {
  const auto edit = read_json(world().folder / "a.json")["edits"][0];
  const std::string prompt = edit["prompt"];
  const auto generate = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"generate",  prompt, "--model", world_model("gpt2"),
                                          "--max-new", "6",    "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_emend(arguments).out;
  };
  EXPECT_THAT(generate({}), HasSubstr(prompt + " " + edit["was"].get<std::string>()));
  EXPECT_THAT(generate({"--patch", world().folder / "a.safetensors"}),
              HasSubstr(prompt + " " + edit["target"].get<std::string>()));
}

TEST_F(EditCommand, PlansWithoutWriting) {
  const ScratchFolder folder;
  const std::string file = folder.write("a.yaml", lenient_edits("gpt2"));
  const Finished blind = run_emend({"edit", file, "--dry-run", "--layer", "1"});
  EXPECT_EQ(blind.code, 0) << blind.err;
  EXPECT_THAT(blind.out, HasSubstr("No statistics of layer 1"));
  const Finished seeing = run_emend({"edit", file, "--dry-run", "--statistics", world().folder / "stats"});
  EXPECT_EQ(seeing.code, 0) << seeing.err;
  EXPECT_THAT(seeing.out, HasSubstr("norm per unit"));
  EXPECT_EQ(folder.listing(), "a.yaml");
}

TEST_F(EditCommand, TakesTheLayerByDepthOrByTrialWhateverTheFileNames) {
  const ScratchFolder folder;
  const std::string file = folder.write("a.yaml", "layer: 1\n" + lenient_edits("gpt2"));
  const auto plan = [&](const std::string& layer) {
    const Finished run =
        run_emend({"edit", file, "--dry-run", "--layer", layer, "--json", folder / "p.json"});
    EXPECT_EQ(run.code, 0) << run.err;
    return read_json(folder / "p.json");
  };
  EXPECT_EQ(plan("depth")["plan"][0]["layer"], 2);
  EXPECT_TRUE(plan("0")["layer_trial"].is_null());
  EXPECT_EQ(plan("auto")["layer_trial"]["layers"], nlohmann::json({1, 2, 3}));
}

// What the model says to the edits of the file, before anything is done.
TEST_F(EditCommand, ADryRunSaysWhatTheModelSaysNow) {
  const ScratchFolder folder;
  const std::string front = "model: " + world_model("gpt2") + "\nlayer: 1\nstatistics: none\nedits:\n";
  const std::string file = folder.write(
      "a.yaml",
      front +
          "- {id: wrong, prompt: Workis Tellond was trained as a, subject: Workis Tellond, target: painter, "
          "was: sailor, neighbours: [{prompt: Kindric Gemover has long been a, answer: sailor}]}\n"
          "- {id: true, prompt: Kindric Gemover has long been a, subject: Kindric Gemover, target: stone "
          "cutter}\n");
  const Finished plan = run_emend({"edit", file, "--dry-run", "--json", folder / "j"});
  ASSERT_EQ(plan.code, 0) << plan.err;
  EXPECT_THAT(plan.err,
              HasSubstr("warning: edit wrong: `was` is \"sailor\", but the model says \"stone cutter"));
  EXPECT_THAT(plan.err,
              HasSubstr("warning: edit wrong: 1 of its 1 neighbours has an answer that the model does not "
                        "give; it is \"Kindric Gemover has long been a\", where the model says"));
  EXPECT_THAT(plan.err, Not(HasSubstr("edit true")));
  EXPECT_THAT(plan.out, HasSubstr("the model says"));
  const auto edits = read_json(folder / "j").at("edits");
  ASSERT_EQ(edits.size(), 2U);
  EXPECT_EQ(edits[0]["already_true"], false);
  EXPECT_THAT(edits[0]["before"]["completion"].get<std::string>(), HasSubstr("stone cutter"));
  EXPECT_EQ(edits[1]["already_true"], true);
  EXPECT_THAT(plan.out, HasSubstr("nothing: true already"));
}

TEST_F(EditCommand, APresentAnswerThatTheModelDoesNotGiveIsWarnedOf) {
  const ScratchFolder folder;
  const std::string file = folder.write(
      "a.yaml",
      "model: " + world_model("gpt2") +
          "\nlayer: 1\noptions: {covariance: false, steps: 5}\nchecks: {efficacy: 0, paraphrase: 0, "
          "neighbourhood: 0}\nedits:\n- {id: wrong, prompt: Workis Tellond was trained as a, subject: Workis "
          "Tellond, target: painter, was: sailor}\n");
  const Finished run = run_emend({"edit", file, "--keep-going", "--json", folder / "j"});
  EXPECT_THAT(run.err,
              HasSubstr("warning: edit wrong: `was` is \"sailor\", but the model says \"stone cutter"));
  EXPECT_THAT(read_json(folder / "j").at("warnings").dump(), HasSubstr("but the model says"));
}

TEST_F(EditCommand, LabelsAnUpdateWithoutCovariance) {
  const ScratchFolder folder;
  const std::string file = folder.write("a.yaml", "options: {covariance: false}\n" + lenient_edits("gpt2"));
  const Finished plan = run_emend({"edit", file, "--dry-run", "--json", folder / "j"});
  EXPECT_EQ(plan.code, 0) << plan.err;
  EXPECT_THAT(plan.out, HasSubstr(", C = I."));
  EXPECT_EQ(read_json(folder / "j")["covariance"], false);
  const Finished run = run_emend({"edit", file, "--json", folder / "j"});
  EXPECT_THAT(run.out, HasSubstr(", C = I.")) << run.err;
  EXPECT_EQ(read_json(folder / "j")["covariance"], false);
  EXPECT_THAT(run.err, HasSubstr("drift is not measured: the method uses no statistics (C = I), "));
  EXPECT_EQ(read_json(world().folder / "a.json")["covariance"], true);
  const Finished verified =
      run_emend({"patch", "verify", "--model", world_model("gpt2"), "--patch", folder / "a.safetensors"});
  EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
}

TEST_F(EditCommand, LeavesOutWhatFailsWhenToldToKeepGoing) {
  const ScratchFolder folder;
  const std::string lost =
      "  - {id: lost, prompt: Narilis Vonurn counts and dreams in, subject: Narilis, target: qqq zzz kkk xxx "
      "jjj www vvv}\n";
  const std::string file =
      folder.write("a.yaml", "options: {steps: 6, contexts: 3}\n" + lenient_edits("gpt2") + lost);
  const std::vector<std::string> arguments = {"edit",   file,        "--statistics", world().folder / "stats",
                                              "--json", folder / "j"};
  const Finished stopped = run_emend(arguments);
  EXPECT_EQ(stopped.code, 5) << stopped.err;
  EXPECT_THAT(stopped.err, HasSubstr("did not converge for lost"));
  EXPECT_EQ(folder.listing(), "a.yaml");
  std::vector<std::string> going = arguments;
  going.push_back("--keep-going");
  const Finished run = run_emend(going);
  EXPECT_EQ(run.code, 5) << run.err;
  EXPECT_THAT(run.err, HasSubstr("the search failed for lost; the patch is without them"));
  const auto json = read_json(folder / "j");
  ASSERT_EQ(json["edits"].size(), kWorldEdits + 1);
  for (std::size_t i = 0; i < kWorldEdits; ++i) EXPECT_EQ(json["edits"][i]["status"], "edited");
  EXPECT_EQ(json["edits"][kWorldEdits]["status"], "failed");
  EXPECT_THAT(json["edits"][kWorldEdits]["reason"], HasSubstr("did not converge"));
  EXPECT_EQ(json["passed"], false);
  EXPECT_TRUE(fs::exists(folder / "a.safetensors"));

  const std::string alone = folder.write(
      "b.yaml", "options: {steps: 6, contexts: 3}\nmodel: " + world_model("gpt2") + "\nedits:\n" + lost);
  going[1] = alone;
  const Finished nothing = run_emend(going);
  EXPECT_EQ(nothing.code, 5);
  EXPECT_THAT(nothing.err, HasSubstr("the search failed for lost; no patch was written"));
  EXPECT_THAT(nothing.out, HasSubstr("No patch was written.")) << nothing.err;
  EXPECT_FALSE(fs::exists(folder / "b.safetensors"));
}

// The models of the world never saw a chat: what is tested is the road, from the template to the patch and
// back, without an end of the answer, which they cannot be taught in so few steps.
TEST_F(EditCommand, EditsThroughTheChatTemplate) {
  const ScratchFolder folder;
  const fs::path model = folder.path() / "model";
  fs::copy(world_model("llama"), model);
  fs::permissions(model / "tokenizer_config.json", fs::perms::owner_all);
  auto config = read_json((model / "tokenizer_config.json").string());
  config["chat_template"] =
      "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + "
      "'<|im_end|>' + '\n' "
      "}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
  std::ofstream(model / "tokenizer_config.json") << config;
  const std::string file = folder.write(
      "a.yaml",
      "model: model\nstatistics: stats\nform: chat\nend: none\noptions: {contexts: 2, steps: 20}\n"
      "checks: {efficacy: 0, drift: 1000}\n"
      "edits:\n  - {id: x, prompt: Workis Tellond was trained as a, subject: Workis "
      "Tellond, target: painter, was: stone cutter}\n");
  const Finished run = run_emend({"edit", file, "--json", folder / "j"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("--form chat"));
  const auto edit = read_json(folder / "j")["edits"][0];
  EXPECT_EQ(edit["status"], "edited");
  EXPECT_GT(edit["after"]["p_target"], 5 * edit["before"]["p_target"].get<double>());
  const Finished verified =
      run_emend({"patch", "verify", "--model", model.string(), "--patch", folder / "a.safetensors"});
  EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
}

TEST_F(EditCommand, WritesAndMarksAPatchThatFailsItsChecks) {
  const ScratchFolder folder;
  const std::string file = folder.write("a.yaml", impossible_edits("gpt2"));
  const Finished run =
      run_emend({"edit", file, "--statistics", world().folder / "stats", "--json", folder / "j"});
  EXPECT_EQ(run.code, 4) << run.err;
  EXPECT_THAT(run.out, HasSubstr("FAILED"));
  EXPECT_THAT(run.out, HasSubstr("marked as failed"));
  EXPECT_THAT(run.err, testing::ContainsRegex("[a-z]+ failed: (it is due to|look at) [a-z]+-[0-9]+"));
  EXPECT_EQ(read_json(folder / "j")["passed"], false);
  EXPECT_THAT(run_emend({"patch", "list", folder / "a.safetensors"}).out, HasSubstr("Passed:     NO"));
}

// The gate on what the model says is kept in the patch and measured again.
TEST_F(EditCommand, TheCheckSaidGoesWithThePatch) {
  const ScratchFolder folder;
  std::string edits = lenient_edits("gpt2");
  edits.replace(edits.find("paraphrase: 0,"), 14, "paraphrase: 0, said: 0.25,");
  const Finished run = run_emend({"edit", folder.write("a.yaml", edits), "--statistics",
                                  world().folder / "stats", "--json", folder / "j"});
  const auto checks = read_json(folder / "j").at("checks");
  ASSERT_EQ(checks.size(), 5U) << run.err;
  EXPECT_EQ(checks[2]["name"], "said");
  EXPECT_EQ(checks[2]["threshold"], 0.25);
  EXPECT_EQ(checks[2]["n"], checks[1]["n"]);
  EXPECT_LE(checks[2]["value"], checks[1]["value"]);
  const Finished verified = run_emend({"patch", "verify", "--model", world_model("gpt2"), "--patch",
                                       folder / "a.safetensors", "--json", folder / "v"});
  EXPECT_THAT(verified.out, HasSubstr("said"));
  EXPECT_EQ(verified.code, run.code);
}

TEST_F(EditCommand, AKeyThatMayGetAShareIsNoFaultOfThePatch) {
  const ScratchFolder folder;
  const std::string file = folder.write(
      "a.yaml",
      "protect: neighbours\noptions: {protected_share: 0.01}\nlayer: 2\nmodel: " + world_model("gpt2") +
          "\nchecks: {efficacy: 0, paraphrase: 0, neighbourhood: 0, drift: 1000}\nedits:\n  - {id: x, "
          "prompt: "
          "Workis Tellond was trained as a, subject: Workis Tellond, target: painter, bleed: [Kindric "
          "Gemover, "
          "Dastan Flusto Fustund]}\n");
  const Finished run = run_emend({"edit", file, "--statistics", world().folder / "stats"});
  EXPECT_THAT(run.out, HasSubstr("2 keys of other subjects")) << run.err;
  const Finished verified = run_emend({"patch", "verify", "--model", world_model("gpt2"), "--patch",
                                       folder / "a.safetensors", "--json", folder / "v"});
  EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
  const auto update = read_json(folder / "v").at("patches").at(0).at("checks").back();
  EXPECT_EQ(update.at("name"), "update");
  EXPECT_EQ(update.at("n"), 3) << "the edit's own keys and the sink";
}

TEST_F(EditCommand, DoesNothingWhenAllIsTrueAlready) {
  const ScratchFolder folder;
  const std::string file =
      folder.write("a.yaml", "model: " + world_model("gpt2") +
                                 "\nedits:\n  - {id: x, prompt: Workis Tellond was trained as a, subject: "
                                 "Workis Tellond, target: stone cutter}\n");
  const Finished run = run_emend({"edit", file, "--json", folder / "j"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("already true"));
  const auto json = read_json(folder / "j");
  EXPECT_EQ(json["edits"][0]["status"], "already true");
  EXPECT_TRUE(json["outputs"].empty());
  ASSERT_EQ(json["checks"].size(), 4U);
  for (const auto& check : json["checks"]) EXPECT_TRUE(check["value"].is_null()) << check;
  for (const std::string key : {"source", "tokens", "condition"})
    EXPECT_TRUE(json["statistics"].contains(key) && json["statistics"][key].is_null()) << key;
  EXPECT_EQ(folder.listing(), "a.yaml j");
}

}  // namespace
}  // namespace emend
