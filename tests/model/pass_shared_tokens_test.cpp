// Rows that share the tokens of a common beginning, and a last block that finishes only what is read.
#include "model/pass_fixture.h"
#include "model/shared_tokens.h"

namespace emend {
namespace {

using test::counting;
using test::near;
using test::numbers;
using test::plain_logits;

class PassSharedTokens : public test::PassFixture {
 protected:
  // Two prompts that part after 4 and 6 tokens, one that is the front of another, one of its own.
  std::vector<TokenIds> rows() const {
    const TokenIds front = ids(6, 50);
    std::vector<TokenIds> rows = {front, front, {front.begin(), front.begin() + 4}, front, ids(5, 51)};
    for (std::size_t r = 0; r < 3; ++r)
      for (const std::int64_t id : ids(3, 60 + r)) rows[r].push_back(id);
    return rows;
  }
  // The pass of `input` gives each row's logits as that row alone has them.
  void expect_each_alone(const PassInput& input, const SharedTokens& tokens, const at::Tensor& logits,
                         const std::vector<Overlay>& overlay_of_row) {
    for (std::size_t r = 0; r < input.ids.size(); ++r) {
      SCOPED_TRACE(r);
      PassInput alone;
      alone.ids = {input.ids[r]};
      if (!overlay_of_row.empty()) alone.overlays = {overlay_of_row[r]};
      alone.logit_tokens = counting(0, static_cast<std::int64_t>(input.ids[r].size()));
      const at::Tensor own = logits.index_select(0, at::tensor(tokens.token_of[r], at::kLong));
      EXPECT_TRUE(near(own, model_.forward(alone).logits, test::kPassRounding));
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Shapes, PassSharedTokens, ::testing::Values("gpt2", "gptj", "llama", "gemma2"),
                         [](const auto& shape) { return shape.param; });

TEST(SharedTokens, OneTokenForEachDistinctBeginningOfAGroup) {
  const SharedTokens tokens = share_tokens({{7, 8, 9}, {7, 8, 4, 9}, {7, 8}, {7, 8}}, {0, 0, 0, 3});
  EXPECT_EQ(tokens.token_of,
            (std::vector<std::vector<std::int64_t>>{{0, 1, 2}, {0, 1, 3, 4}, {0, 1}, {5, 6}}));
  EXPECT_EQ(tokens.count(), 7);
  EXPECT_EQ(tokens.first[4].row, 1u);
  EXPECT_EQ(tokens.first[4].position, 3u);
  EXPECT_EQ(tokens.first[5].row, 3u);
}

TEST_P(PassSharedTokens, EqualsEachRowAlone) {
  PassInput input;
  input.ids = rows();
  const SharedTokens tokens = share_tokens(input.ids, {0, 0, 0, 0, 0});
  EXPECT_EQ(tokens.count(), 9 + 3 + 3 + 5);
  input.token_of = tokens.token_of;
  input.logit_tokens = counting(0, tokens.count());
  expect_each_alone(input, tokens, model_.forward(input).logits, {});
}

TEST_P(PassSharedTokens, RowsUnderDifferentOverlaysAreGroupsOfTheirOwn) {
  const at::Tensor A = numbers({2, model_.config().d_ff}, 0.2), B = numbers({32, 2}, 0.5, 1.0);
  const Overlay first{1, A.narrow(0, 0, 1), B.narrow(1, 0, 1), {}},
      second{1, A.narrow(0, 1, 1), B.narrow(1, 1, 1), {}};
  PassInput input;
  input.ids = rows();
  const SharedTokens tokens = share_tokens(input.ids, {0, 1, 1, 0, 1});
  input.token_of = tokens.token_of;
  input.logit_tokens = counting(0, tokens.count());
  input.overlays = {
      {1, A, B, at::tensor({1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0}, at::kFloat).view({5, 2})}};
  expect_each_alone(input, tokens, model_.forward(input).logits, {first, second, second, first, second});
}

// Each kept row finds its keys and values in its own row of the cache; a row that is not kept leaves nothing.
TEST_P(PassSharedTokens, KeptRowsCanBeContinued) {
  PassInput front;
  front.ids = rows();
  front.token_of = share_tokens(front.ids, {0, 0, 0, 0, 0}).token_of;
  KvCache cache(model_.config(), 0, 2, 12, model_.options());
  front.cache = &cache;
  front.cache_row = {-1, 1, -1, 0, -1};
  front.append = true;
  model_.forward(front);
  EXPECT_EQ(cache.lengths, (std::vector<std::int64_t>{6, 9}));
  PassInput next;
  next.ids = {ids(2, 70), ids(3, 71)};
  next.cache = &cache;
  next.logit_tokens = {1, 4};
  const at::Tensor logits = model_.forward(next).logits;
  for (const std::size_t r : {0u, 1u}) {
    TokenIds whole = front.ids[r == 0 ? 3 : 1];
    whole.insert(whole.end(), next.ids[r].begin(), next.ids[r].end());
    EXPECT_TRUE(
        near(logits[static_cast<std::int64_t>(r)], plain_logits(model_, whole)[-1], test::kPassRounding));
  }
}

TEST_P(PassSharedTokens, LogitsOnlyGivesTheSameLogits) {
  PassInput input;
  input.ids = {ids(5, 32), ids(7, 33)};
  input.logit_tokens = {11, 4, 6};
  const int last = model_.config().layers - 1;
  input.overlays = {{last, numbers({2, model_.config().d_ff}, 0.2), numbers({32, 2}, 0.5, 1.0), at::eye(2)}};
  const at::Tensor all = model_.forward(input).logits;
  input.logits_only = true;
  const PassOutput output = model_.forward(input);
  EXPECT_FALSE(output.hidden.defined());
  EXPECT_TRUE(near(output.logits, all, test::kPassRounding));
}

}  // namespace
}  // namespace emend
