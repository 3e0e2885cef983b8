#include "model/processor_share.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "base/temp_folder.h"
#include "bench/stopwatch.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMillisecond = 1'000'000;

TEST(RunTimes, AreThoseOfAllThreads) {
  const test::TempFolder folder;
  EXPECT_EQ(run_times(folder.path()), std::nullopt);
  for (const auto& [task, text] : {std::pair("7", "100 20 3\n"), {"8", "50 5 1\n"}, {"9", ""}}) {
    fs::create_directories(folder / "proc/self/task" / task);
    std::ofstream(folder / "proc/self/task" / task / "schedstat") << text;
  }
  const auto times = run_times(folder.path());
  ASSERT_TRUE(times);
  EXPECT_EQ(times->run, 150);
  EXPECT_EQ(times->delay, 25);
}

// Looks every tenth of a second.
class Looks {
 public:
  bool add(std::int64_t run_ms, std::int64_t delay_ms, int times = 1) {
    bool crowded = false;
    for (int i = 0; i < times; ++i) {
      now_.run += run_ms * kMillisecond;
      now_.delay += delay_ms * kMillisecond;
      crowded = crowding_.look(now_, 0.1);
    }
    return crowded;
  }

 private:
  Crowding crowding_;
  RunTimes now_;
};

TEST(Crowding, IsThereOnceThreadsWaitAFifthOfTheirTime) {
  Looks looks;
  EXPECT_FALSE(looks.add(100, 10, 50));
  EXPECT_TRUE(looks.add(80, 20));
}

TEST(Crowding, EndsAfterTwoQuietSeconds) {
  Looks looks;
  looks.add(50, 50);
  EXPECT_TRUE(looks.add(100, 0, 19));
  EXPECT_TRUE(looks.add(90, 10)) << "not quiet: it counts from the beginning";
  EXPECT_TRUE(looks.add(100, 0, 19));
  EXPECT_FALSE(looks.add(100, 0, 2));
}

TEST(Crowding, IsNotSeenInAProcessThatHardlyRuns) {
  Looks looks;
  EXPECT_FALSE(looks.add(1, 8, 50));
}

TEST(Crowding, ThreadsThatEndTakeTheirTimesAlong) {
  Crowding crowding;
  EXPECT_FALSE(crowding.look({100 * kMillisecond, 0}, 0.1));
  EXPECT_FALSE(crowding.look({50 * kMillisecond, 0}, 0.1));
  EXPECT_TRUE(crowding.look({100 * kMillisecond, 50 * kMillisecond}, 0.1));
}

// Processor time of short operations with pauses in which the team's threads wait.
double processor_seconds_of_pauses() {
  const at::Tensor x = at::ones({1 << 17});
  return bench::seconds_of([&] {
           for (int i = 0; i < 40; ++i) {
             x.exp();
             std::this_thread::sleep_for(std::chrono::milliseconds(5));
           }
         })
      .processor;
}

TEST(IdleTeams, LetThreadsWaitWithoutUsingAProcessor) {
  if (at::get_num_threads() < 2) GTEST_SKIP() << "one thread waits for nobody";
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr)
    GTEST_SKIP() << "the environment says how threads wait";
  processor_seconds_of_pauses();  // the team is made
  const double before = processor_seconds_of_pauses();
  double meanwhile = 0;
  {
    const IdleTeams teams;
    meanwhile = processor_seconds_of_pauses();
  }
  const double after = processor_seconds_of_pauses();
  EXPECT_LT(meanwhile, 0.5 * before);
  EXPECT_LT(meanwhile, 0.5 * after);
}

}  // namespace
}  // namespace emend
