// The forward pass: every way of asking the same question gives the same answer, and a change reaches what it
// must and no more.
#include <gmock/gmock.h>
#include <torch/csrc/autograd/autograd.h>

#include "base/expect_error.h"
#include "support/model_files.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

using test::counting;
using test::index_of;
using test::near;
using test::plain_logits;
using test::plain_vectors;
using test::some_ids;

constexpr double kRounding = 2e-5;

at::Tensor numbers(std::vector<std::int64_t> sizes, double scale, double phase = 0) {
  const at::Tensor flat = at::arange(at::empty(sizes, at::kFloat).numel(), at::kFloat);
  return (scale * at::sin(flat * 1.7 + phase)).view(sizes);
}

class Pass : public ::testing::TestWithParam<std::string> {
 protected:
  Pass() : model_(test::tiny_model(GetParam())) {}
  TokenIds ids(std::size_t count, std::uint64_t seed) const {
    return some_ids(count, model_.config().vocab, seed);
  }

  const c10::NoGradGuard no_grad_;
  Model model_;
};

INSTANTIATE_TEST_SUITE_P(Shapes, Pass, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

at::Tensor rows_from(const at::Tensor& x, std::int64_t begin) {
  return x.narrow(0, begin, x.size(0) - begin);
}

TEST_P(Pass, BlocksOfTheTestModelMatter) {
  const at::Tensor full = plain_logits(model_, ids(9, 1));
  PassInput shallow;
  shallow.ids = {ids(9, 1)};
  shallow.stop = PassInput::Stop::kBlock;
  shallow.stop_block = 0;
  PassInput deep = shallow;
  deep.stop_block = 3;
  const at::Tensor gap = model_.forward(deep).hidden - model_.forward(shallow).hidden;
  EXPECT_GT(gap.norm().item<double>(), 0.3 * model_.forward(shallow).hidden.norm().item<double>());
  EXPECT_GT(full.std().item<double>(), 0.1);
}

TEST_P(Pass, CachedPrefixEqualsFullRun) {
  const TokenIds all = ids(13, 2);
  KvCache cache(model_.config(), 0, 1, 7, model_.options());
  PassInput front;
  front.ids = {{all.begin(), all.begin() + 7}};
  front.cache = &cache;
  front.append = true;
  model_.forward(front);
  ASSERT_EQ(cache.lengths[0], 7);
  PassInput rest;
  rest.ids = {{all.begin() + 7, all.end()}};
  rest.cache = &cache;
  rest.logit_tokens = counting(0, 6);
  EXPECT_TRUE(near(model_.forward(rest).logits, rows_from(plain_logits(model_, all), 7), kRounding));
  EXPECT_EQ(cache.lengths[0], 7) << "without append a pass only reads";
}

TEST_P(Pass, PrefixSharedByManyRowsEqualsEachAlone) {
  const std::vector<TokenIds> prefixes = {ids(5, 3), ids(8, 4)};
  KvCache cache(model_.config(), 0, 2, 8, model_.options());
  PassInput front;
  front.ids = prefixes;
  front.cache = &cache;
  front.append = true;
  model_.forward(front);

  PassInput rest;
  rest.ids = {ids(3, 5), ids(6, 6), ids(1, 7), ids(4, 8)};
  rest.cache_row = {1, 0, 1, -1};  // the last row has nothing in front
  rest.cache = &cache;
  rest.logit_tokens = counting(0, 14);
  const at::Tensor logits = model_.forward(rest).logits;
  std::int64_t at = 0;
  for (std::size_t row = 0; row < 4; ++row) {
    TokenIds whole = rest.cache_row[row] < 0 ? TokenIds() : prefixes[rest.cache_row[row]];
    const auto begin = static_cast<std::int64_t>(whole.size());
    whole.insert(whole.end(), rest.ids[row].begin(), rest.ids[row].end());
    const auto length = static_cast<std::int64_t>(rest.ids[row].size());
    EXPECT_TRUE(near(logits.narrow(0, at, length), rows_from(plain_logits(model_, whole), begin), kRounding))
        << "row " << row;
    at += length;
  }
}

TEST_P(Pass, AppendingTokenByTokenEqualsTheWhole) {
  const std::vector<TokenIds> rows = {ids(9, 9), ids(6, 10)};
  KvCache cache(model_.config(), 0, 2, 9, model_.options());
  std::vector<std::vector<at::Tensor>> seen(2);
  for (std::size_t t = 0; t < 9; ++t) {
    PassInput step;
    for (std::int64_t row = 0; row < 2; ++row)
      if (t < rows[row].size()) {
        step.ids.push_back({rows[row][t]});
        step.cache_row.push_back(row);
      }
    step.cache = &cache;
    step.append = true;
    step.logit_tokens = counting(0, static_cast<std::int64_t>(step.ids.size()));
    const at::Tensor logits = model_.forward(step).logits;
    for (std::size_t i = 0; i < step.ids.size(); ++i)
      seen[step.cache_row[i]].push_back(logits[static_cast<std::int64_t>(i)]);
  }
  for (std::size_t row = 0; row < 2; ++row)
    EXPECT_TRUE(near(at::stack(seen[row]), plain_logits(model_, rows[row]), kRounding)) << "row " << row;
  EXPECT_EQ(cache.lengths, (std::vector<std::int64_t>{9, 6}));
}

TEST_P(Pass, SelectedAndGrownCachesGoOn) {
  const TokenIds a = ids(8, 11), b = ids(5, 12), more = ids(4, 13);
  KvCache cache(model_.config(), 0, 2, 8, model_.options());
  PassInput front;
  front.ids = {a, b};
  front.cache = &cache;
  front.append = true;
  model_.forward(front);
  KvCache part = cache.select({1, 0, 0}, 0, 6);
  EXPECT_EQ(part.lengths, (std::vector<std::int64_t>{5, 6, 6}));
  part.reserve(10);
  PassInput rest;
  rest.ids = {more, more};
  rest.cache_row = {2, 0};
  rest.cache = &part;
  rest.append = true;
  rest.logit_tokens = {3, 7};
  const at::Tensor logits = model_.forward(rest).logits;
  TokenIds first(a.begin(), a.begin() + 6), second = b;
  first.insert(first.end(), more.begin(), more.end());
  second.insert(second.end(), more.begin(), more.end());
  EXPECT_TRUE(near(logits[0], plain_logits(model_, first)[-1], kRounding));
  EXPECT_TRUE(near(logits[1], plain_logits(model_, second)[-1], kRounding));
}

TEST_P(Pass, RaggedRowsEqualEachAlone) {
  PassInput input;
  input.ids = {ids(3, 14), ids(11, 15), ids(1, 16), ids(7, 17)};
  input.logit_tokens = counting(0, 22);
  input.recordings = {{Site::kKey, 2, {}}};
  const PassOutput output = model_.forward(input);
  std::int64_t at = 0;
  for (const TokenIds& row : input.ids) {
    const auto length = static_cast<std::int64_t>(row.size());
    EXPECT_TRUE(near(output.logits.narrow(0, at, length), plain_logits(model_, row), kRounding));
    EXPECT_TRUE(
        near(output.recorded[0].narrow(0, at, length), plain_vectors(model_, row, Site::kKey, 2), kRounding));
    at += length;
  }
}

TEST_P(Pass, BeginningAtABlockEqualsTheFullRun) {
  PassInput lower;
  lower.ids = {ids(6, 18), ids(4, 19)};
  lower.stop = PassInput::Stop::kBlock;
  lower.stop_block = 1;
  PassInput upper;
  upper.ids = lower.ids;
  upper.begin_block = 2;
  upper.hidden = model_.forward(lower).hidden;
  upper.logit_tokens = counting(0, 10);
  PassInput whole;
  whole.ids = lower.ids;
  whole.logit_tokens = upper.logit_tokens;
  EXPECT_TRUE(near(model_.forward(upper).logits, model_.forward(whole).logits, kRounding));
}

TEST_P(Pass, StopsWhereItIsTold) {
  const TokenIds row = ids(6, 20);
  for (int block = 0; block < 4; ++block) {
    PassInput input;
    input.ids = {row};
    input.stop = PassInput::Stop::kBlock;
    input.stop_block = block;
    const PassOutput output = model_.forward(input);
    EXPECT_TRUE(near(output.hidden, plain_vectors(model_, row, Site::kBlockOutput, block), 0));
    EXPECT_FALSE(output.logits.defined());
  }
  PassInput input;
  input.ids = {row};
  input.stop = PassInput::Stop::kKey;
  input.stop_block = 2;
  input.recordings = {{Site::kKey, 2, {}}, {Site::kMlpOutput, 2, {}}, {Site::kMlpOutput, 1, {}}};
  const PassOutput output = model_.forward(input);
  EXPECT_FALSE(output.hidden.defined());
  EXPECT_TRUE(near(output.recorded[0], plain_vectors(model_, row, Site::kKey, 2), 0));
  EXPECT_FALSE(output.recorded[1].defined()) << "the down projection of the last block does not run";
  EXPECT_TRUE(output.recorded[2].defined());
}

TEST_P(Pass, LogitsOfNamedTokensAreASliceOfAll) {
  const TokenIds row = ids(9, 21);
  PassInput input;
  input.ids = {row};
  input.logit_tokens = {7, 0, 3};
  EXPECT_TRUE(near(model_.forward(input).logits,
                   plain_logits(model_, row).index_select(0, index_of({7, 0, 3})), 1e-6));
}

TEST_P(Pass, MlpOutputIsTheDownProjectionOfTheKey) {
  const TokenIds row = ids(8, 22);
  for (int block = 0; block < 4; ++block) {
    const BlockWeights& weights = model_.weights().blocks[block];
    const at::Tensor key = plain_vectors(model_, row, Site::kKey, block).to(at::kDouble);
    at::Tensor value = at::matmul(key, weights.mlp_down.to(at::kDouble).t());
    if (weights.mlp_down_bias.defined()) value = value + weights.mlp_down_bias.to(at::kDouble);
    EXPECT_TRUE(near(plain_vectors(model_, row, Site::kMlpOutput, block), value, kRounding));
  }
}

TEST_P(Pass, ResidualStreamIsTheSumOfWhatWasAdded) {
  const TokenIds row = ids(8, 23);
  at::Tensor x = plain_vectors(model_, row, Site::kEmbedding, 0);
  for (int block = 0; block < 4; ++block) {
    x = x + plain_vectors(model_, row, Site::kAttentionOutput, block) +
        plain_vectors(model_, row, Site::kMlpOutput, block);
    EXPECT_TRUE(near(plain_vectors(model_, row, Site::kBlockOutput, block), x, kRounding));
  }
  at::Tensor tokens = plain_vectors(model_, row, Site::kTokenEmbedding, 0);
  EXPECT_TRUE(near(tokens, model_.weights().token_embedding.index_select(0, index_of(row)), 0));
  if (model_.weights().position_embedding.defined())
    tokens = tokens + model_.weights().position_embedding.narrow(0, 0, 8);
  EXPECT_TRUE(near(plain_vectors(model_, row, Site::kEmbedding, 0), tokens, 1e-6));
}

// --- interventions

const std::vector<Site> kSites = {Site::kTokenEmbedding,  Site::kEmbedding,
                                  Site::kAttentionOutput, Site::kKey,
                                  Site::kMlpOutput,       Site::kBlockOutput};

std::int64_t size_at(Site site, const ModelConfig& config) {
  return site == Site::kKey ? config.d_ff : config.d_model;
}

TEST_P(Pass, AChangeReachesLaterPositionsAndHigherBlocksOnly) {
  const TokenIds row = ids(8, 24);
  constexpr std::int64_t kToken = 3;
  constexpr int kBlock = 2;
  for (const Site site : kSites)
    for (const auto kind :
         {Intervention::Kind::kReplace, Intervention::Kind::kAdd, Intervention::Kind::kScale}) {
      SCOPED_TRACE("site " + std::to_string(static_cast<int>(site)) + ", kind " +
                   std::to_string(static_cast<int>(kind)));
      const bool below = site == Site::kTokenEmbedding || site == Site::kEmbedding;
      PassInput input;
      input.ids = {row};
      const bool scale = kind == Intervention::Kind::kScale;
      const at::Tensor values =
          scale ? at::full({1, 1}, 2.5) : numbers({1, size_at(site, model_.config())}, 0.5);
      input.interventions = {{site, kBlock, kind, index_of({kToken}), values}};
      input.recordings = {{site, kBlock, {}}};
      for (int block = 0; block < 4; ++block) input.recordings.push_back({Site::kBlockOutput, block, {}});
      input.logit_tokens = counting(0, 8);
      const PassOutput changed = model_.forward(input);

      // What is recorded at the site is the changed vector.
      at::Tensor wanted = plain_vectors(model_, row, site, kBlock).clone();
      if (kind == Intervention::Kind::kReplace) wanted[kToken].copy_(values[0]);
      if (kind == Intervention::Kind::kAdd) wanted[kToken] += values[0];
      if (scale) wanted[kToken] *= 2.5;
      EXPECT_TRUE(near(changed.recorded[0], wanted, 1e-6));

      for (int block = 0; block < 4; ++block) {
        const at::Tensor before = plain_vectors(model_, row, Site::kBlockOutput, block),
                         after = changed.recorded[block + 1];
        const std::int64_t same = block < kBlock && !below ? 8 : kToken;
        EXPECT_TRUE(near(after.narrow(0, 0, same), before.narrow(0, 0, same), 0)) << "block " << block;
        if (same == kToken) {
          EXPECT_GT((after - before)[kToken].norm().item<double>(), 1e-3) << "block " << block;
        }
        if (block > kBlock &&
            !(scale && site == Site::kBlockOutput)) {  // the next norm takes a scale of the whole stream out
          EXPECT_GT((after - before)[7].norm().item<double>(), 1e-5) << "attention carries it on";
        }
      }
      EXPECT_TRUE(
          near(changed.logits.narrow(0, 0, kToken), plain_logits(model_, row).narrow(0, 0, kToken), 0));
    }
}

TEST_P(Pass, InterventionsActInTheOrderListed) {
  const TokenIds row = ids(5, 25);
  const at::Tensor values = numbers({1, 32}, 1.0);
  PassInput input;
  input.ids = {row};
  input.interventions = {
      {Site::kMlpOutput, 1, Intervention::Kind::kReplace, index_of({2}), values},
      {Site::kMlpOutput, 1, Intervention::Kind::kScale, index_of({2}), at::full({1, 1}, 3.0)},
      {Site::kMlpOutput, 1, Intervention::Kind::kAdd, index_of({2, 2}), at::cat({values, values})}};
  input.recordings = {{Site::kMlpOutput, 1, index_of({2})}};
  EXPECT_TRUE(near(model_.forward(input).recorded[0], 5.0 * values, 1e-5));
}

TEST_P(Pass, InterventionsOnPackedTokensOfOneRowLeaveOtherRowsAlone) {
  PassInput input;
  input.ids = {ids(4, 26), ids(6, 27)};
  input.interventions = {
      {Site::kBlockOutput, 0, Intervention::Kind::kAdd, index_of({5}), numbers({1, 32}, 0.7)}};
  input.logit_tokens = counting(0, 10);
  const at::Tensor logits = model_.forward(input).logits;
  EXPECT_TRUE(near(logits.narrow(0, 0, 4), plain_logits(model_, input.ids[0]), kRounding));
  EXPECT_TRUE(near(logits.narrow(0, 4, 1), plain_logits(model_, input.ids[1]).narrow(0, 0, 1), kRounding));
  EXPECT_FALSE(near(logits.narrow(0, 5, 5), plain_logits(model_, input.ids[1]).narrow(0, 1, 5), 1e-3));
}

TEST_P(Pass, GradientOfAnAddedVectorEqualsFiniteDifferences) {
  const TokenIds row = ids(7, 28);
  const auto loss_of = [&](const at::Tensor& added) {
    PassInput input;
    input.ids = {row};
    input.interventions = {{Site::kMlpOutput, 1, Intervention::Kind::kAdd, index_of({3}), added}};
    input.logit_tokens = {6};
    return -at::log_softmax(model_.forward(input).logits, 1)[0][17];
  };
  const at::Tensor start = numbers({1, 32}, 0.3);
  at::Tensor gradient;
  {
    const at::AutoGradMode with_grad(true);
    const at::Tensor added = start.clone().set_requires_grad(true);
    gradient = torch::autograd::grad({loss_of(added)}, {added})[0];
  }
  ASSERT_GT(gradient.norm().item<double>(), 1e-3);
  constexpr double kStep = 2e-2;
  for (const std::int64_t coordinate : {0, 5, 13, 21, 31}) {
    at::Tensor up = start.clone(), down = start.clone();
    up[0][coordinate] += kStep;
    down[0][coordinate] -= kStep;
    const double slope = (loss_of(up).item<double>() - loss_of(down).item<double>()) / (2 * kStep);
    EXPECT_NEAR(gradient[0][coordinate].item<double>(), slope, 2e-4 + 0.01 * std::abs(slope))
        << "coordinate " << coordinate;
  }
}

TEST_P(Pass, GradientFlowsToAGivenResidualStream) {
  PassInput lower;
  lower.ids = {ids(5, 29)};
  lower.stop = PassInput::Stop::kBlock;
  lower.stop_block = 1;
  const at::Tensor hidden = model_.forward(lower).hidden;
  const at::AutoGradMode with_grad(true);
  PassInput upper;
  upper.ids = lower.ids;
  upper.begin_block = 2;
  upper.hidden = hidden.clone().set_requires_grad(true);
  upper.logit_tokens = {2};
  const at::Tensor gradient = torch::autograd::grad({model_.forward(upper).logits[0][3]}, {upper.hidden})[0];
  EXPECT_GT(gradient[0].norm().item<double>(), 0);
  EXPECT_GT(gradient[2].norm().item<double>(), 0);
  EXPECT_EQ(gradient.narrow(0, 3, 2).abs().max().item<double>(), 0) << "later tokens cannot matter";
  for (const BlockWeights& block : model_.weights().blocks) EXPECT_FALSE(block.qkv.requires_grad());
}

// --- knockout

TEST_P(Pass, KnockoutOfAllEdgesToAPositionHidesIt) {
  TokenIds row = ids(7, 30);
  constexpr std::int64_t kHidden = 2;
  const auto logits_without = [&](const TokenIds& tokens) {
    PassInput input;
    input.ids = {tokens};
    input.logit_tokens = counting(0, 7);
    for (std::int64_t query = kHidden + 1; query < 7; ++query)
      input.knockouts.push_back({0, 4, query, kHidden});
    return model_.forward(input).logits;
  };
  const at::Tensor hidden = logits_without(row);
  EXPECT_TRUE(near(hidden.narrow(0, 0, 3), plain_logits(model_, row).narrow(0, 0, 3), 0))
      << "queries that are not cut";
  EXPECT_FALSE(near(hidden.narrow(0, 3, 4), plain_logits(model_, row).narrow(0, 3, 4), 1e-3));
  row[kHidden] = (row[kHidden] + 7) % 96;  // whatever stands there, nobody sees it
  EXPECT_TRUE(near(logits_without(row).narrow(0, 3, 4), hidden.narrow(0, 3, 4), 0));
}

TEST_P(Pass, KnockoutActsInItsBlocksAndThroughTheCacheToo) {
  const TokenIds row = ids(7, 31);
  PassInput whole;
  whole.ids = {row};
  whole.knockouts = {{1, 3, 6, 2}, {1, 3, 6, 5}};
  whole.logit_tokens = {6};
  whole.recordings = {{Site::kBlockOutput, 0, {}}, {Site::kBlockOutput, 1, {}}};
  const PassOutput cut = model_.forward(whole);
  EXPECT_TRUE(near(cut.recorded[0], plain_vectors(model_, row, Site::kBlockOutput, 0), 0));
  EXPECT_FALSE(near(cut.recorded[1][6], plain_vectors(model_, row, Site::kBlockOutput, 1)[6], 1e-4));
  for (const bool append : {false, true}) {
    KvCache cache(model_.config(), 0, 1, 7, model_.options());
    PassInput front;
    front.ids = {{row.begin(), row.begin() + 4}};
    front.cache = &cache;
    front.append = true;
    model_.forward(front);
    PassInput rest;
    rest.ids = {{row.begin() + 4, row.end()}};
    rest.cache = &cache;
    rest.append = append;
    rest.knockouts = {{1, 3, 2, 2}, {1, 3, 2, 5}};  // packed token 2; positions in the whole row
    rest.logit_tokens = {2};
    EXPECT_TRUE(near(model_.forward(rest).logits, cut.logits, kRounding)) << "append " << append;
  }
}

// --- overlays

TEST_P(Pass, OverlayGatedPerRowActsOnItsRowsOnly) {
  const at::Tensor A = numbers({2, model_.config().d_ff}, 0.2), B = numbers({32, 2}, 0.5, 1.0);
  PassInput input;
  input.ids = {ids(5, 32), ids(7, 33), ids(4, 34)};
  input.logit_tokens = counting(0, 16);
  input.overlays = {{1, A, B, at::tensor({0.0, 0.0, 1.0, 1.0, 0.0, 1.0}, at::kFloat).view({3, 2})}};
  const at::Tensor logits = model_.forward(input).logits;
  const auto with = [&](const TokenIds& row, const Overlay& overlay) {
    PassInput alone;
    alone.ids = {row};
    alone.overlays = {overlay};
    alone.logit_tokens = counting(0, static_cast<std::int64_t>(row.size()));
    return model_.forward(alone).logits;
  };
  EXPECT_TRUE(near(logits.narrow(0, 0, 5), plain_logits(model_, input.ids[0]), kRounding));
  EXPECT_TRUE(near(logits.narrow(0, 5, 7), with(input.ids[1], {1, A, B, {}}), kRounding));
  EXPECT_TRUE(near(logits.narrow(0, 12, 4), with(input.ids[2], {1, A.narrow(0, 1, 1), B.narrow(1, 1, 1), {}}),
                   kRounding));
  EXPECT_FALSE(near(logits.narrow(0, 5, 7), plain_logits(model_, input.ids[1]), 1e-2));
}

TEST_P(Pass, RefusesRowsLongerThanThePositions) {
  PassInput input;
  input.ids = {ids(4, 35), ids(41, 36)};
  EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { model_.forward(input); }),
              ::testing::AllOf(::testing::HasSubstr("41"), ::testing::HasSubstr("40")));
  KvCache cache(model_.config(), 0, 1, 40, model_.options());
  PassInput front;
  front.ids = {ids(38, 37)};
  front.cache = &cache;
  front.append = true;
  model_.forward(front);
  PassInput rest;
  rest.ids = {ids(3, 38)};
  rest.cache = &cache;
  test::error_of(ErrorKind::kModel, [&] { model_.forward(rest); });
  rest.ids = {ids(2, 38)};
  EXPECT_NO_THROW(model_.forward(rest));
}

}  // namespace
}  // namespace emend
