// A signal while the work looks at no flag, while it does, and while files are being renamed. Each time in a
// process of its own.
#include "console/interrupt.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>

#include "../cli/scratch_folder.h"
#include "base/atomic_file.h"
#include "base/atomic_folder.h"
#include "base/temporary_folder.h"
#include "base/unfinished.h"
#include "emend/error.h"

namespace emend {
namespace {

constexpr int kCode = 130;

void pause_for(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

// As work does that is in one long operation.
[[noreturn]] void go_on_without_looking() {
  pause_for(30'000);
  _exit(0);
}

TEST(Interrupt, EndsWorkThatDoesNotLookAndLeavesNothing) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const ScratchFolder folder;
    setenv("TMPDIR", folder.path().c_str(), 1);
    EXPECT_EXIT(
        {
          install_interrupt_handler(kCode);
          AtomicFile file(folder.path() / "new/inner/a");
          file.write("half");
          const AtomicFolder other(folder.path() / "b");
          write_file_atomically(other.path() / "whole", "of a folder that is not");
          const TemporaryFolder passing("emend-test");
          write_file_atomically(folder.path() / "c", "whole");
          std::raise(signal);
          go_on_without_looking();
        },
        testing::ExitedWithCode(kCode), "emend: interrupted\n");
    unsetenv("TMPDIR");
    EXPECT_EQ(folder.listing(), "c");
  }
}

// As a copied checkpoint does, whose files are noted by their folder alone.
TEST(Interrupt, RemovesAFolderThatIsBeingFilled) {
  const ScratchFolder folder;
  EXPECT_EXIT(
      {
        install_interrupt_handler(kCode);
        const AtomicFolder filled(folder.path() / "a");
        std::raise(SIGTERM);
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        for (int i = 0; std::chrono::steady_clock::now() < until; ++i)
          std::ofstream(filled.path() / std::to_string(i % 1000)) << "text";
        _exit(0);
      },
      testing::ExitedWithCode(kCode), "emend: interrupted\n");
  EXPECT_EQ(folder.listing(), "");
}

TEST(Interrupt, LeavesWorkThatLooksItsOwnEnd) {
  EXPECT_EXIT(
      {
        install_interrupt_handler(kCode);
        std::raise(SIGTERM);
        pause_for(300);
        try {
          throw_if_interrupted();
        } catch (const Error& error) {
          pause_for(1200);  // what it still has to do takes longer than the first grace
          _exit(error.kind() == ErrorKind::kInterrupted ? 7 : 8);
        }
      },
      testing::ExitedWithCode(7), "");
}

TEST(Interrupt, WaitsForFilesThatBelongTogether) {
  const ScratchFolder folder;
  EXPECT_EXIT(
      {
        install_interrupt_handler(kCode);
        {
          const auto together = hold_unfinished();
          write_file_atomically(folder.path() / "a", "first");
          std::raise(SIGTERM);
          pause_for(1500);
          write_file_atomically(folder.path() / "b", "second");
        }
        go_on_without_looking();
      },
      testing::ExitedWithCode(kCode), "emend: interrupted\n");
  EXPECT_EQ(folder.listing(), "a b");
}

TEST(Interrupt, LeavesACommandThatEndsInItsOwnTimeAlone) {
  EXPECT_EXIT(
      {
        install_interrupt_handler(kCode);
        end_in_own_time();
        std::raise(SIGINT);
        pause_for(1500);
        _exit(take_interrupt() && !take_interrupt() ? 7 : 8);
      },
      testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace emend
