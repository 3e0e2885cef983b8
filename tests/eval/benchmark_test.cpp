// A benchmark as a call of the library, on the invented world and C = I (no statistics to collect).
#include <gmock/gmock.h>

#include "analysis/layer_choice.h"
#include "base/expect_error.h"
#include "base/temp_folder.h"
#include "emend/error.h"
#include "emend/eval_results.h"
#include "emend/eval_run.h"
#include "eval/benchmark_data.h"
#include "eval/results/results_file.h"
#include "support/edit_world.h"
#include "support/model_files.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Few steps: quick, not good.
MethodFile quick(const std::string& label, const std::string& steps) {
  return {
      label, "rome",
      {},    {},
      {},    {{"covariance", {"false", "test"}}, {"contexts", {"0", "test"}}, {"steps", {steps, "test"}}}};
}

// One of two processes, which run one after the other here.
class OneOfTwo : public ShardGroup {
 public:
  explicit OneOfTwo(int rank) : rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return 2; }
  void sum_to_first(double*, std::int64_t) override {}
  std::vector<std::uint64_t> gather_to_first(const std::vector<std::uint64_t>& numbers) override {
    return numbers;
  }
  std::vector<std::uint64_t> gather_to_all(const std::vector<std::uint64_t>& numbers) override {
    return numbers;
  }
  void wait_for_all() override { ++waits; }

  int waits = 0;

 private:
  int rank_;
};

class BenchmarkTest : public testing::Test {
 protected:
  BenchmarkTest() : world_(test::EditWorld::of("gpt2")) {}

  BenchmarkOptions options(const std::string& out, std::int64_t records = 3) const {
    BenchmarkOptions options;
    options.dataset = "emend";
    options.data = test::data_path("world/edits.jsonl");
    options.end_record = records;
    options.methods = {quick("quick", "3")};
    options.statistics = folder_ / "stats";
    options.drift_tokens = 0;
    options.out = folder_ / out;
    return options;
  }
  BenchmarkOutcome run(const BenchmarkOptions& options, ShardGroup* group = nullptr) {
    SilentProgress silent;
    return run_benchmark(world_.model, options, silent, group);
  }
  // What is refused before there is a model.
  std::string refusal(ErrorKind kind, const BenchmarkOptions& options) const {
    return test::error_of(kind, [&] { const Benchmark benchmark(options); });
  }
  std::string records(const std::string& out) const { return test::read_all(folder_ / out / kRecordsFile); }

  test::EditWorld& world_;
  test::TempFolder folder_;
};

TEST_F(BenchmarkTest, GivesTheResultsOfAllMethods) {
  BenchmarkOptions some = options("out");
  some.first_record = 1;
  some.methods.push_back(quick("slower", "5"));
  const BenchmarkOutcome outcome = run(some);
  ASSERT_THAT(outcome.methods, SizeIs(2));
  EXPECT_TRUE(outcome.methods[0].folder == folder_ / "out/quick");
  EXPECT_EQ(outcome.methods[1].summary.label, "slower");
  EXPECT_EQ(outcome.methods[1].summary.options.at("steps"), "5");
  EXPECT_EQ(outcome.methods[0].summary.dtype, ComputeType::kFloat32);
  EXPECT_EQ(outcome.methods[0].summary.devices, std::vector{DeviceName()});
  ASSERT_THAT(outcome.methods[0].records, SizeIs(2));
  EXPECT_EQ(outcome.methods[0].records[0].index, 1);
  EXPECT_EQ(read_results(folder_ / "out/slower").summary.records, 2);
  EXPECT_EQ(compare_runs(folder_ / "out/quick", folder_ / "out/slower", {.draws = 10}).shared, 2);
}

TEST_F(BenchmarkTest, NamesTheFilesThatItWrites) {
  BenchmarkOptions two = options("out");
  two.shards = 2;
  const auto outputs = [](const BenchmarkOptions& options) {
    std::vector<std::string> files;
    for (const fs::path& file : Benchmark(options).outputs()) files.push_back(file.string());
    return files;
  };
  const std::vector<std::string> files = outputs(two);
  for (const char* name : {"report.html", "summary.json", "run.json", "shard-1-of-2/records.jsonl"})
    EXPECT_THAT(files, Contains((folder_ / "out" / name).string()));
  run(options("whole"));
  const std::vector<std::string> whole = outputs(options("whole"));
  for (const fs::directory_entry& file : fs::directory_iterator(folder_ / "whole"))
    EXPECT_THAT(whole, Contains(file.path().string()));
}

TEST_F(BenchmarkTest, TheLastPartJoinsAll) {
  run(options("whole", 40));
  BenchmarkOptions part = options("parts", 40);
  part.shards = 2;
  part.shard = 1;
  EXPECT_THAT(run(part).methods, IsEmpty());
  part.shard = 0;
  const BenchmarkOutcome joined = run(part);
  ASSERT_THAT(joined.methods, SizeIs(1));
  EXPECT_TRUE(joined.methods[0].folder == folder_ / "parts");
  EXPECT_EQ(records("parts"), records("whole"));
}

TEST_F(BenchmarkTest, TheFirstProcessOfAGroupHasTheOutcome) {
  run(options("whole", 40));
  OneOfTwo second(1), first(0);
  EXPECT_THAT(run(options("group", 40), &second).methods, IsEmpty());
  EXPECT_THAT(run(options("group", 40), &first).methods, SizeIs(1));
  EXPECT_EQ(records("group"), records("whole"));
  EXPECT_EQ(first.waits, second.waits);
}

TEST_F(BenchmarkTest, RefusesBeforeThereIsAModel) {
  const auto with = [&](const auto& change) {
    BenchmarkOptions changed = options("out");
    change(changed);
    return changed;
  };
  EXPECT_THAT(refusal(ErrorKind::kUsage, with([](auto& o) { o.dataset = "emnd"; })), HasSubstr("\"emend\""));
  EXPECT_THAT(refusal(ErrorKind::kUsage, with([](auto& o) { o.dataset = "zsre", o.known = true; })),
              HasSubstr("the option known does not go with the data set zsre"));
  EXPECT_THAT(refusal(ErrorKind::kUsage, with([](auto& o) { o.idf = "idf"; })), HasSubstr("snippets"));
  EXPECT_THAT(refusal(ErrorKind::kUsage, with([](auto& o) { o.temperature = 0.5; })),
              HasSubstr("the option temperature changes nothing without the option sampled"));
  EXPECT_THAT(refusal(ErrorKind::kUsage, with([](auto& o) { o.first_record = 400, o.end_record = -1; })),
              HasSubstr("the file has 400 usable records"));
  EXPECT_THAT(refusal(ErrorKind::kUsage, with([](auto& o) { o.first_record = 3; })), HasSubstr("are none"));
  EXPECT_THAT(refusal(ErrorKind::kUsage, with([](auto& o) { o.shard = 2, o.shards = 2; })),
              HasSubstr("no shard 2 of 2"));
  EXPECT_THAT(refusal(ErrorKind::kUsage, with([](auto& o) { o.methods.push_back(quick("quick", "9")); })),
              HasSubstr("two methods have the label \"quick\""));
  EXPECT_THAT(refusal(ErrorKind::kConfig, with([](auto& o) {
                        o.methods[0].options["stepz"] = {"3", "here"};
                      })),
              HasSubstr("did you mean \"steps\"?"));
  EXPECT_THAT(folder_.entries(), IsEmpty());
}

TEST_F(BenchmarkTest, RefusesLayersThatAMethodCannotEdit) {
  BenchmarkOptions several = options("out");
  several.layer.layers = {1, 2};
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { run(several); }),
              HasSubstr("quick: the method \"rome\" edits one layer, and 2 are listed"));
  several.layer = {{9}, "the layer asked for"};
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { run(several); }),
              HasSubstr("the layer asked for: there is no layer 9"));
  EXPECT_THAT(folder_.entries(), IsEmpty());
}

TEST(BenchmarkMethods, AreNamesAndOptionsFiles) {
  const test::TempFolder folder;
  const fs::path named = folder.write("named.yaml", "method: rome\nlabel: mine\n"),
                 plain = folder.write("plain.yaml", "options: {steps: 3}\n");
  const auto methods = benchmark_methods({"rome"}, {named, plain});
  ASSERT_THAT(methods, SizeIs(3));
  EXPECT_THAT(methods, Each(testing::Field(&MethodFile::method, "rome")));
  EXPECT_EQ(methods[0].label, "rome");
  EXPECT_EQ(methods[1].label, "mine");
  EXPECT_EQ(methods[2].label, "plain");
  EXPECT_EQ(benchmark_methods({}, {plain})[0].method, "rome");
  EXPECT_THAT(test::error_of(ErrorKind::kUsage,
                             [&] {
                               benchmark_methods({"rome", "memit"}, {plain});
                             }),
              HasSubstr("plain.yaml: the file names no method, and several are given beside it"));
}

TEST(HeldOutSubjects, AreMeasuredAndNotTold) {
  std::vector<EvalRecord> records(1);
  EditRequest& request = records[0].request;
  request.prompt = "The capital of France is";
  request.subject = "France";
  request.subject_begin = 15;
  request.bleed = {{"Italy", "Rome"}, {"Spain", "Madrid"}, {"Cuba", "Havana"}};
  request.neighbours = {{"The capital of Cuba is", "Havana"}, {"The capital of Spain is", "Madrid"}};
  const std::vector<EvalRecord> told = hold_out_subjects(records);
  const auto names = [](const EvalRecord& record) {
    std::vector<std::string> subjects;
    for (const OtherSubject& other : record.request.bleed) subjects.push_back(other.subject);
    return subjects;
  };
  EXPECT_THAT(names(records[0]), testing::ElementsAre("Italy", "Cuba"));
  EXPECT_THAT(names(told[0]), testing::ElementsAre("Spain"));
  ASSERT_THAT(told[0].request.neighbours, SizeIs(1)) << "Cuba's capital would protect a measured subject";
  EXPECT_EQ(told[0].request.neighbours[0].answer, "Madrid");
  EXPECT_THAT(records[0].request.neighbours, SizeIs(2)) << "all are asked";
}

TEST(DecisionText, SaysWhereLayersAreLevel) {
  LayerDecision decision;
  decision.layer = 3;
  decision.evidence = LayerEvidence::kTrial;
  decision.trial_facts = 30;
  decision.trial = {{3, 1.0, 0.0, 3, {}}, {4, 1.0, 0.0, 3, {}}, {5, 0.9, 0.1, 3, {}}};
  EXPECT_EQ(
      decision_text(decision),
      "Layer 3, decided by edits: score 1.00 over 30 facts edited one by one; layer 4 is level with it.");
  decision.trial = {{3, 0.95, 0.02, 3, {}}, {4, 0.9, 0.1, 3, {}}};
  EXPECT_EQ(decision_text(decision),
            "Layer 3, decided by edits: score 0.950 ± 0.020 over 30 facts edited one by one.");
  decision.trial_facts = 3;
  EXPECT_EQ(decision_text(decision),
            "Layer 3, decided by edits: score 0.950 ± 0.020 over 3 facts edited one by one. Fewer than "
            "10 facts tell layers apart by luck.");
}

}  // namespace
}  // namespace emend
