#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "../support/sample_results.h"
#include "base/json.h"
#include "cli/command.h"
#include "emend/error.h"
#include "eval/results/results_file.h"
#include "scratch_folder.h"

namespace emend {
namespace {

using testing::HasSubstr;

std::string write_run(const ScratchFolder& folder, const EvalResults& results, const std::string& name) {
  std::filesystem::create_directories(folder.path() / name);
  write_summary(folder.path() / name, results.summary);
  std::string lines;
  for (const RecordResult& record : results.records) lines += record_line(record);
  folder.write(name + "/records.jsonl", lines);
  return folder / name;
}

struct Outcome {
  int code = -1;
  std::string out, err, refusal;
  ErrorKind kind{};
};

Outcome compare(const std::vector<std::string>& arguments) {
  Outcome outcome;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  try {
    outcome.code = eval_compare_command(arguments);
  } catch (const Error& error) {
    outcome.refusal = error.what();
    outcome.kind = error.kind();
  }
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

TEST(EvalCompare, ComparesTwoFolders) {
  ScratchFolder folder;
  const std::string a = write_run(folder, sample_results("rome"), "a");
  EvalResults other = sample_results("memit");
  other.summary.model_fingerprint = "other";
  const std::string b = write_run(folder, other, "b");
  const Outcome outcome = compare({a, b, "--seed", "3", "--draws", "50", "--json", folder / "c.json"});
  EXPECT_EQ(outcome.code, 0) << outcome.refusal;
  EXPECT_THAT(outcome.out, HasSubstr("A: rome (" + a + ")\nB: memit (" + b + ")\n"));
  EXPECT_THAT(outcome.out, HasSubstr("50 draws, seed 3"));
  EXPECT_THAT(outcome.err, HasSubstr("warning: the runs are of different models"));
  EXPECT_EQ(read_json_file(folder / "c.json")["shared"], 2);
}

TEST(EvalCompare, RefusesWhatItCannotCompare) {
  ScratchFolder folder;
  const std::string a = write_run(folder, sample_results("rome"), "a");
  EXPECT_THAT(compare({a}).refusal, HasSubstr("the second result folder is missing"));
  EXPECT_EQ(compare({a, a, a}).kind, ErrorKind::kUsage);
  EXPECT_EQ(compare({a, a, "--draws", "0"}).kind, ErrorKind::kUsage);
  EXPECT_EQ(compare({a, a, "--model", "m"}).kind, ErrorKind::kUsage);
  EXPECT_EQ(compare({a, a, "--json", a + "/summary.json"}).kind, ErrorKind::kUsage);
  EXPECT_EQ(compare({a, folder / "none"}).kind, ErrorKind::kIo);
  EXPECT_EQ(compare({a, folder.path().string()}).kind, ErrorKind::kFormat);
}

TEST(EvalCompare, ExplainsItself) {
  const Outcome outcome = compare({"--help"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("paired bootstrap"));
}

}  // namespace
}  // namespace emend
