#include "emend/generate.h"

#include <algorithm>
#include <cmath>

#include "base/expect_error.h"
#include "model/text_nll.h"
#include "support/model_files.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

using test::plain_logits;
using test::some_ids;

// Greedy continuation by one full forward a token.
TokenIds plain_greedy(const Model& model, TokenIds ids, std::int64_t count) {
  TokenIds found;
  for (std::int64_t i = 0; i < count; ++i) {
    found.push_back(plain_logits(model, ids)[-1].argmax().item<std::int64_t>());
    ids.push_back(found.back());
  }
  return found;
}

class Generate : public ::testing::TestWithParam<std::string> {
 protected:
  Generate() : model_(test::tiny_model(GetParam())) {
    for (std::size_t i = 0; i < 6; ++i) prompts_.push_back(some_ids(1 + (i * 5) % 7, 96, 40 + i));
  }
  Model model_;
  std::vector<TokenIds> prompts_;
};
INSTANTIATE_TEST_SUITE_P(Shapes, Generate, ::testing::Values("gpt2", "gptj", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(Generate, GreedyIsTheArgmaxOfFullForwards) {
  GenerateOptions options;
  options.max_new = 9;
  const auto texts = generate(model_, prompts_, options);
  ASSERT_EQ(texts.size(), prompts_.size());
  for (std::size_t i = 0; i < prompts_.size(); ++i)
    EXPECT_EQ(texts[i], plain_greedy(model_, prompts_[i], 9)) << "prompt " << i;
}

TEST_P(Generate, BatchesAndOrderChangeNothing) {
  GenerateOptions options;
  options.max_new = 8;
  const auto texts = generate(model_, prompts_, options);
  for (std::size_t i = 0; i < prompts_.size(); ++i)
    EXPECT_EQ(generate(model_, {prompts_[i]}, options)[0], texts[i]);
  options.token_budget = 5;
  EXPECT_EQ(generate(model_, prompts_, options), texts);
  std::vector<TokenIds> backwards(prompts_.rbegin(), prompts_.rend()), expected(texts.rbegin(), texts.rend());
  options.token_budget = 4096;
  EXPECT_EQ(generate(model_, backwards, options), expected);
}

TEST_P(Generate, StopIdsEndARowAndAreLeftOut) {
  GenerateOptions options;
  options.max_new = 8;
  const auto whole = generate(model_, prompts_, options);
  const std::int64_t stop = whole[0][3];
  options.stop = {stop};
  const auto stopped = generate(model_, prompts_, options);
  for (std::size_t i = 0; i < prompts_.size(); ++i) {
    const TokenIds expected(whole[i].begin(), std::find(whole[i].begin(), whole[i].end(), stop));
    EXPECT_EQ(stopped[i], expected) << "prompt " << i;
  }
}

TEST_P(Generate, SamplingDependsOnSeedAndStreamOnly) {
  GenerateOptions options;
  options.max_new = 12;
  options.temperature = 1.5;
  options.seed = 7;
  options.stream = 100;
  const auto texts = generate(model_, prompts_, options);
  EXPECT_EQ(generate(model_, prompts_, options), texts);
  options.token_budget = 6;
  EXPECT_EQ(generate(model_, prompts_, options), texts);
  for (std::size_t i = 0; i < prompts_.size(); ++i) {
    options.stream = 100 + i;
    EXPECT_EQ(generate(model_, {prompts_[i]}, options)[0], texts[i]) << "row i draws from stream + i";
  }
  options.stream = 100;
  options.seed = 8;
  EXPECT_NE(generate(model_, prompts_, options), texts);
  options.seed = 7;
  options.stream = 200;
  EXPECT_NE(generate(model_, prompts_, options), texts);
  const auto twins = generate(model_, {prompts_[0], prompts_[0]}, options);
  EXPECT_NE(twins[0], twins[1]) << "two rows of one prompt are two draws";
}

TEST_P(Generate, TopOneSamplingIsGreedy) {
  GenerateOptions options;
  options.max_new = 6;
  const auto greedy = generate(model_, prompts_, options);
  options.temperature = 1;
  options.top_k = 1;
  EXPECT_EQ(generate(model_, prompts_, options), greedy);
}

TEST_P(Generate, SamplesFollowTheDistribution) {
  constexpr std::size_t kDraws = 2000;
  GenerateOptions options;
  options.max_new = 1;
  options.temperature = 1;
  options.top_k = 3;
  const auto top = next_tokens(model_, {prompts_[1]}, 3)[0];
  double total = 0;
  for (const TokenLogprob& token : top) total += std::exp(token.logprob);
  std::vector<double> seen(3, 0);
  for (const TokenIds& text : generate(model_, std::vector<TokenIds>(kDraws, prompts_[1]), options)) {
    const auto it =
        std::find_if(top.begin(), top.end(), [&](const TokenLogprob& token) { return token.id == text[0]; });
    ASSERT_NE(it, top.end()) << "outside the three likeliest";
    seen[it - top.begin()] += 1.0 / kDraws;
  }
  for (std::size_t i = 0; i < 3; ++i) {
    const double p = std::exp(top[i].logprob) / total;
    EXPECT_NEAR(seen[i], p, 5 * std::sqrt(p * (1 - p) / kDraws)) << "token " << i;
  }
}

TEST_P(Generate, NextTokensAreTheLikeliestInOrder) {
  const auto lists = next_tokens(model_, prompts_, 10, 5);
  for (std::size_t i = 0; i < prompts_.size(); ++i) {
    const at::Tensor logprobs = at::log_softmax(plain_logits(model_, prompts_[i])[-1].to(at::kDouble), 0);
    const auto [values, order] = logprobs.sort(-1, true);
    ASSERT_EQ(lists[i].size(), 10u);
    for (std::int64_t j = 0; j < 10; ++j) {
      EXPECT_EQ(lists[i][j].id, order[j].item<std::int64_t>());
      EXPECT_NEAR(lists[i][j].logprob, values[j].item<double>(), 1e-5);
    }
  }
  EXPECT_EQ(next_tokens(model_, {prompts_[0]}, 1000)[0].size(), 96u) << "no more than the vocabulary";
}

TEST(NextTokens, TiesGoToTheLowerId) {
  Model model = test::tiny_model("llama");
  at::Tensor head = model.weights().head;
  const c10::NoGradGuard no_grad;
  head.copy_(head[0].unsqueeze(0).expand({96, 32}));
  const auto list = next_tokens(model, {{3, 4}}, 4)[0];
  for (std::int64_t j = 0; j < 4; ++j) EXPECT_EQ(list[j].id, j);
}

TEST_P(Generate, ScoresArePlainLogSoftmaxSums) {
  const std::vector<Continuation> continuations = {{1, some_ids(3, 96, 60)},
                                                   {0, some_ids(1, 96, 61)},
                                                   {1, some_ids(1, 96, 62)},
                                                   {4, some_ids(5, 96, 63)},
                                                   {1, some_ids(4, 96, 64)}};
  for (const std::int64_t budget : {4096, 4}) {
    const auto scores = score_continuations(model_, prompts_, continuations, budget);
    for (std::size_t i = 0; i < continuations.size(); ++i)
      EXPECT_NEAR(scores[i].nll,
                  test::plain_nll(model_, prompts_[continuations[i].prompt], continuations[i].target), 2e-5);
  }
}

TEST_P(Generate, ArgmaxMeansEveryTokenIsTheLikeliest) {
  TokenIds greedy = plain_greedy(model_, prompts_[3], 4), broken = greedy, broken_first = greedy;
  broken[2] = (broken[2] + 1) % 96;
  broken_first[0] = (broken_first[0] + 1) % 96;
  const auto scores =
      score_continuations(model_, prompts_, {{3, greedy}, {3, broken}, {3, broken_first}, {3, {greedy[0]}}});
  EXPECT_TRUE(scores[0].argmax);
  EXPECT_FALSE(scores[1].argmax);
  EXPECT_FALSE(scores[2].argmax);
  EXPECT_TRUE(scores[3].argmax);
}

TEST_P(Generate, OverlaysActOnGenerationAndScores) {
  const at::Tensor A = 0.3 * at::sin(at::arange(model_.config().d_ff, at::kFloat)).unsqueeze(0);
  const at::Tensor B = at::cos(at::arange(32, at::kFloat)).unsqueeze(1);
  const std::vector<Overlay> overlays = {{1, A, B, {}}};
  GenerateOptions options;
  options.max_new = 5;
  const auto base = generate(model_, prompts_, options),
             overlaid = generate(model_, prompts_, options, overlays);
  const double nll = score_continuations(model_, prompts_, {{2, {5, 6, 7}}}, 4096, overlays)[0].nll;
  const double text = mean_nll(model_, prompts_, 4096, overlays), base_text = mean_nll(model_, prompts_);
  const auto next = next_tokens(model_, prompts_, 1, 4096, overlays);
  EXPECT_NE(base, overlaid);
  EXPECT_GT(std::abs(text - base_text), 1e-3);
  const c10::NoGradGuard no_grad;
  at::Tensor& weight = model_.weight({1, Role::kMlpDown});
  weight = weight + at::matmul(B, A);
  EXPECT_EQ(generate(model_, prompts_, options), overlaid);
  EXPECT_NEAR(nll, test::plain_nll(model_, prompts_[2], {5, 6, 7}), 1e-4);
  EXPECT_NEAR(mean_nll(model_, prompts_), text, 1e-4);
  EXPECT_EQ(next_tokens(model_, prompts_, 1)[3][0].id, next[3][0].id);
}

TEST_P(Generate, MeanNllIsOverAllPositionsOfAllTexts) {
  double total = 0;
  std::int64_t count = 0;
  for (const TokenIds& text : prompts_)
    for (std::size_t j = 1; j < text.size(); ++j, ++count)
      total +=
          test::plain_nll(model_, {text.begin(), text.begin() + static_cast<std::ptrdiff_t>(j)}, {text[j]});
  ASSERT_GT(count, 10);
  EXPECT_NEAR(mean_nll(model_, prompts_), total / static_cast<double>(count), 1e-5);
  EXPECT_NEAR(mean_nll(model_, prompts_, 6), total / static_cast<double>(count), 1e-5);
}

// The same bytes from whichever block on, also with the stream in front of it given.
TEST_P(Generate, TextRunsFromTheFirstChangedBlockOn) {
  const double whole = mean_nll(model_, prompts_, 9);
  for (int block = 0; block < model_.config().layers; ++block) {
    const TextNll text(model_, prompts_, block, 9);
    EXPECT_EQ(text.mean(), whole) << block;
    EXPECT_EQ(text.hidden().defined(), block > 0);
    EXPECT_EQ(text.tokens(), TextNll::tokens_of(prompts_, 9));
    EXPECT_EQ(TextNll(model_, prompts_, block, 9, text.hidden()).mean(), whole) << block;
  }
  const auto one_too_few = [&] {
    TextNll(model_, prompts_, 1, 9, TextNll(model_, prompts_, 1, 9).hidden().slice(0, 1));
  };
  test::error_of(ErrorKind::kConfig, one_too_few);
}

// What lies below has run once, when the text was given: it sees no change any more. What lies above does.
TEST_P(Generate, BlocksBelowTheFirstChangedOneRunOnce) {
  const TextNll text(model_, prompts_, 1, 4096);
  const double before = text.mean();
  const c10::NoGradGuard no_grad;
  at::Tensor& below = model_.weight({0, Role::kMlpDown});
  const at::Tensor kept = below;
  below = 2 * below;
  EXPECT_EQ(text.mean(), before);
  EXPECT_GT(std::abs(mean_nll(model_, prompts_) - before), 1e-4);
  below = kept;
  at::Tensor& above = model_.weight({1, Role::kMlpDown});
  above = 2 * above;
  EXPECT_EQ(text.mean(), mean_nll(model_, prompts_));
  EXPECT_GT(std::abs(text.mean() - before), 1e-4);
}

TEST_P(Generate, RefusesToGrowPastThePositions) {
  GenerateOptions options;
  options.max_new = 5;
  EXPECT_NO_THROW(generate(model_, {some_ids(36, 96, 1)}, options)) << "the last token is drawn, not run";
  test::error_of(ErrorKind::kModel, [&] { generate(model_, {some_ids(37, 96, 1)}, options); });
}

}  // namespace
}  // namespace emend
