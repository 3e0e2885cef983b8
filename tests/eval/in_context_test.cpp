// In-context editing on the invented world: the facts stand in front of every prompt, and nothing else
// changes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/expect_error.h"
#include "base/temp_folder.h"
#include "emend/error.h"
#include "emend/eval_run.h"
#include "emend/generate.h"
#include "eval/results/results_file.h"
#include "eval/run.h"
#include "measure/questions.h"
#include "support/edit_world.h"
#include "support/eval_world.h"
#include "support/stop_at.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::unique_ptr<Editor> editor_of(const std::map<std::string, std::string>& options = {}) {
  std::map<std::string, OptionText> texts;
  for (const auto& [name, value] : options) texts[name] = {value, "test"};
  return make_editor("in-context", texts, benchmark_editors());
}

// "{prompt} {target}. "
std::string statement(const EvalRecord& record) {
  return record.request.prompt + " " + record.request.target + ". ";
}

class InContextTest : public testing::Test {
 protected:
  InContextTest() : world_(test::EditWorld::of("llama")), editor_(editor_of()) {}

  EvalSetup setup(const std::string& mode, std::size_t records) const {
    EvalSetup setup;
    setup.records = test::world_records(records);
    for (EvalRecord& record : setup.records) record.generations.clear();
    setup.mode = parse_eval_mode(mode);
    setup.metrics.push_back(make_rewrite_metric());
    setup.drift_rows = {ids(setup.records[0].request.prompt)};
    return setup;
  }
  Contender contender(const fs::path& out) const {
    Contender contender;
    contender.header.emend = "test";
    contender.header.model_fingerprint = "m";
    contender.header.data_fingerprint = "d";
    contender.header.dataset = "emend";
    contender.header.method = contender.header.label = "in-context";
    contender.editor = editor_.get();
    contender.context.prefix = world_.context.prefix;
    contender.folder = out;
    return contender;
  }
  EvalSummary run(const EvalSetup& setup, const fs::path& out) {
    SilentProgress silent;
    return run_eval(world_.model, setup, {contender(out)}, silent)[0];
  }
  TokenIds ids(const std::string& text) const {
    return prompt_ids(world_.model.tokenizer(), text, world_.form);
  }

  // p of the answer per token behind a text, by a plain pass.
  double p_behind(const std::string& text, const std::string& answer) const {
    const TokenIds target = target_ids(world_.model.tokenizer(), answer, world_.form);
    return std::exp(-score_continuations(world_.model, {ids(text)}, {{0, target}})[0].nll);
  }
  // Each prompt of the record behind `front`.
  void expect_behind(const std::string& front, const RecordResult& result) const {
    EXPECT_FALSE(result.answers.empty());
    for (const AnswerTrace& trace : result.answers) {
      EXPECT_NEAR(trace.after.p_target, p_behind(front + trace.prompt, result.target), 1e-4) << trace.prompt;
      EXPECT_NEAR(trace.before.p_target, p_behind(trace.prompt, result.target), 1e-4) << trace.prompt;
    }
  }

  test::EditWorld& world_;
  const std::unique_ptr<Editor> editor_;
  test::TempFolder folder_;
};

TEST_F(InContextTest, WordsAsDocumented) {
  std::vector<EditRequest> facts(2);
  facts[0].prompt = "Orm lives in";
  facts[0].target = "Velm";
  facts[1].prompt = "Esk was born in";
  facts[1].target = "Tusk";
  EXPECT_EQ(editor_->text_in_front(facts), "Orm lives in Velm. Esk was born in Tusk. ");
  EXPECT_EQ(editor_of({{"preset", "paper"}})->text_in_front(facts),
            "New Fact: Orm lives in Velm\nNew Fact: Esk was born in Tusk\nPrompt: ");
  EXPECT_EQ(editor_of({{"preset", "paper"}})->text_in_front({}), "");
  EXPECT_EQ(editor_->text_in_front({}), "");
  EXPECT_EQ(editor_of({{"preset", "paper"}})->options().at("wording"), "new-fact");
  EXPECT_EQ(editor_of({{"preset", "paper"}, {"wording", "statement"}})->text_in_front({facts[0]}),
            "Orm lives in Velm. ");
}

// The rows of a sheet have the tokens of what stands in front, and answers the names of the prompts alone.
TEST_F(InContextTest, RowsHoldTheTextInFront) {
  std::vector<Questions> questions(2);
  questions[0].score("Kindric Gemover has long been a", "painter");
  questions[1].score("Kindric Gemover has long been a", "painter");
  questions[1].write_from("Kindric Gemover");
  const std::string front = statement(test::world_records(1)[0]);
  const Tokenizer& tokenizer = world_.model.tokenizer();
  const QuestionSheet sheet = question_sheet(tokenizer, questions, world_.form, 3, {"", front});
  EXPECT_EQ(sheet.prompts[0], ids("Kindric Gemover has long been a"));
  EXPECT_EQ(sheet.prompts[1], ids(front + "Kindric Gemover has long been a"));
  EXPECT_GE(sheet.prompts[1].size(), sheet.prompts[0].size() + 8);
  EXPECT_EQ(sheet.prompt_text[1], "Kindric Gemover has long been a");
  // What stands in front is not part of a sampled text's length.
  const QuestionSheet written = writing_sheet(tokenizer, questions, world_.form, 100, 0, {"", front});
  EXPECT_EQ(written.max_new[0], 100 - static_cast<std::int64_t>(ids("Kindric Gemover").size()));
  EXPECT_EQ(longest_row(written), static_cast<std::int64_t>(written.prompts[0].size()) + written.max_new[0]);
}

TEST_F(InContextTest, AloneEachRecordStandsBehindItsOwnFact) {
  const auto before = world_.weight().clone();
  const EvalSummary summary = run(setup("single", 6), folder_ / "single");
  EXPECT_TRUE(at::equal(before, world_.weight()));
  const EvalResults results = read_results(folder_ / "single");
  const auto records = test::world_records(6);
  double successes = 0;  // these small models hardly read what stands in front
  for (std::size_t r = 0; r < records.size(); ++r) {
    ASSERT_EQ(results.records[r].status, RecordStatus::kEdited);
    expect_behind(statement(records[r]), results.records[r]);
    const EditRequest& request = records[r].request;
    const std::string text = statement(records[r]) + request.prompt;
    successes += p_behind(text, request.target) > p_behind(text, request.was) ? 1 : 0;
  }
  EXPECT_EQ(summary.metrics.at("efficacy_success").mean, successes / 6);
  EXPECT_EQ(summary.base.at("efficacy_success").mean, 0);
  EXPECT_EQ(summary.metrics.count("drift_kl"), 0u);
  EXPECT_THAT(summary.notes, testing::Contains("Drift was not measured: no weight changes."));
}

TEST_F(InContextTest, ABatchStandsInFrontOfEachOfItsPrompts) {
  run(setup("batch:2", 4), folder_ / "batch");
  const EvalResults results = read_results(folder_ / "batch");
  const auto records = test::world_records(4);
  for (std::size_t r = 0; r < records.size(); ++r) {
    const std::size_t first = r / 2 * 2;
    expect_behind(statement(records[first]) + statement(records[first + 1]), results.records[r]);
  }
}

TEST_F(InContextTest, ASequenceTellsAllSoFarAndIsTakenUp) {
  EvalSetup some = setup("sequential:2", 6);
  some.curve = {{2, 4}};
  const EvalSummary whole = run(some, folder_ / "whole");
  const EvalResults results = read_results(folder_ / "whole");
  const auto records = test::world_records(6);
  std::string all;
  for (const EvalRecord& record : records) all += statement(record);
  for (const RecordResult& result : results.records) expect_behind(all, result);
  ASSERT_EQ(whole.curve.size(), 3u);
  some.resume = true;
  for (const int signs : {2, 3}) {
    test::StopAt stop(signs);
    EXPECT_THROW(run_eval(world_.model, some, {contender(folder_ / "parts")}, stop), Error) << signs;
  }
  const EvalSummary resumed = run(some, folder_ / "parts");
  EXPECT_EQ(test::read_all(folder_ / "parts" / kRecordsFile),
            test::read_all(folder_ / "whole" / kRecordsFile));
  ASSERT_EQ(resumed.curve.size(), 3u);
  EXPECT_EQ(resumed.curve[1].metrics.at("score").mean, whole.curve[1].metrics.at("score").mean);
}

// The positions of the model bound how many facts fit; the others are failed edits, which say so.
TEST_F(InContextTest, FactsWithoutRoomFail) {
  EvalSetup many = setup("sequential:20", 40);
  std::string all;
  for (const EvalRecord& record : many.records) all += statement(record);
  ASSERT_GT(static_cast<std::int64_t>(ids(all).size()), world_.model.config().max_positions);
  const EvalSummary summary = run(many, folder_ / "many");
  const EvalResults results = read_results(folder_ / "many");
  std::string told;
  std::size_t edited = 0;
  for (std::size_t r = 0; r < many.records.size(); ++r) {
    if (results.records[r].status != RecordStatus::kEdited) {
      EXPECT_EQ(results.records[r].status, RecordStatus::kFailed);
      EXPECT_THAT(results.records[r].reason, HasSubstr("no room in front of a prompt: beside"));
      continue;
    }
    told += statement(many.records[r]);
    ++edited;
  }
  EXPECT_GT(edited, 4u);
  EXPECT_LT(edited, many.records.size());
  expect_behind(told, results.records.back());
  expect_behind(told, results.records.front());
  EXPECT_THAT(summary.notes, testing::Contains(HasSubstr(std::to_string(40 - edited) +
                                                         " of 40 facts had no room in front of a prompt")));
}

TEST_F(InContextTest, StandsBesideEditorsInABenchmark) {
  BenchmarkOptions options;
  options.dataset = "emend";
  options.data = test::data_path("world/edits.jsonl");
  options.end_record = 3;
  options.methods = benchmark_methods({"in-context", "ft"}, {});
  options.layer = {{2}, "--layer"};
  options.drift_tokens = 0;
  options.out = folder_ / "out";
  const BenchmarkOutcome outcome = run_benchmark(world_.model, options);
  ASSERT_EQ(outcome.methods.size(), 2u);
  const EvalSummary& told = outcome.methods[0].summary;
  EXPECT_EQ(told.label, "in-context");
  EXPECT_EQ(told.options.count("layer"), 0u);
  EXPECT_EQ(told.options.at("wording"), "statement");
  EXPECT_EQ(outcome.methods[1].summary.options.at("layer"), "2");
  EXPECT_EQ(compare_runs(folder_ / "out/in-context", folder_ / "out/ft", {.draws = 10}).shared, 3);
  options.resume = true;
  run_benchmark(world_.model, options);

  options.plus = true;
  EXPECT_THAT(test::error_of(ErrorKind::kUsage, [&] { const Benchmark refused(options); }),
              HasSubstr("the option plus does not go with \"in-context\""));
}

TEST_F(InContextTest, IsNoMethodOfEditFilesAndHasNoLayer) {
  EXPECT_THROW(make_editor("in-context", {}), Error);
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { require_layer_use(*editor_, {3}, "x.yaml: layer"); }),
              HasSubstr("x.yaml: layer: the method \"in-context\" changes no weights, and layer 3 is given"));
}

}  // namespace
}  // namespace emend
