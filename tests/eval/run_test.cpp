// The run loop on the invented world: what stops and is taken up again, in parts or whole, gives the same
// files.
#include "eval/run.h"

#include <gmock/gmock.h>

#include <fstream>
#include <map>

#include "base/expect_error.h"
#include "base/temp_folder.h"
#include "emend/error.h"
#include "emend/tensor_file.h"
#include "eval/measure.h"
#include "eval/results/results_file.h"
#include "eval/shards.h"
#include "support/edit_world.h"
#include "support/eval_world.h"
#include "support/stop_at.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr std::size_t kRecords = 36;  // two units of single mode

class RunTest : public testing::Test {
 protected:
  RunTest() : world_(test::EditWorld::of("gpt2")) {
    for (const char* keys : {"context+bare", "prompt"})
      editors_.push_back(
          test::EditWorld::editor({{"keys", keys}, {"steps", "6"}, {"contexts", "2"}, {"step", "0.6"}}));
  }
  fs::path folder(const std::string& name) const { return folder_.path() / name; }

  std::vector<Contender> contenders(const fs::path& out, std::size_t count = 1) const {
    std::vector<Contender> list;
    for (std::size_t i = 0; i < count; ++i) {
      Contender contender;
      contender.header.emend = "test";
      contender.header.model_fingerprint = "m";
      contender.header.data_fingerprint = "d";
      contender.header.dataset = "emend";
      contender.header.method = "rome";
      contender.header.label = i == 0 ? "both" : "prompt";
      contender.editor = editors_[i].get();
      contender.context = world_.context;
      contender.folder = count == 1 ? out : out / contender.header.label;
      list.push_back(std::move(contender));
    }
    return list;
  }

  EvalSetup setup(const std::string& mode, std::size_t records = kRecords) const {
    EvalSetup setup;
    setup.records = test::world_records(records);
    setup.mode = parse_eval_mode(mode);
    setup.metrics.push_back(make_rewrite_metric());
    setup.drift_rows = {prompt_ids(world_.model.tokenizer(), setup.records[0].request.prompt, world_.form)};
    return setup;
  }

  std::vector<EvalSummary> run(const EvalSetup& setup, const fs::path& out, std::size_t count = 1) {
    SilentProgress silent;
    return run_eval(world_.model, setup, contenders(out, count), silent);
  }

  test::EditWorld& world_;
  test::TempFolder folder_;
  std::vector<std::unique_ptr<Editor>> editors_;
};

TEST_F(RunTest, SingleModeTakenUpAfterEachStopGivesTheSameFiles) {
  const auto whole = run(setup("single"), folder("whole"), 2);
  ASSERT_EQ(whole.size(), 2u);
  EXPECT_EQ(whole[0].records, static_cast<std::int64_t>(kRecords));
  EXPECT_GT(whole[0].metrics.at("efficacy_success").mean, whole[0].base.at("efficacy_success").mean);
  EXPECT_EQ(whole[0].metrics.at("drift_perplexity").n, static_cast<std::int64_t>(kRecords));
  EvalSetup again = setup("single");
  again.resume = true;
  bool half_way = false;
  for (int signs = 1; !half_way; signs += 12) {
    ASSERT_LT(signs, 1000);
    test::StopAt stop(signs);
    ASSERT_THROW(run_eval(world_.model, again, contenders(folder("parts"), 2), stop), Error);
    half_way = read_finished_records(folder("parts") / "both" / kRecordsFile, nullptr).size() ==
               static_cast<std::size_t>(kTogether);
  }
  // A kill in the middle of a write leaves half a line.
  std::ofstream(folder("parts") / "both" / kRecordsFile, std::ios::app) << "{\"index\": 16, \"id\"";
  run(again, folder("parts"), 2);
  for (const char* label : {"both", "prompt"})
    EXPECT_EQ(test::read_all(folder("parts") / label / kRecordsFile),
              test::read_all(folder("whole") / label / kRecordsFile))
        << label;
  EXPECT_NE(test::read_all(folder("whole") / "both" / kRecordsFile),
            test::read_all(folder("whole") / "prompt" / kRecordsFile));
}

// What a run took is the sum over all processes that worked on it; looking at a finished one adds nothing.
TEST_F(RunTest, SecondsOfARunInPartsAreThoseOfAllParts) {
  EvalSetup again = setup("batch:4", 12);
  again.resume = true;
  std::map<std::string, double> first;
  for (int signs = 1; first.empty(); signs += 6) {
    ASSERT_LT(signs, 1000);
    test::StopAt stop(signs);
    ASSERT_THROW(run_eval(world_.model, again, contenders(folder("out")), stop), Error);
    if (!fs::exists(folder("out") / "seconds.json")) continue;
    const auto kept = nlohmann::json::parse(test::read_all(folder("out") / "seconds.json"));
    for (const auto& [part, time] : kept.items()) first[part] = time;
  }
  EXPECT_GT(first.at("search"), 0);
  EXPECT_GT(first.at("solve"), 0);
  const auto whole = run(again, folder("out"))[0].seconds;
  double sum = 0;
  for (const char* part : {"search", "solve", "evaluation"}) {
    EXPECT_GT(whole.at(part), first.at(part)) << part;
    sum += whole.at(part);
  }
  EXPECT_NEAR(whole.at("total"), sum, 1e-9);
  EXPECT_EQ(run(again, folder("out"))[0].seconds, whole);
}

TEST_F(RunTest, ShardsJoinToTheSameRecords) {
  const auto whole = run(setup("single"), folder("whole"))[0];
  for (std::int64_t i = 0; i < 2; ++i) {
    EvalSetup part = setup("single");
    part.shard = {i, 2};
    EXPECT_EQ(join_shards(folder("out"), 2, "."), false);
    run(part, folder("out") / shard_folder(i, 2));
  }
  EXPECT_TRUE(join_shards(folder("out"), 2, "."));
  EXPECT_EQ(test::read_all(folder("out") / kRecordsFile), test::read_all(folder("whole") / kRecordsFile));
  const EvalSummary joined = read_summary(folder("out") / kSummaryFile);
  EXPECT_EQ(joined.records, whole.records);
  EXPECT_EQ(joined.metrics.at("paraphrase_success").mean, whole.metrics.at("paraphrase_success").mean);
}

TEST_F(RunTest, SequentialStandsWhereItStood) {
  const std::size_t records = 12;
  const auto before = world_.weight().clone();
  const auto whole = run(setup("sequential:4", records), folder("whole"))[0];
  EXPECT_TRUE(at::equal(before, world_.weight()));  // the model is as it was
  ASSERT_EQ(whole.retention.size(), 3u);
  EXPECT_EQ(whole.retention[0].edits, 4);
  EXPECT_EQ(whole.retention[2].edits, 12);
  EXPECT_EQ(whole.retention[2].metrics.at("efficacy_success").mean,
            whole.metrics.at("efficacy_success").mean);
  EvalSetup again = setup("sequential:4", records);
  again.resume = true;
  for (const int signs : {2, 12}) {
    test::StopAt stop(signs);
    EXPECT_THROW(run_eval(world_.model, again, contenders(folder("parts")), stop), Error);
    EXPECT_TRUE(at::equal(before, world_.weight()));
  }
  const auto resumed = run(again, folder("parts"))[0];
  EXPECT_EQ(test::read_all(folder("parts") / kRecordsFile), test::read_all(folder("whole") / kRecordsFile));
  ASSERT_EQ(resumed.retention.size(), 3u);
  EXPECT_EQ(resumed.retention[1].metrics.at("neighbourhood_success").mean,
            whole.retention[1].metrics.at("neighbourhood_success").mean);
}

// On its way: after the first step that reaches a point, and at the end, where it is what the run ends with.
TEST_F(RunTest, ACurveIsMeasuredOnTheWay) {
  EvalSetup some = setup("sequential:2", 12);
  some.curve = {{1, 3, 4, 300}};
  const EvalSummary summary = run(some, folder("curve"))[0];
  ASSERT_EQ(summary.curve.size(), 3u);
  EXPECT_EQ(summary.curve[0].edits, 2);
  EXPECT_EQ(summary.curve[1].edits, 4);
  EXPECT_EQ(summary.curve[2].edits, 12);
  EXPECT_EQ(summary.curve[1].metrics.at("efficacy_success").n, 4);
  EXPECT_EQ(summary.curve[1].metrics.at("drift_kl").n, 1);
  EXPECT_GT(summary.curve[2].metrics.at("drift_kl").mean, summary.curve[0].metrics.at("drift_kl").mean);
  EXPECT_EQ(summary.curve[2].first_records, 10);
  EXPECT_EQ(summary.curve[2].metrics.at("score").mean, summary.metrics.at("score").mean);
  ASSERT_EQ(summary.retention.size(), 3u);  // at the named points alone
  EXPECT_EQ(summary.curve[1].metrics.at("score").mean, summary.retention[1].metrics.at("score").mean);
  EXPECT_THAT(summary.notes,
              testing::Contains(HasSubstr("beyond the last of 12 records, which were not measured: 300.")));

  EvalSetup without = setup("sequential:2", 12);
  without.curve = std::vector<std::int64_t>();
  const EvalSummary plain = run(without, folder("plain"))[0];
  EXPECT_TRUE(plain.curve.empty());
  EXPECT_FALSE(fs::exists(folder("plain") / "curve"));
  EXPECT_EQ(test::read_all(folder("plain") / kRecordsFile), test::read_all(folder("curve") / kRecordsFile));
  EXPECT_EQ(plain.retention.size(), 6u);
}

// Also where a point was lost of a step that is kept.
TEST_F(RunTest, ACurveIsTakenUpWhereItStood) {
  EvalSetup some = setup("sequential:3", 12);
  const EvalSummary whole = run(some, folder("whole"))[0];  // by the usual points: 1, 10 and the end
  ASSERT_EQ(whole.curve.size(), 2u);
  EXPECT_EQ(whole.curve[0].edits, 3);
  some.resume = true;
  for (const int signs : {2, 12}) {
    test::StopAt stop(signs);
    EXPECT_THROW(run_eval(world_.model, some, contenders(folder("parts")), stop), Error);
  }
  fs::remove(folder("parts") / "curve" / "edits_000003.jsonl");
  const EvalSummary resumed = run(some, folder("parts"))[0];
  EXPECT_EQ(test::read_all(folder("parts") / kRecordsFile), test::read_all(folder("whole") / kRecordsFile));
  for (const char* name : {"edits_000003.jsonl", "edits_000012.jsonl"})
    EXPECT_EQ(test::read_all(folder("parts") / "curve" / name),
              test::read_all(folder("whole") / "curve" / name))
        << name;
  EXPECT_EQ(summary_to_json(resumed)["curve"], summary_to_json(whole)["curve"]);
  EXPECT_EQ(summary_to_json(resumed)["retention"], summary_to_json(whole)["retention"]);
  EXPECT_EQ(summary_to_json(run(some, folder("parts"))[0])["curve"], summary_to_json(whole)["curve"]);
  some.curve = {{5}};
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { run(some, folder("parts")); }), HasSubstr("curve"));
}

// What a sequence ends with is measured on the sum of all its steps: records of early steps still hold where
// a batch holds.
TEST_F(RunTest, SequentialMeasuresAllSteps) {
  const auto steps = run(setup("sequential:3", 12), folder("steps"))[0];
  EXPECT_GE(steps.metrics.at("efficacy_success").mean, 0.9);
  const EvalResults results = read_results(folder("steps"));
  EXPECT_EQ(results.records[0].metrics.at("efficacy_success"), 1);
  EXPECT_EQ(results.records[11].metrics.at("efficacy_success"), 1);
}

// Files in the steps' folder that no step of this run wrote.
TEST_F(RunTest, AForeignStepIsRefusedByName) {
  const EvalSetup first = setup("sequential:3", 12);
  run(first, folder("steps"));
  for (const char* name : {kRecordsFile, kSummaryFile}) fs::remove(folder("steps") / name);
  EvalSetup again = setup("sequential:3", 12);
  again.resume = true;
  const fs::path file = folder("steps") / "steps/step_000001.safetensors";
  const auto refused = [&](const std::map<std::string, std::string>& metadata, const std::string& why) {
    write_safetensors(file, {}, metadata);
    EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { run(again, folder("steps")); }),
                testing::AllOf(HasSubstr(file.string()), HasSubstr(why)));
  };
  refused({{"emend.format", "2"}}, "outcomes");
  refused({{"outcomes", "[]"}}, "0 records");
  refused({{"outcomes", "[{}]"}}, "status");
  refused({{"outcomes", "no JSON"}}, "outcomes");
  refused({{"outcomes", "[]"}, {"block.0", "low"}}, "block.0");
  refused({{"outcomes", "[]"}, {"block.0", "1"}}, "no matrix");
  fs::remove(file);
  run(again, folder("steps"));  // from the step before it
}

// Two edited models, two measurements of drift.
TEST_F(RunTest, BatchRecordsShareOneEditedModelAndItsDrift) {
  const auto summary = run(setup("batch:6", 12), folder("out"))[0];
  EXPECT_EQ(summary.records, 12);
  EXPECT_EQ(summary.metrics.at("efficacy_success").n, 12);
  EXPECT_EQ(summary.metrics.at("drift_kl").n, 2);
  const EvalResults results = read_results(folder("out"));
  EXPECT_EQ(results.records[5].metrics.count("drift_kl"), 0u);
  EXPECT_NE(results.records[0].metrics.at("drift_kl"), results.records[6].metrics.at("drift_kl"));
}

// A pair that cannot both be right is left out; the others are edited.
TEST_F(RunTest, AContradictingPairDoesNotStopItsBatch) {
  EvalSetup some = setup("batch:4", 4);
  some.records[3].request.prompt = some.records[1].request.prompt;
  some.records[3].request.subject = some.records[1].request.subject;
  some.records[3].request.subject_begin = some.records[1].request.subject_begin;
  some.records[3].request.was = some.records[1].request.was;
  ASSERT_NE(some.records[3].request.target, some.records[1].request.target);
  const EvalSummary summary = run(some, folder("out"))[0];
  EXPECT_EQ(summary.records, 2);
  EXPECT_EQ(summary.skipped.at("contradicts another record of the same edit"), 2);
  const EvalResults results = read_results(folder("out"));
  EXPECT_EQ(results.records[0].status, RecordStatus::kEdited);
  EXPECT_EQ(results.records[2].status, RecordStatus::kEdited);
  EXPECT_GT(summary.metrics.at("efficacy_success").mean, summary.base.at("efficacy_success").mean);
}

TEST_F(RunTest, WhatIsTrueOrNotKnownIsCountedApart) {
  EvalSetup some = setup("single", 6);
  some.records[1].request.target = some.records[1].request.was;  // the answer already
  some.records[2].request.was = "Atlantis";                      // nobody says so
  some.known_only = true;
  const EvalSummary summary = run(some, folder("out"))[0];
  EXPECT_EQ(summary.records, 4);
  EXPECT_EQ(summary.skipped.at("already true"), 1);
  EXPECT_EQ(summary.skipped.at("not known by the model"), 1);
  EXPECT_EQ(summary.metrics.at("efficacy_success").n, 4);
}

TEST_F(RunTest, AnotherRunsFolderIsRefused) {
  run(setup("single", 2), folder("out"));
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { run(setup("single", 2), folder("out")); }),
              HasSubstr("take it up with the option resume"));
  EvalSetup other = setup("single", 3);
  other.resume = true;
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { run(other, folder("out")); }),
              testing::AllOf(HasSubstr("another run"), HasSubstr("record_count: 2 there, 3 now")));
}

}  // namespace
}  // namespace emend
