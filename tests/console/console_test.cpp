// Results on stdout and in the file of --log: colours, and what stands there.
#include "console/console.h"

#include <gtest/gtest.h>

#include <iostream>

#include "../cli/scratch_folder.h"
#include "base/files.h"

namespace emend {
namespace {

// What `use` prints on stdout with --color `when`, and --log `log`.
template <typename Use>
std::string printed(const std::string& when, const std::string& log, const Use& use) {
  CommonOptions options;
  options.color = when;
  options.log = log;
  testing::internal::CaptureStdout();
  {
    Console console(options);
    console.begin_log();
    console.open_log();
    use(console);
    std::cout << std::flush;
  }
  return testing::internal::GetCapturedStdout();
}

TEST(Console, ColoursVerdictsThatEndALine) {
  EXPECT_EQ(with_coloured_verdicts("efficacy  100 %  passed\ndrift  2  FAILED\nbleed  -  not measured\n"),
            "efficacy  100 %  \x1B[32mpassed\x1B[0m\ndrift  2  \x1B[1;31mFAILED\x1B[0m\n"
            "bleed  -  \x1B[33mnot measured\x1B[0m\n");
  EXPECT_EQ(with_coloured_verdicts("failed"), "\x1B[1;31mfailed\x1B[0m");
  for (const std::string text : {"", "\n\n", "it passed\n", "  passed away\n", "surpassed\n"})
    EXPECT_EQ(with_coloured_verdicts(text), text);
}

TEST(Console, TakesColoursOutAgain) {
  const std::string text = "efficacy  100 %  passed\ndrift  2  FAILED\n";
  EXPECT_EQ(without_colours(with_coloured_verdicts(text)), text);
  EXPECT_EQ(without_colours("\x1B[48;5;16m  \x1B[0m|"), "  |");
  for (const std::string other : {"\x1B[2J", "\x1B[", "\x1B", "\x1B[1;3", "[32m"})
    EXPECT_EQ(without_colours(other), other) << "no colour";
}

TEST(Console, KeepsColoursOutOfTheLog) {
  const ScratchFolder folder;
  const auto map = [](Console& console) { console.print("\x1B[48;5;16m  \x1B[0m  passed\n"); };
  EXPECT_EQ(printed("always", folder / "log", map), "\x1B[48;5;16m  \x1B[0m  \x1B[32mpassed\x1B[0m\n");
  EXPECT_EQ(read_text_file(folder / "log"), "    passed\n");
}

TEST(Console, IsPlainWhereColoursAreNotWanted) {
  const auto verdict = [](Console& console) { console.print("drift  FAILED\n"); };
  EXPECT_EQ(printed("never", "", verdict), "drift  FAILED\n");
  EXPECT_EQ(printed("auto", "", verdict), "drift  FAILED\n") << "no terminal";
  EXPECT_EQ(printed("always", "", verdict), "drift  \x1B[1;31mFAILED\x1B[0m\n");
}

TEST(Console, TakesNoWordOfAModelForAVerdict) {
  EXPECT_EQ(printed("always", "", [](Console& console) { console.print_plain("The test  passed\n"); }),
            "The test  passed\n");
}

TEST(Console, TheLogKeepsItsBytesUntilItIsOpened) {
  const ScratchFolder folder;
  CommonOptions options;
  options.log = folder.write("log", "results");
  Console console(options);
  console.open_log();
  console.begin_log();
  console.progress().note("said early");
  console.log_error("refused");
  EXPECT_EQ(read_text_file(options.log), "results");
  console.open_log();
  console.open_log();
  console.progress().note("said late");
  EXPECT_EQ(read_text_file(options.log), "said early\nemend: refused\nsaid late\n");
}

}  // namespace
}  // namespace emend
