// What a person sees in a terminal: width of help and tables, the progress bar, colours, Ctrl-C, the prompt
// of a loop.
#include "terminal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "world_edit.h"

namespace emend {
namespace {

using testing::HasSubstr;
using testing::Not;

// But for commands to copy, which stay whole.
std::size_t widest(const std::vector<std::string>& lines) {
  std::size_t most = 0;
  for (const std::string& line : lines)
    if (!line.starts_with("  emend ")) most = std::max(most, width_of(line));
  return most;
}

TEST(Terminal, HelpIsAsWideAsTheTerminal) {
  std::vector<std::size_t> widths, counts;
  for (const int columns : {60, 90, 140}) {
    Terminal terminal(columns, {"edit", "--help"});
    EXPECT_EQ(terminal.wait(), 0);
    widths.push_back(widest(terminal.lines()));
    counts.push_back(terminal.lines().size());
    EXPECT_LE(widths.back(), static_cast<std::size_t>(columns)) << columns;
  }
  EXPECT_LT(widths[0], widths[1]);
  EXPECT_LT(widths[1], widths[2]);
  EXPECT_GT(counts[0], counts[2]) << "narrow help has more lines";
}

TEST(Terminal, TheListOfCommandsIsWrapped) {
  Terminal terminal(50, {"help"});
  EXPECT_EQ(terminal.wait(), 0);
  EXPECT_LE(widest(terminal.lines()), 50u) << terminal.text();
  EXPECT_THAT(terminal.text(), HasSubstr("\n            "));
}

class WorldTerminal : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
  }
  // Of one edit that passes its checks.
  std::vector<std::string> edit() {
    folder_.write("a.yaml", "model: " + world_model("gpt2") +
                                "\nstatistics: stats\nchecks: {efficacy: 0, paraphrase: 0, neighbourhood: 0, "
                                "drift: 1000}\nlayer: 2\n"
                                "options: {covariance: false, contexts: 1, steps: 12}\n" +
                                world_edits(0, 1));
    return {"edit", folder_ / "a.yaml"};
  }
  ScratchFolder folder_;
};

TEST_F(WorldTerminal, AnEditDrawsABarThatIsGoneAndColoursItsVerdicts) {
  constexpr int kColumns = 120;  // the least width of the table of facts is 102
  Terminal terminal(kColumns, edit());
  EXPECT_EQ(terminal.wait(), 0) << terminal.text();
  const std::string& text = terminal.text();
  EXPECT_THAT(text, HasSubstr("\r"));      // the bar is drawn over itself
  EXPECT_THAT(text, HasSubstr("\x1B[K"));  // and what is left of a longer one is cleared
  EXPECT_THAT(text, HasSubstr("  \x1B[32mpassed\x1B[0m\n"));
  // Nothing that was drawn is as wide as the terminal, where some of them wrap.
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find_first_of("\r\n", begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    if (part.ends_with("\x1B[K")) {
      EXPECT_LT(width_of(part), static_cast<std::size_t>(kColumns) + 3) << part;
    }
    begin = end + 1;
  }
  for (const std::string& line : terminal.lines())
    if (line.starts_with("id ")) {
      EXPECT_LE(width_of(line), static_cast<std::size_t>(kColumns)) << line;
    }
}

TEST_F(WorldTerminal, ColoursCanBeSwitchedOff) {
  for (const auto& [name, value] : {std::pair("NO_COLOR", "1"), std::pair("TERM", "dumb")}) {
    Terminal terminal(100, edit(), {{name, value}});
    EXPECT_EQ(terminal.wait(), 0) << terminal.text();
    EXPECT_THAT(terminal.text(), Not(HasSubstr("\x1B[32m"))) << name;
    EXPECT_THAT(terminal.text(), HasSubstr("passed\n")) << name;
  }
}

TEST_F(WorldTerminal, CtrlCEndsTheWork) {
  Terminal terminal(
      80, {"stats", "--model", world_model("gpt2"), "--out", folder_ / "stats", "--tokens", "50000000"});
  ASSERT_TRUE(terminal.wait_for("\r")) << terminal.text();
  terminal.type("\x03");
  EXPECT_EQ(terminal.wait(), 130) << terminal.text();
  EXPECT_THAT(terminal.text(), HasSubstr("interrupted"));
  EXPECT_TRUE(terminal.lines().back().empty()) << "the shell's prompt begins a line of its own";
  EXPECT_EQ(folder_.listing(), "");
}

TEST_F(WorldTerminal, TheBarFollowsTheTerminalsWidth) {
  Terminal terminal(
      100, {"stats", "--model", world_model("gpt2"), "--out", folder_ / "stats", "--tokens", "50000000"});
  ASSERT_TRUE(terminal.wait_for("\x1B[K")) << terminal.text();
  terminal.resize(40);
  for (int drawing = 0; drawing < 3; ++drawing) ASSERT_TRUE(terminal.wait_for("\x1B[K"));
  const std::size_t from = terminal.text().rfind('\r');
  terminal.type("\x03");
  terminal.wait();
  const std::string& text = terminal.text();
  const std::string last = text.substr(from + 1, text.find("\x1B[K", from) - from - 1);
  EXPECT_LT(width_of(last), 40u) << last;
  EXPECT_GT(width_of(last), 10u) << last;
}

TEST_F(WorldTerminal, ALoopAsksForLinesUntilCtrlD) {
  Terminal terminal(80, {"generate", "--loop", "--model", world_model("gpt2"), "--max-new", "3"});
  ASSERT_TRUE(terminal.wait_for("> ")) << terminal.text();
  terminal.type("Workis Tellond was trained as a\n");
  ASSERT_TRUE(terminal.wait_for("stone cutter")) << terminal.text();
  ASSERT_TRUE(terminal.wait_for("> ")) << terminal.text();
  terminal.type("\x04");
  EXPECT_EQ(terminal.wait(), 0) << terminal.text();
}

TEST_F(WorldTerminal, CtrlCEndsALoopThatWaits) {
  Terminal terminal(80, {"generate", "--loop", "--model", world_model("gpt2")});
  ASSERT_TRUE(terminal.wait_for("> ")) << terminal.text();
  terminal.type("\x03");
  EXPECT_EQ(terminal.wait(), 130) << terminal.text();
}

}  // namespace
}  // namespace emend
