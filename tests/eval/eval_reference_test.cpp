// Metrics of 50 records on the invented world, unedited and edited, against a plain computation with
// `transformers` (tools/fixtures/world_eval_reference.py): one sequence at a time, whole forwards, really
// changed weights.
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "emend/checks.h"
#include "eval/metric.h"
#include "measure/answer_engine.h"
#include "support/eval_world.h"
#include "support/world.h"

namespace emend {
namespace {

class EvalReference : public testing::TestWithParam<const char*> {};

TEST_P(EvalReference, EqualsPlainTransformers) {
  const std::string shape = GetParam();
  std::ifstream in(test::data_path("world/eval_reference.json"));
  const auto reference = nlohmann::json::parse(in);
  const auto& rows = reference.at(shape);
  ASSERT_EQ(rows.size(), 50u);
  const int layer = reference.at("layer");
  const double factor = reference.at("factor").at(shape);

  const Model model = test::load_world(shape);
  std::vector<EvalRecord> records = test::world_records(rows.size());
  for (EvalRecord& record : records) record.locality.clear();  // the script asks no such questions
  std::vector<std::unique_ptr<Metric>> metrics;
  metrics.push_back(make_rewrite_metric());
  metrics.push_back(make_token_accuracy_metric());
  metrics.push_back(make_counterfact_plus_metric());
  std::vector<Questions> questions(records.size());
  std::vector<std::vector<WeightChange>> edits;
  std::vector<std::int64_t> edit_of_record;
  for (std::size_t r = 0; r < records.size(); ++r) {
    ASSERT_EQ(records[r].request.id, rows[r].at("id").get<std::string>());
    for (const auto& metric : metrics) metric->ask(records[r], questions[r]);
    edits.push_back(test::formula_change(model, layer, static_cast<std::int64_t>(r), factor));
    edit_of_record.push_back(static_cast<std::int64_t>(r));
  }
  AnswerOptions options;
  options.first_edited_block = layer;
  options.records = static_cast<std::int64_t>(records.size());
  const AnswerEngine engine(
      model,
      question_sheet(model.tokenizer(), questions, {model.tokenizer().automatic_prefix()},
                     reference.at("extra_tokens")),
      options);
  const auto answers = engine.answer({{&edits, edit_of_record}});
  const auto &base = answers[0], &edited = answers[1];
  for (std::size_t r = 0; r < records.size(); ++r) {
    SCOPED_TRACE(records[r].request.id);
    for (const bool is_base : {true, false}) {
      MetricValues values;
      for (const auto& metric : metrics)
        metric->judge({records[r], base[r], is_base ? base[r] : edited[r]}, values);
      const auto& wanted = rows[r].at(is_base ? "base" : "edited");
      for (const auto& [name, value] : wanted.items()) {
        ASSERT_TRUE(values.count(name)) << name;
        EXPECT_NEAR(values.at(name), value.get<double>(), 1e-4)
            << name << (is_base ? " of the base" : " after the edit");
      }
      EXPECT_GE(wanted.size(), 16u);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(World, EvalReference, testing::Values("gpt2", "llama"),
                         [](const auto& param) { return std::string(param.param); });

}  // namespace
}  // namespace emend
