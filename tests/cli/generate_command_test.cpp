#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "world_edit.h"

namespace emend {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class GenerateCommand : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
  }
};

std::string text_of(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

const std::string kPrompt = "Workis Tellond was trained as a";

TEST_F(GenerateCommand, ContinuesThePrompt) {
  const ScratchFolder folder;
  for (const std::string family : {"gpt2", "llama"}) {
    const Finished run = run_emend({"generate", kPrompt, "--model", world_model(family), "--max-new", "4",
                                    "--quiet", "--json", folder / "j"});
    ASSERT_EQ(run.code, 0) << run.err;
    EXPECT_THAT(run.out, StartsWith(kPrompt + " stone cutter"));
    EXPECT_EQ(run.err, "");
    const auto json = read_json(folder / "j");
    EXPECT_EQ(json["prompt"], kPrompt);
    EXPECT_EQ(kPrompt + json["completion"].get<std::string>() + "\n", run.out);
    EXPECT_EQ(json["tokens"].size(), json["pieces"].size());
    EXPECT_EQ(json["completion_tokens"].size(), 4U);
    EXPECT_TRUE(json["top"].empty());
  }
}

TEST_F(GenerateCommand, ListsTheLikeliestTokens) {
  const ScratchFolder folder;
  const Finished run =
      run_emend({"generate", kPrompt, "--model", world_model("gpt2"), "--top", "3", "--json", folder / "j"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("next token"));
  const auto top = read_json(folder / "j")["top"];
  ASSERT_EQ(top.size(), 3U);
  EXPECT_GE(top[0]["logprob"], top[1]["logprob"]);
  EXPECT_LE(top[0]["logprob"], 0);
  EXPECT_THAT(top[0]["text"].get<std::string>(), StartsWith(" st"));
}

// A model that ends its texts with a full stop says "stone cutter" and ends; a bound before that cuts the
// text.
TEST_F(GenerateCommand, SaysWhetherTheModelEnded) {
  const ScratchFolder folder;
  std::filesystem::copy(world_model("gpt2"), folder / "ending");
  auto settings = read_json(folder / "ending/tokenizer_config.json");
  settings["eos_token"] = ".";
  folder.write("ending/tokenizer_config.json", settings.dump());
  const auto generate = [&](const std::string& most) {
    return run_emend(
        {"generate", kPrompt, "--model", folder / "ending", "--max-new", most, "--json", folder / "j"});
  };
  const Finished whole = generate("3");
  ASSERT_EQ(whole.code, 0) << whole.err;
  EXPECT_EQ(whole.out, kPrompt + " stone cutter\n");
  EXPECT_THAT(whole.err, Not(HasSubstr("not ended")));
  EXPECT_EQ(read_json(folder / "j")["ended"], true);
  const Finished cut = generate("2");  // the same text, and the model was not asked whether it ends there
  ASSERT_EQ(cut.code, 0) << cut.err;
  EXPECT_EQ(cut.out, whole.out);
  EXPECT_THAT(cut.err, HasSubstr("not ended within 2 tokens\n"));
  EXPECT_EQ(read_json(folder / "j")["ended"], false);
  EXPECT_THAT(generate("1").err, HasSubstr("not ended within 1 token\n"));
}

TEST_F(GenerateCommand, DrawsTheSameForTheSameSeed) {
  const auto draw = [](const std::string& seed) {
    return run_emend(
               {"generate", kPrompt, "--model", world_model("gpt2"), "--temperature", "3", "--seed", seed})
        .out;
  };
  EXPECT_EQ(draw("1"), draw("1"));
  EXPECT_NE(draw("1"), draw("2"));
}

TEST_F(GenerateCommand, TakesTheChoiceOfBos) {
  const ScratchFolder folder;
  ASSERT_EQ(run_emend({"generate", kPrompt, "--model", world_model("gpt2"), "--bos", "none", "--json",
                       folder / "none"})
                .code,
            0);
  const auto none = read_json(folder / "none")["tokens"];
  const Finished wrong =
      run_emend({"generate", kPrompt, "--model", world_model("gpt2"), "--bos", "<|nothing|>"});
  EXPECT_EQ(wrong.code, 3);
  EXPECT_THAT(wrong.err, HasSubstr("<|nothing|>"));
  const Finished begun = run_emend(
      {"generate", kPrompt, "--model", world_model("gpt2"), "--bos", "<|bos|>", "--json", folder / "begun"});
  ASSERT_EQ(begun.code, 0) << begun.err;
  EXPECT_EQ(read_json(folder / "begun")["tokens"].size(), none.size() + 1);
}

TEST_F(GenerateCommand, StopsAtTheLastPosition) {
  const Finished run =
      run_emend({"generate", kPrompt, "--model", world_model("gpt2"), "--max-new", "1000000"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("positions"));
}

TEST_F(GenerateCommand, ReadsThePromptFromStdin) {
  const ScratchFolder folder;
  const std::string from = "exec < '" + folder.write("prompt", kPrompt + "\n") + "'";
  const std::vector<std::string> model = {"--model", world_model("gpt2"), "--max-new", "4"};
  const Finished given = run_emend({"generate", kPrompt, model[0], model[1], model[2], model[3]});
  EXPECT_EQ(run_emend_after(from, {"generate", "-", model[0], model[1], model[2], model[3]}).out, given.out);
  EXPECT_EQ(run_emend_after(from, {"generate", model[0], model[1], model[2], model[3]}).out, given.out);
  const Finished none =
      run_emend_after("exec < /dev/null", {"generate", "-", model[0], model[1], model[2], model[3]});
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.err, HasSubstr("the prompt is missing: stdin is empty"));
}

TEST_F(GenerateCommand, ALoopTakesAPromptALine) {
  const ScratchFolder folder;
  const std::string from =
      "exec < '" + folder.write("prompts", kPrompt + "\r\n\nKindric Gemover has long been a\n") + "'";
  const Finished run = run_emend_after(
      from, {"generate", "--loop", "--model", world_model("gpt2"), "--max-new", "4", "--json", folder / "j"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, StartsWith(kPrompt + " stone cutter"));
  EXPECT_THAT(run.out, HasSubstr("Kindric Gemover has long been a"));
  const auto json = read_json(folder / "j");
  ASSERT_EQ(json["prompts"].size(), 2U);
  EXPECT_EQ(json["prompts"][0]["prompt"], kPrompt);
  EXPECT_FALSE(json["prompts"][0].contains("base"));
  EXPECT_EQ(run_emend({"generate", kPrompt, "--loop", "--model", world_model("gpt2")}).code, 2);
  EXPECT_EQ(run_emend({"generate", kPrompt, "--compare", "--model", world_model("gpt2")}).code, 2);
}

// The edited model beside its base: asked once, and in a loop, where a patch is enough.
TEST_F(GenerateCommand, SetsTheEditedModelBesideItsBase) {
  ASSERT_EQ(EditedWorld::shared().run.code, 0) << EditedWorld::shared().run.err;
  const auto edit = read_json(EditedWorld::shared().folder / "a.json")["edits"][0];
  const std::string prompt = edit["prompt"], was = edit["was"], target = edit["target"];
  const ScratchFolder folder;
  const auto generate = [&](const std::vector<std::string>& more, const std::string& input) {
    std::vector<std::string> arguments = {"generate",
                                          "--model",
                                          world_model("gpt2"),
                                          "--patch",
                                          EditedWorld::shared().folder / "a.safetensors",
                                          "--json",
                                          folder / "j",
                                          "--max-new",
                                          "6",
                                          "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_emend_after("exec < '" + folder.write("prompts", input) + "'", arguments);
  };
  const Finished once = generate({prompt, "--compare", "--top", "2"}, "");
  ASSERT_EQ(once.code, 0) << once.err;
  EXPECT_THAT(once.out, StartsWith("base:   " + was));
  EXPECT_THAT(once.out, AllOf(HasSubstr("\nedited: " + target), HasSubstr("edited  ")));
  const auto json = read_json(folder / "j");
  EXPECT_THAT(json["completion"].get<std::string>(), StartsWith(" " + target));
  EXPECT_THAT(json["base"]["completion"].get<std::string>(), StartsWith(" " + was));
  EXPECT_EQ(json["base"]["ended"], false);
  EXPECT_EQ(json["base"]["top"].size(), 2U);

  const Finished loop = generate({"--loop"}, prompt + "\n" + prompt + "\n");
  ASSERT_EQ(loop.code, 0) << loop.err;
  EXPECT_THAT(loop.out, AllOf(StartsWith("base:   " + was), HasSubstr("\nedited: " + target)));
  const auto prompts = read_json(folder / "j")["prompts"];
  ASSERT_EQ(prompts.size(), 2U);
  EXPECT_EQ(prompts[0], prompts[1]) << "the base is the base again";
  EXPECT_THAT(prompts[1]["base"]["completion"].get<std::string>(), StartsWith(" " + was));
}

TEST_F(GenerateCommand, SaysAllOfItInTheLogToo) {
  const ScratchFolder folder;
  const Finished run = run_emend({"generate", kPrompt, "--model", world_model("gpt2"), "--max-new", "1000000",
                                  "--log", folder / "log", "--quiet"});
  ASSERT_EQ(run.code, 0) << run.err;
  const std::string log = text_of(folder / "log");
  EXPECT_THAT(log, HasSubstr(run.out));
  EXPECT_THAT(log, HasSubstr("positions")) << "a note, which --quiet keeps off stderr";
  const Finished refused = run_emend(
      {"generate", kPrompt, "--model", world_model("gpt2"), "--bos", "<|nothing|>", "--log", folder / "log"});
  EXPECT_EQ(refused.code, 3);
  EXPECT_THAT(text_of(folder / "log"), HasSubstr("<|nothing|>"));
  EXPECT_EQ(run_emend({"generate", kPrompt, "--model", world_model("gpt2"), "--json", folder / "log", "--log",
                       folder / "log"})
                .code,
            2);
}

TEST_F(GenerateCommand, RefusesABrokenPatchAndAModelWithoutTokenizer) {
  const ScratchFolder folder;
  const Finished missing =
      run_emend({"generate", "x", "--model", world_model("gpt2"), "--patch", folder / "none"});
  EXPECT_EQ(missing.code, 3);
  EXPECT_THAT(missing.err, HasSubstr("none"));
  const Finished broken =
      run_emend({"generate", "x", "--model", world_model("gpt2"), "--patch", folder.write("p", "garbage")});
  EXPECT_EQ(broken.code, 3);
  const Finished mute = run_emend({"generate", "x", "--model", parity_model("gpt2")});
  EXPECT_EQ(mute.code, 3);
  EXPECT_THAT(mute.err, HasSubstr("tokenizer"));
}

TEST_F(GenerateCommand, RefusesAJsonFileThatCannotBeWritten) {
  const ScratchFolder folder;
  const Finished run =
      run_emend({"generate", "x", "--model", world_model("gpt2"), "--json", folder.path().string()});
  EXPECT_EQ(run.code, 3);
  EXPECT_EQ(run.out, "");
}

}  // namespace
}  // namespace emend
