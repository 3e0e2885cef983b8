// What an editor warns of stays with the record that meets the edit.
#include <gmock/gmock.h>

#include "base/temp_folder.h"
#include "emend/error.h"
#include "eval/results/results_file.h"
#include "eval/run.h"
#include "eval/shards.h"
#include "support/edit_world.h"
#include "support/eval_world.h"
#include "support/stop_at.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// Warns in every edit of its first request, and changes nothing.
class Warner : public Editor {
 public:
  std::string name() const override { return "warner"; }
  bool needs_statistics() const override { return false; }
  std::map<std::string, std::string> options() const override { return {}; }
  Objective objective() const override { return Objective::kNone; }
  EditPlan plan(const Model&, const std::vector<EditRequest>&, const EditorContext&) const override {
    return {};
  }
  Edit edit(const Model&, const std::vector<EditRequest>& requests, const EditorContext&,
            Progress&) const override {
    Edit edit;
    for (const EditRequest& request : requests) {
      edit.facts.emplace_back();
      edit.facts.back().request = request;
      edit.facts.back().parts.emplace_back();
      if (request.id == failing) edit.facts.back().status = FactStatus::kFailed;
    }
    if (!silent) edit.warnings = {"beware of " + requests.front().id, "and of others"};
    return edit;
  }
  std::vector<Edit> edit_each(const Model& model, const std::vector<EditRequest>& requests,
                              const EditorContext& context, Progress& progress) const override {
    std::vector<Edit> edits;
    for (const EditRequest& request : requests) edits.push_back(edit(model, {request}, context, progress));
    return edits;
  }

  bool silent = false;
  std::string failing = {};  // the id of a request whose search fails
};

class Warnings : public testing::Test {
 protected:
  Warnings() : world_(test::EditWorld::of("gpt2")) {}

  fs::path folder(const std::string& name) const { return folder_.path() / name; }

  EvalSetup setup(const std::string& mode, std::size_t records) const {
    EvalSetup setup;
    setup.records = test::world_records(records);
    setup.mode = parse_eval_mode(mode);
    setup.metrics.push_back(make_rewrite_metric());
    return setup;
  }
  EvalSummary run(const EvalSetup& setup, const fs::path& out, Progress& progress) {
    Contender contender;
    contender.editor = &editor_;
    contender.context = world_.context;
    contender.folder = out;
    return run_eval(world_.model, setup, {contender}, progress)[0];
  }
  EvalSummary run(const EvalSetup& setup, const std::string& out) {
    SilentProgress silent;
    return run(setup, folder(out), silent);
  }
  // Which records of the folder have warnings: those of an edit that begins with them.
  std::vector<bool> warned(const std::string& out) const {
    std::vector<bool> warned;
    for (const RecordResult& record : read_results(folder(out)).records) {
      warned.push_back(!record.warnings.empty());
      if (!warned.back()) continue;
      EXPECT_THAT(record.warnings, ElementsAre("beware of " + record.id, "and of others"));
    }
    return warned;
  }

  test::EditWorld& world_;
  test::TempFolder folder_;
  Warner editor_;
};

TEST_F(Warnings, StandAtEachRecordOfItsOwnEdit) {
  EvalSetup some = setup("single", 4);
  some.records[1].request.target = some.records[1].request.was;  // the answer already: no edit
  EXPECT_THAT(run(some, "out").notes,
              Contains("Records with warnings of their edit: 3 of 3 (records.jsonl has them)."));
  EXPECT_THAT(warned("out"), ElementsAre(true, false, true, true));
}

TEST_F(Warnings, AFailedEditIsCountedAndNamed) {
  const EvalSetup some = setup("single", 4);
  editor_.failing = some.records[2].request.id;
  const EvalSummary summary = run(some, "out");
  EXPECT_EQ(summary.records, 4);
  EXPECT_EQ(summary.failed, 1);
  EXPECT_THAT(summary.notes,
              Contains(HasSubstr("Failed edits, which the figures count as they are: 1 of 4 (" +
                                 editor_.failing + ";")));
  EXPECT_EQ(read_summary(folder("out") / kSummaryFile).failed, 1);
  editor_.failing.clear();
  const EvalSummary all = run(some, "all");
  EXPECT_EQ(all.failed, 0);
  EXPECT_THAT(all.notes, Not(Contains(HasSubstr("Failed edits"))));
}

TEST_F(Warnings, OfAJointEditStandAtItsFirstRecord) {
  EvalSetup some = setup("batch:3", 6);
  some.records[3].request.target = some.records[3].request.was;
  EXPECT_THAT(run(some, "out").notes,
              Contains("Records with warnings of their edit: 2 of 5 (records.jsonl has them)."));
  EXPECT_THAT(warned("out"), ElementsAre(true, false, false, false, true, false));
}

TEST_F(Warnings, OfASequenceAreThereWhenItIsTakenUp) {
  run(setup("sequential:2", 6), "whole");
  EXPECT_THAT(warned("whole"), ElementsAre(true, false, true, false, true, false));
  EvalSetup again = setup("sequential:2", 6);
  again.resume = true;
  bool stepped = false;
  for (int signs = 1; !stepped; signs += 4) {
    ASSERT_LT(signs, 200);
    test::StopAt stop(signs);
    ASSERT_THROW(run(again, folder("parts"), stop), Error);
    stepped = fs::exists(folder("parts") / "steps" / "step_000001.safetensors");
  }
  run(again, "parts");
  EXPECT_EQ(test::read_all(folder("parts") / kRecordsFile), test::read_all(folder("whole") / kRecordsFile));
}

TEST_F(Warnings, OfAllPartsAreCountedTogether) {
  for (std::int64_t i = 0; i < 2; ++i) {
    EvalSetup part = setup("batch:2", 6);
    part.shard = {i, 2};
    EXPECT_THAT(run(part, "out/" + shard_folder(i, 2)).notes,
                Contains(HasSubstr(i == 0 ? "edit: 2 of 4" : "edit: 1 of 2")));
  }
  ASSERT_TRUE(join_shards(folder("out"), 2, "."));
  std::vector<std::string> told;
  for (const std::string& note : read_summary(folder("out") / kSummaryFile).notes)
    if (note.find("warnings") != std::string::npos) told.push_back(note);
  EXPECT_THAT(told, ElementsAre("Records with warnings of their edit: 3 of 6 (records.jsonl has them)."));
}

TEST_F(Warnings, AreLeftOutWhereThereAreNone) {
  editor_.silent = true;
  for (const std::string& note : run(setup("single", 2), "out").notes)
    EXPECT_THAT(note, testing::Not(HasSubstr("warnings")));
  EXPECT_THAT(test::read_all(folder("out") / kRecordsFile), testing::Not(HasSubstr("\"warnings\"")));
}

}  // namespace
}  // namespace emend
