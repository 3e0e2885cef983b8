#include "eval/results/results_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "../../cli/scratch_folder.h"
#include "../../support/sample_results.h"
#include "base/files.h"
#include "emend/error.h"

namespace emend {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

template <typename Function>
std::string refusal(const Function& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was refused";
}

std::string through_json(const EvalSummary& summary) {
  const nlohmann::json json = nlohmann::json::parse(summary_to_json(summary).dump());
  return summary_to_json(summary_from_json(json, "x")).dump();
}

TEST(SummaryFile, ReadsBackAsItWas) {
  EvalSummary summary = sample_summary("rome");
  summary.retention = {{10, {{"efficacy_success", {0.1 + 0.2, 0.1, 10}}}}, {20, {}}};
  summary.curve = {{10, {{"score_generated", {0.1 + 0.2, 0.1, 10}}}, 7, {{"efficacy_success", {1, 0, 7}}}}};
  EXPECT_EQ(through_json(summary), summary_to_json(summary).dump());
  EXPECT_EQ(through_json(EvalSummary{}), summary_to_json(EvalSummary{}).dump());
  ScratchFolder folder;
  write_summary(folder.path(), summary);
  const EvalSummary read = read_summary(folder / "summary.json");
  EXPECT_EQ(read.seed, 18446744073709551615u);
  EXPECT_EQ(read.retention[0].metrics.at("efficacy_success").mean, 0.1 + 0.2);
  ASSERT_EQ(read.curve.size(), 1u);
  EXPECT_EQ(read.curve[0].metrics.at("score_generated").mean, 0.1 + 0.2);
  EXPECT_EQ(read.curve[0].first_records, 7);
  EXPECT_EQ(read.curve[0].first_metrics.at("efficacy_success").n, 7);
  EXPECT_EQ(read.skipped.at("already true"), 1);
}

TEST(SummaryFile, HasTheKeysOfTheContract) {
  const auto json = summary_to_json(sample_summary("rome"));
  EXPECT_EQ(json["model"]["path"], "models/small.gguf");
  EXPECT_EQ(json["dataset"], "counterfact");
  EXPECT_EQ(json["metrics"]["efficacy_success"].dump(), R"({"mean":0.975,"ci95":0.012,"n":2})");
  for (const char* key : {"emend", "method", "mode", "records", "skipped", "seconds", "base"})
    EXPECT_TRUE(json.contains(key)) << key;
  EXPECT_TRUE(summary_to_json(EvalSummary{})["statistics_fingerprint"].is_null());
}

TEST(SummaryFile, OfAnOlderVersionDoesNotSayHowManyFailed) {
  EvalSummary summary = sample_summary("rome");
  EXPECT_FALSE(summary_to_json(summary).contains("failed"));
  EXPECT_EQ(summary_from_json(summary_to_json(summary), "x").failed, std::nullopt);
  summary.failed = 2;
  EXPECT_EQ(summary_from_json(summary_to_json(summary), "x").failed, 2);
}

TEST(SummaryFile, NamesACurveOnlyWhereThereIsOne) {
  EvalSummary summary = sample_summary("rome");
  EXPECT_FALSE(summary_to_json(summary).contains("curve"));
  summary.curve = {{10, {}, 3, {{"score", {0.5, 0.1, 3}}}}};
  EXPECT_EQ(
      summary_to_json(summary)["curve"].dump(),
      R"([{"edits":10,"metrics":{},"first":{"records":3,"metrics":{"score":{"mean":0.5,"ci95":0.1,"n":3}}}}])");
}

TEST(CurveFiles, HoldTheRecordsOfTheirPointsWithoutAnswers) {
  ScratchFolder folder;
  EXPECT_TRUE(read_curve_records(folder.path()).empty());
  write_curve_records(folder.path(), 2, {sample_record("r1", 0.9), sample_record("r2", 0.2)});
  write_curve_records(folder.path(), 1000000, {sample_record("r1", 0.9)});
  folder.write("curve/notes.txt", "not a point");
  folder.write("curve/edits_7.jsonl", "not a name that is written");
  const auto points = read_curve_records(folder.path());
  ASSERT_THAT(points, SizeIs(2));
  ASSERT_THAT(points.at(2), SizeIs(2));
  EXPECT_THAT(points.at(1000000), SizeIs(1));
  EXPECT_EQ(points.at(2)[1].id, "r2");
  EXPECT_EQ(points.at(2)[1].metrics, sample_record("r2", 0.2).metrics);
  EXPECT_TRUE(points.at(2)[1].answers.empty());
  EXPECT_TRUE(points.at(2)[1].base.empty());
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "curve" / "edits_000002.jsonl"));
}

TEST(SummaryFile, WritesWhatIsNotFiniteAsNull) {
  EvalSummary summary = sample_summary("rome");
  summary.metrics["drift_kl"] = {kNaN, std::numeric_limits<double>::infinity(), 0};
  const nlohmann::json json = nlohmann::json::parse(summary_to_json(summary).dump());
  EXPECT_TRUE(json["metrics"]["drift_kl"]["mean"].is_null());
  EXPECT_TRUE(std::isnan(summary_from_json(json, "x").metrics.at("drift_kl").mean));
  EXPECT_TRUE(std::isnan(summary_from_json(json, "x").metrics.at("drift_kl").ci95));
}

TEST(RecordLine, ReadsBackAsItWas) {
  RecordResult record = sample_record("r1", 0.1 + 0.2);
  record.loss = kNaN;
  record.metrics["fluency"] = kNaN;
  record.answers[0].after.text = "broken \xE2\x82 and\nnew line";
  const std::string line = record_line(record);
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  const RecordResult read = record_from_line(line, "x");
  EXPECT_TRUE(std::isnan(read.loss));
  EXPECT_TRUE(std::isnan(read.metrics.at("fluency")));
  EXPECT_EQ(read.answers[0].after.p_target, 0.1 + 0.2);
  EXPECT_EQ(read.answers[0].after.text, "broken \xEF\xBF\xBD and\nnew line");
  EXPECT_EQ(record_line(read), line);
}

// Lines without warnings are as they were before there were any.
TEST(RecordLine, HasTheWarningsOfItsEdit) {
  RecordResult record = sample_record("r1", 1);
  EXPECT_THAT(record_line(record), testing::Not(HasSubstr("warnings")));
  EXPECT_THAT(record_from_line(record_line(record), "x").warnings, SizeIs(0));
  record.warnings = {"the key is near", "C = I"};
  EXPECT_EQ(record_from_line(record_line(record), "x").warnings, record.warnings);
}

TEST(RecordsFile, IsReadWhole) {
  ScratchFolder folder;
  const std::string lines = record_line(sample_record("a", 1)) + record_line(sample_record("b", 0));
  EXPECT_THAT(read_records(folder.write("records.jsonl", lines)), SizeIs(2));
  EXPECT_THAT(read_records(folder.write("records.jsonl", "")), SizeIs(0));
}

TEST(RecordsFile, NamesTheLineThatIsBroken) {
  ScratchFolder folder;
  const std::string good = record_line(sample_record("a", 1));
  const auto read = [&](const std::string& text) {
    return refusal([&] { read_records(folder.write("records.jsonl", text)); });
  };
  EXPECT_THAT(read(good + "{\"index\": 1}\n"), HasSubstr("records.jsonl, line 2: "));
  EXPECT_THAT(read(good + "nonsense\n"), HasSubstr("records.jsonl, line 2"));
  EXPECT_THAT(read(good + good.substr(0, 40)), HasSubstr("line 2: the last line has no end"));
  EXPECT_THAT(read(good + good), HasSubstr("line 2: the record \"a\" is in the file already"));
  EXPECT_THAT(refusal([&] { read_records(folder / "none.jsonl"); }), HasSubstr("none.jsonl"));
}

TEST(RecordsFile, OfAKilledRunKeepsItsWholeLines) {
  ScratchFolder folder;
  const std::string a = record_line(sample_record("a", 1)), b = record_line(sample_record("b", 0));
  std::size_t bytes = 77;
  for (std::size_t cut = 0; cut < b.size(); cut += 101) {
    EXPECT_THAT(read_finished_records(folder.write("records.jsonl", a + b.substr(0, cut)), &bytes),
                SizeIs(1));
    EXPECT_EQ(bytes, a.size());
  }
  EXPECT_THAT(read_finished_records(folder.write("records.jsonl", a + b), &bytes), SizeIs(2));
  EXPECT_EQ(bytes, a.size() + b.size());
  EXPECT_THAT(read_finished_records(folder / "none.jsonl", &bytes), SizeIs(0));
  EXPECT_EQ(bytes, 0u);
  EXPECT_THROW(read_finished_records(folder.write("records.jsonl", "nonsense\n" + a), nullptr), Error);
}

TEST(ResultsFolder, IsReadWhole) {
  ScratchFolder folder;
  write_summary(folder.path(), sample_summary("rome"));
  folder.write("records.jsonl", record_line(sample_record("a", 1)));
  const EvalResults results = read_results(folder.path());
  EXPECT_EQ(results.summary.label, "rome");
  EXPECT_THAT(results.records, SizeIs(1));
}

TEST(ResultsFolder, IsRefusedWithTheReason) {
  ScratchFolder folder;
  const auto read = [&](const std::string& name) { return refusal([&] { read_results(folder / name); }); };
  EXPECT_THAT(read("none"), HasSubstr("there is no such folder"));
  folder.write("file", "");
  EXPECT_THAT(read("file"), HasSubstr("is a file"));
  EXPECT_THAT(read(""), HasSubstr("expected the output folder of a benchmark"));
  std::filesystem::create_directories(folder.path() / "both" / "rome");
  write_summary(folder.path() / "both" / "rome", sample_summary("rome"));
  EXPECT_THAT(read("both"), HasSubstr("both/rome"));
  EXPECT_THAT(read("both/rome"), HasSubstr("records.jsonl"));
  std::filesystem::create_directories(folder.path() / "killed");
  folder.write("killed/records.jsonl", "");
  EXPECT_THAT(read("killed"), HasSubstr("option resume"));
  EXPECT_THAT(find_results(folder.path() / "both"), SizeIs(1));
}

TEST(ResultsFolder, NamesTheFieldOfASummaryThatIsWrong) {
  const auto read = [](const std::string& text) {
    return refusal([&] { summary_from_json(nlohmann::json::parse(text), "summary.json"); });
  };
  EXPECT_THAT(read("{}"), HasSubstr("summary.json: "));
  EXPECT_THAT(read(R"({"emend": "0.1.0", "model": {"path": 3}})"), HasSubstr("model.path"));
}

}  // namespace
}  // namespace emend
