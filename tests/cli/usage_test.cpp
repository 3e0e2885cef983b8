// The command line itself: help, version, and what is refused before any file is opened.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "program.h"

namespace emend {
namespace {

using testing::HasSubstr;

TEST(Usage, AnswersHelpOnStdout) {
  for (const std::string word : {"--help", "-h", "help"}) {
    const Finished run = run_emend({word});
    EXPECT_EQ(run.code, 0);
    EXPECT_THAT(run.out, HasSubstr("generate"));
    EXPECT_EQ(run.err, "");
  }
}

TEST(Usage, AnswersHelpOfEachCommand) {
  const std::vector<std::vector<std::string>> commands = {
      {"edit"},          {"generate"},        {"stats"}, {"stats", "show"}, {"patch"},
      {"patch", "list"}, {"patch", "verify"}, {"model"}, {"model", "info"}, {"model", "check"}};
  for (auto arguments : commands) {
    std::string name = "emend";
    for (const std::string& word : arguments) name += " " + word;
    arguments.emplace_back("--help");
    const Finished run = run_emend(arguments);
    EXPECT_EQ(run.code, 0) << name;
    EXPECT_THAT(run.out, HasSubstr("Usage: " + name));
  }
}

TEST(Usage, HelpOfACommandIsThatOfItsOption) {
  const std::vector<std::vector<std::string>> commands = {
      {"edit"},  {"stats"},          {"stats", "show"},   {"eval", "compare"},
      {"patch"}, {"patch", "apply"}, {"memories", "cell"}};
  for (const auto& command : commands) {
    std::vector<std::string> help = {"help"}, option = command;
    help.insert(help.end(), command.begin(), command.end());
    option.emplace_back("--help");
    const Finished told = run_emend(help);
    EXPECT_EQ(told.code, 0) << told.err;
    EXPECT_THAT(told.out, HasSubstr("Usage: emend " + command[0]));
    EXPECT_EQ(told.out, run_emend(option).out);
  }
  EXPECT_EQ(run_emend({"patch", "help", "apply"}).out, run_emend({"patch", "apply", "--help"}).out);
  const Finished unknown = run_emend({"help", "edti"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("did you mean \"edit\"?"));
}

TEST(Usage, HelpOfWhatIsNoCommandIsRefused) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"edit", "nothing"},
                                                {"model", "check", "me"},
                                                {"patch", "apply", "it", "now"}}) {
    std::vector<std::string> help = {"help"};
    help.insert(help.end(), words.begin(), words.end());
    const Finished run = run_emend(help);
    EXPECT_EQ(run.code, 2) << run.out;
    EXPECT_EQ(run.out, "");
    EXPECT_THAT(run.err, HasSubstr("there is no command \"" + words[0] + " "));
  }
}

TEST(Usage, WithoutACommandItSaysWhatToDoFirst) {
  const Finished run = run_emend({});
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(run.out, "");
  for (const char* step : {"emend model check", "emend edit FILE.yaml", "emend patch apply", "emend help"})
    EXPECT_THAT(run.err, HasSubstr(step));
  EXPECT_LE(std::count(run.err.begin(), run.err.end(), '\n'), 13);
}

TEST(Usage, TellsItsVersion) {
  EXPECT_THAT(run_emend({"--version"}).out, testing::MatchesRegex("emend [0-9.]+\n"));
  EXPECT_EQ(run_emend({"version"}).out, run_emend({"--version"}).out);
  EXPECT_THAT(run_emend({"edit", "--version"}).out, testing::MatchesRegex("emend [0-9.]+\n"));
}

TEST(Usage, ListsMethodsAndTheirOptions) {
  EXPECT_THAT(run_emend({"edit", "--methods"}).out, HasSubstr("rome"));
  EXPECT_THAT(run_emend({"edit", "--help-method", "rome"}).out, HasSubstr("objective"));
  // It changes no weights: emend eval takes it, and no edit file.
  EXPECT_THAT(run_emend({"edit", "--help-method", "in-context"}).out, HasSubstr("in-context"));
  EXPECT_THAT(run_emend({"edit", "--methods"}).out, testing::Not(HasSubstr("in-context")));
  const Finished run = run_emend({"edit", "--help-method", "rone"});
  EXPECT_EQ(run.code, 2);
  EXPECT_THAT(run.err, HasSubstr("did you mean \"rome\"?"));
}

struct Refusal {
  std::vector<std::string> arguments;
  std::string message;
};

TEST(Usage, RefusesWhatItDoesNotKnow) {
  const std::vector<Refusal> refusals = {
      {{}, "no command was given"},
      {{"edti"}, "did you mean \"edit\"?"},
      {{"zzz"}, "known: edit, generate, stats, eval, locate, patch, export, convert, memories, model"},
      {{"patch"}, "patch wants a command"},
      {{"patch", "lsit", "p"}, "did you mean \"list\"?"},
      {{"generate", "x", "--modle", "m"}, "did you mean --model?"},
      {{"edit"}, "the edit file is missing"},
      {{"edit", "a.yaml", "b.yaml"}, "too many arguments"},
      {{"edit", "a.yaml", "--layer=-1"}, "--layer must be at least 0"},
      {{"edit", "a.yaml", "--layer", "x"}, "--layer must be auto, depth or a layer number, found \"x\""},
      {{"edit", "a.yaml", "--layer", "dept"}, "did you mean \"depth\"?"},
      {{"edit", "a.yaml", "--dry-run", "--junit", "x"}, "--junit holds edits that were made"},
      {{"generate", "--model", "m"}, "the prompt is missing"},
      {{"generate", "x"}, "--model PATH is missing"},
      {{"generate", "x", "--model", "m", "--top", "0"}, "--top must be at least 1"},
      {{"generate", "x", "--model", "m", "--max-new", "0"}, "--max-new must be at least 1"},
      {{"generate", "x", "--model", "m", "--max-new", "1000001"}, "--max-new must be at most 1000000"},
      {{"generate", "x", "--model", "m", "--color", "alwys"}, "did you mean \"always\"?"},
      {{"patch", "verify", "--bos", "x"}, "the option --bos has no effect here"},
      {{"model", "info", "m", "--seed=1"}, "the option --seed has no effect here"},
      {{"stats", "show", "d", "--dtype", "float16"}, "the option --dtype has no effect here"},
      {{"generate", "x", "--model", "m", "--form", "chatty"}, "did you mean \"chat\"?"},
      {{"generate", "x", "--model", "m", "--temperature=-1"}, "--temperature"},
      {{"generate", "x", "--model", "m", "--statistics", "s"}, "unknown option --statistics"},
      {{"stats", "--model", "m"}, "--out DIR is missing"},
      {{"stats", "--out", "d"}, "--model PATH is missing"},
      {{"stats", "--model", "m", "--out", "d", "--tokens", "x"}, "--tokens must be at least 1, or all"},
      {{"stats", "--model", "m", "--out", "d", "--shard", "5/2"}, "--shard must be i/N"},
      {{"stats", "--model", "m", "--out", "d", "--memory", "x"}, "memory"},
      {{"stats", "--model", "m", "--out", "d", "--corpus", "self", "a.txt"}, "not both"},
      {{"stats", "show"}, "the folder is missing"},
      {{"patch", "list"}, "the patch is missing"},
      {{"patch", "verify", "--model", "m"}, "--patch FILE is missing"},
      {{"model", "info"}, "the model is missing"},
      {{"convert"}, "convert wants a command"},
      {{"eval"}, "--dataset NAME is missing"},
      {{"eval", "--dataset", "emend", "--data", "x"}, "--out DIR is missing"},
      {{"eval", "--dataset", "emend", "--data", "x", "--out", "o", "--model", "m", "--mode", "batch"},
       "--mode must be"},
      {{"eval", "--dataset", "emend", "--data", "x", "--out", "o", "--model", "m", "--shard", "2/2"},
       "--shard must be i/N"},
      {{"eval", "--dataset", "zsre", "--data", "x", "--out", "o", "--model", "m", "--known"},
       "--known does not go with"},
      {{"eval", "--layer=-3"}, "--layer must be at least 0, found -3"},
      {{"eval", "compare", "a"}, "is missing"},
      {{"eval", "--dataset", "emend", "--data", "x", "--out", "o", "--model", "m", "--edited-neighbours"},
       "--edited-neighbours changes nothing without --mode batch:N or sequential:N"},
      {{"eval", "--dataset", "emend", "--data", "x", "--out", "o", "--model", "m", "--temperature", "1"},
       "--temperature changes nothing without --sampled N"},
      {{"eval", "--dataset", "emend", "--data", "x", "--out", "o", "--model", "m", "--drift-tokens", "0",
        "--drift-text", "t"},
       "--drift-text changes nothing without --drift-tokens above 0"},
      {{"eval", "kl", "--model", "m", "--base", "b", "--context", "512"},
       "eval kl: --context changes nothing without --write-base FILE"},
      {{"eval", "kl", "--model", "m", "--questions", "q", "--patch", "p", "--chunks", "2"},
       "--chunks changes nothing without --write-base FILE"},
      {{"eval", "kl", "--model", "m", "--base", "b", "--answer-tokens", "8"},
       "--answer-tokens changes nothing without --questions FILE"},
      {{"eval", "kl", "--model", "m", "--write-base", "b", "--text", "t", "--form", "chat"},
       "--form changes nothing without --questions FILE"},
      {{"eval", "kl", "--model", "m", "--write-base", "b", "--text", "t", "--quantised", "q"},
       "--quantised changes nothing without --base FILE"},
      {{"eval", "kl", "--model", "m", "--write-base", "b", "--text", "t", "--seed", "0"},
       "--seed changes nothing without --base FILE or --questions FILE"},
      {{"eval", "abilities", "--model", "m", "--data", "d", "--seed", "1"},
       "--seed changes nothing without --patch FILE"},
      {{"eval", "survive", "--model", "m", "--patch", "p", "--types", "bf16", "--statistics", "s"},
       "--statistics changes nothing without a quantised type among --types"},
      {{"eval", "survive", "--model", "m", "--patch", "p", "--later", "q", "--statistics", "s"},
       "--statistics changes nothing without a quantised type among --types"},
      {{"locate", "--model", "m", "--fast=-1"}, "--fast must be above 0"},
      {{"locate", "--model", "m", "--window=-1"}, "--window must be at least 1"},
      {{"locate", "--model", "m", "--knockout-window=-1"}, "--knockout-window must be at least 1"},
      {{"locate", "--model", "m", "--subject-occurrence=-1"}, "--subject-occurrence must be at least 1"},
      {{"locate", "--model", "m", "--window", "4294967297"}, "--window must be at most 1000000"},
      {{"convert", "facts", "a", "b"}, "--from NAME is missing"},
      {{"patch", "apply"}, "--model PATH is missing"},
      {{"patch", "revert"}, "--model PATH is missing"},
      {{"patch", "diff", "a"}, "the second patch is missing"},
      {{"patch", "diff"}, "the first patch is missing"},
      {{"model", "inspect", "m", "--model", "n", "--base", "b"},
       "the model is given twice, as m and as --model n"},
      {{"model", "info", "m", "--model", "n"}, "the model is given twice, as m and as --model n"},
      {{"patch", "drop", "p", "--model", "m", "--out", "q"}, "the patch or the id of the edit is missing"},
      {{"patch", "merge", "p", "--model", "m", "--out", "q"}, "a second patch is missing"},
      {{"export", "lora", "--model", "m", "--patch", "p"}, "--out DIR is missing"},
      {{"export", "gguf-lora", "--base-name", "x"}, "--base-name"},
      {{"export", "lora", "--model", "m", "--patch", "p", "--out", "a.safetensors"},
       "cannot write a.safetensors: what is written here is a folder, and the name ends in .safetensors"},
      {{"export", "gguf-lora", "--model", "m", "--patch", "p", "--out", "adapter.gguf"},
       "adapter.gguf: what is written here is a folder"},
      {{"export", "model", "--model", "m", "--out", "m.gguf/"}, "m.gguf/: what is written here is a folder"},
      {{"patch", "merge", "p", "q", "--model", "m", "--out", "both.gguf"},
       "both.gguf: what is written here is a safetensors file, and the name ends in .gguf"},
      {{"memories", "bake", "L0D1=off", "--model", "m", "--prompt", "x", "--out", "off.gguf"},
       "off.gguf: what is written here is a safetensors file"},
      {{"model", "inspect", "m"}, "--patches DIR or --base MODEL is missing"},
      {{"model", "inspect", "m", "--base", "b", "--edited-score", "2"}, "must be from 0 to 1, found 2"},
      {{"model", "inspect", "m", "--base", "b", "--edited-score", "0.25"},
       "--edited-score changes nothing without --subjects"},
      {{"model", "inspect", "m", "--base", "b", "--unedited", "u"},
       "--unedited changes nothing without --subjects"},
      {{"model", "inspect", "m", "--base", "b", "--subjects", "s", "--false-alarms", "0.6"},
       "--false-alarms must be from 0.001 to 0.5, found 0.6"},
      {{"model", "inspect", "m", "--base", "b", "--subjects", "s", "--edited-score", "0.4", "--unedited",
        "u"},
       "--edited-score sets the threshold, and so do --unedited and --false-alarms"},
      {{"model", "inspect", "m", "--base", "b", "--statistics", "s"},
       "--statistics changes nothing without --subjects"},
      {{"convert", "facts", "--from", "known", "a"}, "IN or OUT.yaml is missing"},
      {{"convert", "facts", "--from", "knwon", "a", "b"}, "did you mean \"known\"?"},
      {{"edit", "a.yaml", "--editor", "rone"},
       "--editor: there is no method \"rone\"; did you mean \"rome\"?"},
      {{"edit", "--help-method", "rone"}, "--help-method: there is no method \"rone\""},
      {{"eval", "--dataset", "counterfat"}, "did you mean \"counterfact\"?"},
      {{"eval", "--dataset", "emend", "--method", "rone"}, "--method: there is no method \"rone\""},
      {{"locate", "--model", "m", "--facts", "f", "--trial", "1", "--method", "rone"},
       "--method: there is no method \"rone\""},
      {{"locate", "--model", "m", "--facts", "f", "--trial", "1", "--trial-dataset", "knwon"},
       "did you mean \"known\"?"},
  };
  for (const Refusal& refusal : refusals) {
    const Finished run = run_emend(refusal.arguments);
    EXPECT_EQ(run.code, 2) << refusal.message;
    EXPECT_THAT(run.err, HasSubstr(refusal.message));
    EXPECT_EQ(run.out, "");
  }
}

TEST(Usage, TellsWhenItsResultsCannotBeWritten) {
  const Finished run = run_emend_after("exec > /dev/full", {"--help"});
  EXPECT_EQ(run.code, 3);
  EXPECT_THAT(run.err, HasSubstr("standard output"));
}

}  // namespace
}  // namespace emend
