#include "base/stage_clock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

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

// So that remarks that cost work are made for readers only.
TEST(StageClock, ReadsNotesIfTheNextOneDoes) {
  class Deaf : public SilentProgress, public NoteReader {
   public:
    bool reads_notes() const override { return false; }
  } deaf;
  class Notes : public SilentProgress {
   public:
    void note(std::string_view) override {}
  } notes;
  SilentProgress silent;
  StageClock on_silent(silent), on_deaf(deaf), on_notes(notes);
  for (const Progress* const progress : std::vector<const Progress*>{&silent, &deaf, &on_silent, &on_deaf})
    EXPECT_FALSE(reads_notes(*progress));
  EXPECT_TRUE(reads_notes(notes));
  EXPECT_TRUE(reads_notes(on_notes));
  EXPECT_FALSE(reads_notes(no_progress()));
}

}  // namespace
}  // namespace emend
