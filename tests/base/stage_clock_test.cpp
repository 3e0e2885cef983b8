#include "base/stage_clock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

namespace emend {
namespace {

// Stages of at least a millisecond each.
void pass_stage(Progress& progress, const std::string& name, bool is_search) {
  is_search ? begin_search(progress, name, 1, "values") : progress.begin(name, 1, "values");
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  progress.update(1, "");
  progress.end();
}

TEST(StageClock, KnowsSearchesByHowTheyBeginAndNotByTheirNames) {
  SilentProgress silent;
  StageClock clock(silent);
  pass_stage(clock, "searching the corpus", false);
  pass_stage(clock, "training rows", false);
  EXPECT_EQ(clock.search_seconds(), 0);
  pass_stage(clock, "looking for 3 values", true);
  EXPECT_EQ(clock.search_seconds(), clock.seconds().at("looking for 3 values"));
  EXPECT_GT(clock.search_seconds(), 0);
  const double searched = clock.search_seconds();
  pass_stage(clock, "looking for 3 values", false);
  EXPECT_EQ(clock.search_seconds(), searched);
  EXPECT_GT(clock.other_seconds(), 0);
}

TEST(StageClock, TellsTheNextOne) {
  SilentProgress silent;
  StageClock outer(silent);
  StageClock inner(static_cast<Progress&>(outer));  // not a copy
  pass_stage(inner, "values", true);
  EXPECT_GT(outer.search_seconds(), 0);
  EXPECT_EQ(outer.seconds().size(), 1U);
}

// A progress that watches nothing is told the stage alone.
TEST(StageClock, SearchesNeedNoWatcher) {
  SilentProgress silent;
  pass_stage(silent, "values", true);
}

}  // namespace
}  // namespace emend
