// emend completion bash|zsh|fish, and emend completion man --out DIR
#include <filesystem>
#include <iostream>
#include <sstream>

#include "base/atomic_file.h"
#include "cli/command.h"
#include "cli/command_frame.h"
#include "console/completion.h"
#include "console/manual.h"
#include "emend/dataset.h"
#include "emend/editor.h"

namespace emend {
namespace {

// Leads std::cout into a text while it lives.
class CoutText {
 public:
  CoutText() : before_(std::cout.rdbuf(text_.rdbuf())) {}
  ~CoutText() { std::cout.rdbuf(before_); }
  CoutText(const CoutText&) = delete;
  CoutText& operator=(const CoutText&) = delete;
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::streambuf* before_;
};

std::vector<CommandHelp> describe_commands() {
  const CoutText captured;
  run_command("", program_commands(), {std::string(kDescribe)});
  return read_commands(captured.text());
}

OptionWords option_words() {
  OptionWords words = {{"device", {"cpu", "cuda"}},
                       {"dtype", {"float32", "bfloat16", "float16"}},
                       {"bos", {"auto", "none"}},
                       {"form", {"raw", "chat"}},
                       {"protect", {"none", "neighbours", "auto"}},
                       {"end", {"auto", "eos", "none"}},
                       {"color", {"auto", "always", "never"}}};
  for (const EditorHelp& editor : list_editors()) words["editor"].push_back(editor.name);
  for (const EditorHelp& editor : list_editors(benchmark_editors()))
    for (const char* option : {"method", "help-method"}) words[option].push_back(editor.name);
  for (const DatasetHelp& dataset : list_datasets())
    for (const char* option : {"dataset", "trial-dataset", "from"}) words[option].push_back(dataset.name);
  return words;
}

}  // namespace

int completion_command(const std::vector<std::string>& arguments) {
  std::string what;
  std::filesystem::path out;
  CommandFrame frame("completion", "bash|zsh|fish|man [--out DIR]",
                     "Prints a script that completes commands and options in a shell, or writes the manual "
                     "pages into a folder. The installation brings both.",
                     {"bos", "seed", "token-budget", "device", "dtype", "threads", "model", "json"});
  frame.syntax.examples = {"completion bash > ~/.local/share/bash-completion/completions/emend",
                           "completion man --out ~/.local/share/man/man1"};
  frame.options.argument("what", what, "bash, zsh, fish or man")
      .text("out", out, "DIR", "folder of the manual pages", Use::kWritesFolder)
      .check([&] {
        require_one_of("completion", what, {"bash", "zsh", "fish", "man"});
        if (what == "man") require_given(!out.empty(), "completion", "--out DIR");
      });
  return frame.run(arguments, [&](Console& console) {
    const std::vector<CommandHelp> commands = describe_commands();
    if (what == "bash") return frame.show(console, bash_completion(commands, option_words()), std::string());
    if (what == "zsh") return frame.show(console, zsh_completion(commands, option_words()), std::string());
    if (what == "fish") return frame.show(console, fish_completion(commands, option_words()), std::string());
    std::filesystem::create_directories(out);
    for (const auto& [name, page] : manual_pages(commands)) write_file_atomically(out / name, page);
    return kExitDone;
  });
}

}  // namespace emend
