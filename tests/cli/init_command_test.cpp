// emend init, and emend completion.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "program.h"
#include "scratch_folder.h"

namespace emend {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

namespace fs = std::filesystem;

std::string text_of(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The world's models know nothing of this world: the file is written all the same, and can be planned once a
// fact stands in it.
TEST(InitCommand, WritesAnEditFileThatCanBeRead) {
  if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
  const ScratchFolder folder;
  const Finished run =
      run_emend({"init", world_model("gpt2"), "--out", folder / "first.yaml", "--json", folder / "j"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("the model knows none of 6 well-known facts"));
  const auto json = read_json(folder / "j");
  EXPECT_TRUE(json.contains("emend"));
  EXPECT_EQ(json["known"], false);
  const std::string text = text_of(folder / "first.yaml");
  EXPECT_THAT(text, AllOf(HasSubstr("# A first edit file."), HasSubstr("This model does not know the fact"),
                          HasSubstr("    # was: \"Paris\"\n")));
  const Finished plan = run_emend({"edit", folder / "first.yaml", "--dry-run"});
  EXPECT_EQ(plan.code, 0) << plan.err;
  EXPECT_THAT(plan.out, HasSubstr("The Eiffel Tower is located"));

  const Finished again = run_emend({"init", world_model("gpt2"), "--out", folder / "first.yaml"});
  EXPECT_EQ(again.code, 3);
  EXPECT_THAT(again.err, HasSubstr("it exists already"));
  EXPECT_EQ(text_of(folder / "first.yaml"), text);
  EXPECT_EQ(run_emend({"init", world_model("gpt2"), "--out", folder / "first.txt"}).code, 2);
}

// What `emend COMMAND --help` lists.
std::vector<std::string> options_in_help(const std::vector<std::string>& command) {
  std::vector<std::string> help = {"help"};
  help.insert(help.end(), command.begin(), command.end());
  const std::string text = run_emend(help).out;
  std::vector<std::string> options;
  for (std::size_t at = 0; (at = text.find("\n  ", at)) != std::string::npos; ++at) {
    const std::size_t begin = text.find("--", at);
    const std::size_t line_end = text.find('\n', at + 1);
    if (begin > line_end || (begin != at + 3 && text.compare(at + 3, 5, "-h [ ") != 0)) continue;
    options.push_back(text.substr(begin, text.find_first_of(" \n", begin) - begin));
  }
  return options;
}

// The words that bash offers behind "emend WORDS...", the last of which may be unfinished.
std::string bash_offers(const std::string& script, const std::vector<std::string>& words) {
  std::string line = "source '" + script + "'; compopt() { :; }; COMP_WORDS=(emend";
  for (const std::string& word : words) line += " '" + word + "'";
  line += "); COMP_CWORD=" + std::to_string(words.size()) + "; _emend; echo \"${COMPREPLY[*]}\" > '" +
          script + ".out'";
  const std::string file = script + ".test";
  std::ofstream(file) << line << "\n";
  EXPECT_EQ(std::system(("bash '" + file + "'").c_str()), 0);
  return text_of(script + ".out");
}

TEST(CompletionCommand, BashOffersWhatTheHelpLists) {
  const ScratchFolder folder;
  const Finished script = run_emend({"completion", "bash"});
  ASSERT_EQ(script.code, 0) << script.err;
  const std::string file = folder.write("emend.bash", script.out);
  EXPECT_THAT(bash_offers(file, {"pa"}), HasSubstr("patch"));
  EXPECT_THAT(bash_offers(file, {"patch", ""}), AllOf(HasSubstr("verify"), HasSubstr("merge")));
  EXPECT_EQ(bash_offers(file, {"generate", "--model", "m", "--form", ""}), "raw chat\n");
  EXPECT_THAT(bash_offers(file, {"edit", "--editor", "me"}), HasSubstr("memit"));
  EXPECT_THAT(bash_offers(file, {"edit", "--editor", "in"}), Not(HasSubstr("in-context")));
  EXPECT_THAT(bash_offers(file, {"eval", "--method", "in"}), HasSubstr("in-context"));
  EXPECT_EQ(bash_offers(file, {"patch", "verify", "--se"}), "\n") << "it has no seed";
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"edit"}, {"stats"}, {"stats", "show"}, {"patch", "apply"}, {"memories", "scan"}}) {
    const std::vector<std::string> options = options_in_help(command);
    EXPECT_GT(options.size(), 3u);
    std::vector<std::string> words = command;
    words.emplace_back("--");
    const std::string offered = " " + bash_offers(file, words);
    for (const std::string& option : options) EXPECT_THAT(offered, HasSubstr(option)) << command.back();
  }
}

TEST(CompletionCommand, EveryShellAndThePagesKnowEveryCommand) {
  const ScratchFolder folder;
  const Finished zsh = run_emend({"completion", "zsh"}), fish = run_emend({"completion", "fish"});
  ASSERT_EQ(run_emend({"completion", "man", "--out", folder / "man1"}).code, 0);
  for (const std::string name : {"edit", "patch verify", "memories scan", "eval kl", "stats show"}) {
    EXPECT_THAT(zsh.out, HasSubstr("    \"" + name + "\")\n"));
    EXPECT_THAT(fish.out, HasSubstr("__emend_command '" + name + "'"));
    std::string page = "man1/emend-" + name + ".1";
    std::replace(page.begin(), page.end(), ' ', '-');
    EXPECT_THAT(text_of(folder / page), AllOf(HasSubstr(".SH OPTIONS"), HasSubstr("\\-\\-json")));
    EXPECT_THAT(text_of(folder / "man1/emend.1"), HasSubstr("\n.B " + name + "\n"));
  }
  EXPECT_THAT(zsh.out, HasSubstr("#compdef emend"));
  // Files are offered where a value names one, and not for a prompt or a number.
  EXPECT_THAT(zsh.out, AllOf(HasSubstr("'*--quantised[the same model in fewer bits]:file:_files'"),
                             HasSubstr("'*--prompt[a prompt whose next words are the fact]:P: '"),
                             HasSubstr("'*--check[edit M more facts at those layers, and say whether the "
                                       "decision holds there]:M: '")));
  // --fast without a value means 0.2, and without --fast every cell is run.
  const std::string locate = text_of(folder / "man1/emend-locate.1");
  EXPECT_THAT(locate, AllOf(HasSubstr("\\-\\-fast \\fISHARE"), HasSubstr("(default: 0)"),
                            Not(HasSubstr("(default: 0.2)"))));
  EXPECT_EQ(run_emend({"completion", "tcsh"}).code, 2);
  EXPECT_EQ(run_emend({"completion", "man"}).code, 2);
}

}  // namespace
}  // namespace emend
