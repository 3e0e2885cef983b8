#include "model/side_by_side.h"

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

#include "model/thread_count.h"

namespace emend {
namespace {

class SideBySideTest : public ::testing::Test {
 protected:
  SideBySideTest() { at::set_num_threads(3); }
  ~SideBySideTest() override { at::set_num_threads(before_); }
  const int before_ = at::get_num_threads();
};

TEST_F(SideBySideTest, HasAsManyThreadsAsTheCallerUsesAtMost) {
  EXPECT_EQ(SideBySide(2).threads(), 2);
  EXPECT_EQ(SideBySide(8).threads(), 3);
  EXPECT_EQ(SideBySide(0).threads(), 1);
  EXPECT_EQ(at::get_num_threads(), 3);
}

// Without OpenMP in the compiler's flags it would be a loop on the calling thread.
TEST_F(SideBySideTest, ParallelForIsDividedAmongTheThreads) {
  std::mutex mutex;
  std::set<std::thread::id> workers;
  at::parallel_for(0, 3, 1, [&](std::int64_t begin, std::int64_t end) {
    EXPECT_EQ(end, begin + 1);
    const std::lock_guard lock(mutex);
    workers.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(workers.size(), 3U);
}

// This library's own note of whether a thread has taken over the common number is not that of libtorch.
TEST_F(SideBySideTest, ParallelForWithinAPieceIsNotDivided) {
  SideBySide threads(3);
  std::atomic<int> parts = 0;
  threads.run(6,
              [&](std::int64_t) { at::parallel_for(0, 3, 1, [&](std::int64_t, std::int64_t) { ++parts; }); });
  EXPECT_EQ(parts, 6);
}

TEST_F(SideBySideTest, RunsEveryPieceOnceOnOneThreadWithoutGradients) {
  SideBySide threads(3);
  for (const std::int64_t count : {7, 0, 1, 20}) {
    std::vector<std::atomic<int>> runs(static_cast<std::size_t>(count));
    std::atomic<int> divided = 0, gradients = 0, here = 0;
    const auto caller = std::this_thread::get_id();
    threads.run(count, [&](std::int64_t piece) {
      ++runs[static_cast<std::size_t>(piece)];
      divided += at::get_num_threads() != 1;
      gradients += c10::GradMode::is_enabled();
      here += std::this_thread::get_id() == caller;
    });
    for (const auto& times : runs) EXPECT_EQ(times, 1);
    EXPECT_EQ(divided + gradients + here, 0);
  }
  EXPECT_EQ(at::get_num_threads(), 3);
}

TEST_F(SideBySideTest, TellsTheFirstFailureAndGoesOn) {
  SideBySide threads(3);
  std::atomic<int> runs = 0;
  const auto work = [&](std::int64_t piece) {
    ++runs;
    if (piece % 4 == 2) throw std::runtime_error(std::to_string(piece));
  };
  try {
    threads.run(12, work);
    FAIL() << "no failure came back";
  } catch (const std::runtime_error& failure) {
    EXPECT_STREQ(failure.what(), "2");
  }
  EXPECT_EQ(runs, 12);
  threads.run(2, work);
  EXPECT_EQ(runs, 14);
}

// A new thread takes over the number that is common to all when it first asks, and once more when this
// library does; another thread may have changed it in between.
TEST(ThreadCount, IsTheOneAskedForWhateverOtherThreadsSet) {
  const int before = at::get_num_threads();
  std::atomic<bool> done{false};
  std::thread other([&] {
    while (!done) {
      at::set_num_threads(2);
      at::set_num_threads(1);
    }
  });
  int wrong = 0;
  for (int i = 0; i < 3000; ++i)
    std::thread([&] {
      exchange_thread_count(1);
      wrong += at::get_num_threads() == 1 ? 0 : 1;
    }).join();
  done = true;
  other.join();
  at::set_num_threads(before);
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace emend
