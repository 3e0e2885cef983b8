// A change reaches what it must and no more: vectors replaced, added to or scaled, and attention edges cut.
#include "model/pass_fixture.h"

namespace emend {
namespace {

using test::counting;
using test::index_of;
using test::near;
using test::numbers;
using test::plain_logits;
using test::plain_vectors;

class PassInterventions : public test::PassFixture {};
INSTANTIATE_TEST_SUITE_P(Shapes, PassInterventions, ::testing::Values("gpt2", "gptj", "llama"),
                         [](const auto& shape) { return shape.param; });

const std::vector<Site> kSites = {Site::kTokenEmbedding,  Site::kEmbedding,
                                  Site::kAttentionOutput, Site::kKey,
                                  Site::kMlpOutput,       Site::kBlockOutput};

std::int64_t size_at(Site site, const ModelConfig& config) {
  return site == Site::kKey ? config.d_ff : config.d_model;
}

TEST_P(PassInterventions, AChangeReachesLaterPositionsAndHigherBlocksOnly) {
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

TEST_P(PassInterventions, InterventionsActInTheOrderListed) {
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

TEST_P(PassInterventions, InterventionsOnPackedTokensOfOneRowLeaveOtherRowsAlone) {
  PassInput input;
  input.ids = {ids(4, 26), ids(6, 27)};
  input.interventions = {
      {Site::kBlockOutput, 0, Intervention::Kind::kAdd, index_of({5}), numbers({1, 32}, 0.7)}};
  input.logit_tokens = counting(0, 10);
  const at::Tensor logits = model_.forward(input).logits;
  EXPECT_TRUE(near(logits.narrow(0, 0, 4), plain_logits(model_, input.ids[0]), test::kPassRounding));
  EXPECT_TRUE(
      near(logits.narrow(0, 4, 1), plain_logits(model_, input.ids[1]).narrow(0, 0, 1), test::kPassRounding));
  EXPECT_FALSE(near(logits.narrow(0, 5, 5), plain_logits(model_, input.ids[1]).narrow(0, 1, 5), 1e-3));
}

TEST_P(PassInterventions, KnockoutOfAllEdgesToAPositionHidesIt) {
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
  EXPECT_TRUE(near(hidden.narrow(0, 0, 3), plain_logits(model_, row).narrow(0, 0, 3), test::kPassRounding))
      << "queries that are not cut";
  EXPECT_FALSE(near(hidden.narrow(0, 3, 4), plain_logits(model_, row).narrow(0, 3, 4), 1e-3));
  row[kHidden] = (row[kHidden] + 7) % 96;  // whatever stands there, nobody sees it
  EXPECT_TRUE(near(logits_without(row).narrow(0, 3, 4), hidden.narrow(0, 3, 4), 0));
}

TEST_P(PassInterventions, KnockoutActsInItsBlocksAndThroughTheCacheToo) {
  const TokenIds row = ids(7, 31);
  PassInput whole;
  whole.ids = {row};
  whole.knockouts = {{1, 3, 6, 2}, {1, 3, 6, 5}};
  whole.logit_tokens = {6};
  whole.recordings = {{Site::kBlockOutput, 0, {}}, {Site::kBlockOutput, 1, {}}};
  const PassOutput cut = model_.forward(whole);
  EXPECT_TRUE(near(cut.recorded[0], plain_vectors(model_, row, Site::kBlockOutput, 0), test::kPassRounding));
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
    EXPECT_TRUE(near(model_.forward(rest).logits, cut.logits, test::kPassRounding)) << "append " << append;
  }
}

}  // namespace
}  // namespace emend
