// Families in which a norm or a multiplier stands between the down projection and the residual stream: the
// answer engine and the drift probe lay changes over the base there, and must see what written weights give.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "emend/generate.h"
#include "measure/answer_engine.h"
#include "measure/drift.h"
#include "support/family_models.h"

namespace emend {
namespace {

constexpr int kLayer = 0;

class FamilyAnswers : public testing::TestWithParam<const char*> {
 protected:
  FamilyAnswers() : checkpoint_(GetParam()), model_(checkpoint_.load()) {
    form_.prefix = test::kFamilyPrefix;
  }

  // Two changes of one block and one of a later block.
  std::vector<WeightChange> changes() const {
    std::vector<WeightChange> all;
    const ModelConfig& config = model_.config();
    for (const int block : {kLayer, kLayer, kLayer + 1}) {
      const double seed = 1 + static_cast<double>(all.size());
      const at::Tensor A = at::sin(at::arange(config.d_ff, at::kFloat) * (0.7 + seed)).unsqueeze(0);
      const at::Tensor B = at::cos(at::arange(config.d_model, at::kFloat) * (1.3 + seed)).unsqueeze(1);
      all.push_back(WeightChange::low_rank({block, Role::kMlpDown}, A, 0.5 * B));
    }
    return all;
  }

  Answers answers(const std::vector<std::vector<WeightChange>>& edits) const {
    Questions questions;
    for (const char* const prompt : {"a kp dwelt by quorf in", "quorf", "so they came by mavix"}) {
      questions.score(prompt, "b");
      questions.score(prompt, "cd");
    }
    AnswerOptions options;
    options.records = 1;
    options.first_edited_block = kLayer;
    const AnswerEngine engine(model_, question_sheet(model_.tokenizer(), {questions}, form_, 2), options);
    if (edits.empty()) return engine.answer({}).front().front();
    return engine.answer({{&edits, {0}}}).back().front();
  }

  test::FamilyCheckpoint checkpoint_;
  Model model_;
  RowForm form_;
};

TEST_P(FamilyAnswers, ChangesLaidOverAreWrittenWeights) {
  const auto base = answers({}), overlaid = answers({changes()});
  const ScopedEdit written(model_, changes());
  const auto plain = answers({});
  double moved = 0;
  for (const auto& [question, score] : plain.scores) {
    EXPECT_NEAR(overlaid.scores.at(question).nll, score.nll, 1e-4) << question.first << question.second;
    moved = std::max(moved, std::abs(score.nll - base.scores.at(question).nll));
  }
  EXPECT_GT(moved, 0.01) << "the changes do nothing";
}

TEST_P(FamilyAnswers, DriftIsThatOfWrittenWeights) {
  const std::vector<TokenIds> rows = {{0, 5, 9, 17, 30, 4, 8, 22, 11, 40}, {0, 33, 12, 7}};
  const DriftProbe probe(model_, rows, kLayer, 4096);
  const Drift drift = probe.measure(changes());
  const double before = mean_nll(model_, rows);
  const ScopedEdit written(model_, changes());
  EXPECT_NEAR(drift.perplexity, std::exp(mean_nll(model_, rows) - before), 1e-4 * drift.perplexity);
  EXPECT_GT(drift.kl, 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, FamilyAnswers,
                         testing::Values("gemma2_a", "gemma3_a", "granite_a", "llama_rope_a", "olmo2_a"),
                         [](const auto& param) { return std::string(param.param); });

}  // namespace
}  // namespace emend
