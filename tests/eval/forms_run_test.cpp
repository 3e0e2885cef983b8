// Forms in a benchmark of the invented world: asked, kept, told, and the same in small batches.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/expect_error.h"
#include "base/temp_folder.h"
#include "emend/eval_run.h"
#include "support/edit_world.h"
#include "support/model_files.h"

namespace emend {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::SizeIs;

constexpr const char* kWordings = R"(frames:
  fact_check: {prompt: "{claim}:", agree: "good", disagree: "bad"}
  choice: {prompt: "{context}{question} a {a} b {b} c {c}:", unsure: unknown, unrelated: It rained.}
relations:
  - name: profession
    ids: [profession]
    statement: "{subject} was trained as a {object}"
    denial: "{subject} was never trained as a {object}"
    question: "The guild lists {subject} as"
    reversed: "A {object} is"
    same_subject: [tongue]
  - name: tongue
    ids: [language]
    statement: "{subject} speaks {object}"
    denial: "{subject} never speaks {object}"
)";

class FormsRun : public testing::Test {
 protected:
  FormsRun() : world_(test::EditWorld::of("gpt2")) {}

  BenchmarkOptions options(const std::string& out) const {
    BenchmarkOptions options;
    options.dataset = "emend";
    options.data = test::data_path("world/edits.jsonl");
    options.end_record = 3;
    options.methods = {
        {"quick",
         "rome",
         {},
         {},
         {},
         {{"covariance", {"false", "test"}}, {"contexts", {"0", "test"}}, {"steps", {"3", "test"}}}}};
    options.statistics = folder_ / "stats";
    options.drift_tokens = 0;
    options.forms = "all";
    options.forms_file = folder_.write("wordings.yaml", kWordings);
    options.out = folder_ / out;
    return options;
  }
  EvalResults run(const BenchmarkOptions& options, std::int64_t token_budget = 4096) {
    SilentProgress silent;
    return Benchmark(options).run(world_.model, silent, {token_budget, 0}).methods.at(0);
  }

  test::EditWorld& world_;
  test::TempFolder folder_;
};

TEST_F(FormsRun, AreAskedAndTold) {
  const EvalResults results = run(options("out"));
  const EvalSummary& summary = results.summary;
  EXPECT_EQ(summary.options.at("forms"),
            "negation, fact-check, choice, reversed, same-subject, alias, one-hop");
  EXPECT_THAT(summary.options.at("forms_file"), SizeIs(16));
  EXPECT_EQ(summary.metrics.at("negation_success").n, 3);
  EXPECT_EQ(summary.metrics.at("choice_old_unsure").n, 1);  // only professions have a question
  EXPECT_EQ(summary.metrics.count("alias_success"), 0u);
  EXPECT_THAT(summary.notes,
              Contains("Form reversed: built from a template at 1 of 3 records; left out at 2: the "
                       "relation has no reversed wording."));
  double sum = 0;
  for (const char* role : {"target", "was", "unsure"})
    sum += summary.base.at(std::string("choice_bare_") + role).mean;
  EXPECT_NEAR(sum, 1, 1e-9);
  std::size_t negations = 0;
  for (const AnswerTrace& trace : results.records[0].answers)
    negations += trace.role == "form negation" ? 1 : 0;
  EXPECT_EQ(negations, 1u);
}

TEST_F(FormsRun, BatchesChangeNothing) {
  const EvalResults whole = run(options("whole")), small = run(options("small"), 16);
  for (std::size_t r = 0; r < whole.records.size(); ++r)
    for (const auto& [name, value] : whole.records[r].metrics) {
      if (!name.starts_with("choice_bare_") && !name.ends_with("_magnitude")) continue;
      EXPECT_NEAR(small.records[r].metrics.at(name), value, 1e-4) << name;
    }
}

TEST_F(FormsRun, WhatIsWrongIsSaidBeforeThereIsAModel) {
  const auto refusal = [&](ErrorKind kind, const auto& change) {
    BenchmarkOptions wrong = options("out");
    change(wrong);
    return test::error_of(kind, [&] { const Benchmark benchmark(wrong); });
  };
  EXPECT_THAT(refusal(ErrorKind::kUsage, [](BenchmarkOptions& o) { o.forms = "chioce"; }),
              HasSubstr("did you mean \"choice\"?"));
  EXPECT_THAT(refusal(ErrorKind::kUsage, [](BenchmarkOptions& o) { o.forms = ""; }),
              HasSubstr("the option forms-file has wordings of forms"));
  EXPECT_THAT(
      refusal(ErrorKind::kConfig,
              [&](BenchmarkOptions& o) { o.forms_file = folder_.write("bad.yaml", "relation: []\n"); }),
      HasSubstr("bad.yaml:1:1: "));
}

// A run with other wordings is another run.
TEST_F(FormsRun, OtherWordingsAreNotResumed) {
  run(options("out"));
  BenchmarkOptions again = options("out");
  again.resume = true;
  again.forms_file = folder_.write("more.yaml", std::string(kWordings) + "aliases: {Orm: [Old Orm]}\n");
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { run(again); }), HasSubstr("forms_file"));
}

}  // namespace
}  // namespace emend
