// Facts of one key with different targets, told before the search of a run.
#include "pipeline/shared_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/scratch_folder.h"
#include "emend/edit_run.h"
#include "support/keep_notes.h"
#include "support/world.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

EditRequest asks(const std::string& id, const std::string& prompt, const std::string& target) {
  EditRequest request = make_request(prompt, "Workis Tellond", target);
  request.id = id;
  return request;
}

std::vector<EditRequest> rivals() {
  return {asks("a", "Workis Tellond was trained as a", "painter"),
          asks("b", "By profession Workis Tellond is a", "sailor"),  // other words in front: another key
          asks("c", "Workis Tellond has long been a", "tailor"),
          asks("d", "Workis Tellond works as a", "painter")};
}

TEST(SharedKeys, NamesWhoWantsSomethingElseOfOneKey) {
  EXPECT_THAT(
      shared_key_notes(rivals()),
      ElementsAre(AllOf(StartsWith("edit a: c has its key and another target"), HasSubstr("ask alike"))));
  std::vector<EditRequest> at_one = rivals();
  at_one[2].target = "painter";
  EXPECT_THAT(shared_key_notes(at_one), IsEmpty());
}

TEST(SharedKeys, CountsWhatItDoesNotName) {
  std::vector<EditRequest> many;
  for (int key = 0; key < 23; ++key)
    for (const char* target : {"painter", "tailor"})
      many.push_back(asks(std::to_string(key) + target,
                          "Since " + std::to_string(key) + " Workis Tellond is a", target));
  const std::vector<std::string> told = shared_key_notes(many);
  ASSERT_THAT(told, SizeIs(21));
  EXPECT_THAT(told.back(), StartsWith("3 more keys are shared"));
}

// Keeps what was noted until the first search began.
class NotesBeforeSearch : public test::KeepNotes {
 public:
  void begin(std::string_view stage, std::int64_t, std::string_view) override {
    if (stage.starts_with("searching") && before.empty()) before = notes;
  }
  std::vector<std::string> before;
};

TEST(SharedKeys, ARunTellsThemBeforeItsSearch) {
  const ScratchFolder folder;
  Model model = test::load_world("gpt2");
  EditFile file;
  file.method = "memit";
  file.options["preserve"] = {"identity", "test"};
  file.options["steps"] = {"3", "test"};
  file.layer.layers = {2};
  file.statistics = folder / "stats";
  file.edits = rivals();
  EditRunOptions options;
  options.keep_going = true;
  NotesBeforeSearch told;
  run_edit(model, file, options, told);
  EXPECT_THAT(told.before, Contains(HasSubstr("edit a: c has its key")));
}

}  // namespace
}  // namespace emend
