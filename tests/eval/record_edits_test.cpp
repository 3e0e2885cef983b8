// What an editor refuses becomes the result of the records concerned.
#include "eval/record_edits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/expect_error.h"
#include "emend/error.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

// Refuses requests that hold two of the same subject, as an editor refuses keys that it cannot tell apart;
// edits nothing.
class Picky : public Editor {
 public:
  std::string name() const override { return "picky"; }
  bool needs_statistics() const override { return false; }
  std::map<std::string, std::string> options() const override { return {}; }
  Objective objective() const override { return Objective::kNone; }
  EditPlan plan(const Model&, const std::vector<EditRequest>& requests, const EditorContext&) const override {
    for (std::size_t i = 0; i < requests.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (requests[i].subject == requests[j].subject)
          throw Error(ErrorKind::kConfig,
                      "edits " + requests[j].id + " and " + requests[i].id + " are too near");
    return {};
  }
  Edit edit(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& context,
            Progress&) const override {
    plan(model, requests, context);
    if (requests.size() == stubborn) throw Error(ErrorKind::kNumeric, "no way");
    Edit edit;
    for (const EditRequest& request : requests) {
      edit.facts.emplace_back();
      edit.facts.back().request = request;
      edit.facts.back().parts.emplace_back();
    }
    return edit;
  }
  std::vector<Edit> edit_each(const Model&, const std::vector<EditRequest>&, const EditorContext&,
                              Progress&) const override {
    return {};
  }

  std::size_t stubborn = 0;  // so many requests pass the plan and fail
};

EditRequest request(const std::string& id, const std::string& subject, const std::string& prompt = "",
                    const std::string& target = "t") {
  EditRequest request;
  request.id = id;
  request.subject = subject;
  request.prompt = prompt;
  request.target = target;
  return request;
}

std::map<std::string, std::string> outcomes(const Picky& editor, const std::vector<EditRequest>& requests) {
  SilentProgress silent;
  Edit edit = edit_together(editor, test::tiny_model("gpt2"), requests, {}, silent);
  std::map<std::string, std::string> by_id;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(edit.facts[i].request.id, requests[i].id);
    EditedRecord state;
    note_outcome(edit, i, state);
    by_id[requests[i].id] = std::string(to_string(state.status)) + " " + state.reason;
  }
  return by_id;
}

TEST(RecordEdits, WhoIsRefusedFailsAndTheOthersAreEdited) {
  const std::vector<EditRequest> requests = {request("a", "A"), request("b", "B"), request("c", "A"),
                                             request("d", "D"), request("e", "B"), request("f", "F")};
  EXPECT_EQ(outcomes({}, requests),
            (std::map<std::string, std::string>{{"a", "edited "},
                                                {"b", "edited "},
                                                {"c", "failed edits a and c are too near"},
                                                {"d", "edited "},
                                                {"e", "failed edits b and e are too near"},
                                                {"f", "edited "}}));
}

TEST(RecordEdits, AFailureThatIsNobodysFailsAll) {
  Picky editor;
  editor.stubborn = 2;
  EXPECT_EQ(outcomes(editor, {request("a", "A"), request("b", "B")}),
            (std::map<std::string, std::string>{{"a", "failed no way"}, {"b", "failed no way"}}));
}

TEST(RecordEdits, WarningsGoToTheFirstRecordAndThroughTheFileOfAStep) {
  SilentProgress silent;
  const std::vector<EditRequest> requests = {request("a", "A"), request("b", "B")};
  Edit edit = edit_together(Picky(), test::tiny_model("gpt2"), requests, {}, silent);
  edit.warnings = {"one", "two"};
  std::vector<EditedRecord> states(2);
  for (std::size_t i = 0; i < 2; ++i) note_outcome(edit, i, states[i]);
  EXPECT_EQ(states[0].warnings, (std::vector<std::string>{"one", "two"}));
  EXPECT_TRUE(states[1].warnings.empty());
  nlohmann::json steps = outcomes_json(states);
  EXPECT_EQ(outcomes_from(steps.dump(), "step")[0].warnings, states[0].warnings);
  steps[0].erase("warnings");  // a step of an earlier version
  EXPECT_TRUE(outcomes_from(steps.dump(), "step")[0].warnings.empty());
  steps[0]["loss"] = std::nan("");  // of a search that found nothing
  EXPECT_TRUE(std::isnan(outcomes_from(steps.dump(), "step")[0].loss));
  steps[0]["status"] = "done";
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { outcomes_from(steps.dump(), "step"); }),
              testing::AllOf(testing::HasSubstr("step"), testing::HasSubstr("status")));
}

TEST(RecordEdits, WarningsPassOverFactsThatFailed) {
  const std::vector<EditRequest> requests = {request("a", "A"), request("b", "B"), request("c", "C")};
  const auto warned = [&](const std::vector<FactStatus>& statuses) {
    Edit edit;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      edit.facts.emplace_back();
      edit.facts.back().request = requests[i];
      edit.facts.back().status = statuses[i];
    }
    edit.warnings = {"beware"};
    std::string ids;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      EditedRecord state;
      note_outcome(edit, i, state);
      if (!state.warnings.empty()) ids += requests[i].id;
    }
    return ids;
  };
  EXPECT_EQ(warned({FactStatus::kFailed, FactStatus::kEdited, FactStatus::kEdited}), "b");
  EXPECT_EQ(warned({FactStatus::kFailed, FactStatus::kFailed, FactStatus::kFailed}), "a");
}

TEST(RecordEdits, ContradictionsAreLeftOutWhereBothWouldBeEdited) {
  const std::vector<EditRequest> requests = {request("a", "A", "A is", "x"), request("b", "A", "A is", "y"),
                                             request("c", "A", "A is", "x"), request("d", "D", "D is", "x"),
                                             request("e", "E", "E is", "x"), request("f", "E", "E is", "y")};
  std::vector<EditedRecord> states(requests.size());
  states[5].status = RecordStatus::kAlreadyTrue;
  leave_out_contradictions(requests, states);
  for (const std::size_t i : {0u, 1u, 2u}) EXPECT_EQ(states[i].status, RecordStatus::kSkipped) << i;
  for (const std::size_t i : {3u, 4u}) EXPECT_EQ(states[i].status, RecordStatus::kEdited) << i;
  EXPECT_EQ(states[5].status, RecordStatus::kAlreadyTrue);
}

}  // namespace
}  // namespace emend
