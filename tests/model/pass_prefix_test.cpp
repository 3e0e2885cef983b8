// Positions: cached prefixes, several rows in one pass, and rows of different lengths give what each row
// alone gives.
#include "base/expect_error.h"
#include "model/pass_fixture.h"

namespace emend {
namespace {

using test::counting;
using test::near;
using test::plain_logits;
using test::plain_vectors;

class PassPrefix : public test::PassFixture {};
INSTANTIATE_TEST_SUITE_P(Shapes, PassPrefix, ::testing::Values("gpt2", "gptj", "llama", "gemma2"),
                         [](const auto& shape) { return shape.param; });

at::Tensor rows_from(const at::Tensor& x, std::int64_t begin) {
  return x.narrow(0, begin, x.size(0) - begin);
}

TEST_P(PassPrefix, CachedPrefixEqualsFullRun) {
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
  EXPECT_TRUE(
      near(model_.forward(rest).logits, rows_from(plain_logits(model_, all), 7), test::kPassRounding));
  EXPECT_EQ(cache.lengths[0], 7) << "without append a pass only reads";
}

// Rows that are all alike share one mask; one more row of another length takes that way from them.
TEST_P(PassPrefix, RowsThatAreAlikeEqualRowsAmongOthers) {
  for (const bool gradients : {false, true}) {
    const c10::AutoGradMode mode(gradients);
    const std::vector<TokenIds> prefixes = {ids(5, 21), ids(5, 22), ids(3, 25)};
    KvCache cache(model_.config(), 0, 3, 5, model_.options());
    PassInput front;
    front.ids = prefixes;
    front.cache = &cache;
    front.append = true;
    {
      const c10::NoGradGuard none;
      model_.forward(front);
    }
    PassInput alike;
    alike.ids = {ids(4, 23), ids(4, 24), ids(4, 26)};
    alike.cache = &cache;
    alike.cache_row = {0, 1, 0};
    alike.logit_tokens = counting(0, 12);
    PassInput mixed = alike;
    mixed.ids.push_back(ids(6, 27));
    mixed.cache_row.push_back(2);
    mixed.logit_tokens = counting(0, 18);
    EXPECT_TRUE(near(model_.forward(alike).logits, model_.forward(mixed).logits.narrow(0, 0, 12),
                     test::kPassRounding));
    PassInput cut = alike;
    cut.knockouts = {{0, 2, 5, 1}};  // of the second row
    const at::Tensor with = model_.forward(cut).logits, without = model_.forward(alike).logits;
    EXPECT_TRUE(near(with.narrow(0, 0, 4), without.narrow(0, 0, 4), test::kPassRounding));
    EXPECT_GT((with[5] - without[5]).abs().max().item<double>(), 1e-4);
  }
}

TEST_P(PassPrefix, PrefixSharedByManyRowsEqualsEachAlone) {
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
    EXPECT_TRUE(near(logits.narrow(0, at, length), rows_from(plain_logits(model_, whole), begin),
                     test::kPassRounding))
        << "row " << row;
    at += length;
  }
}

TEST_P(PassPrefix, AppendingTokenByTokenEqualsTheWhole) {
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
    EXPECT_TRUE(near(at::stack(seen[row]), plain_logits(model_, rows[row]), test::kPassRounding))
        << "row " << row;
  EXPECT_EQ(cache.lengths, (std::vector<std::int64_t>{9, 6}));
}

TEST_P(PassPrefix, SelectedAndGrownCachesGoOn) {
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
  EXPECT_TRUE(near(logits[0], plain_logits(model_, first)[-1], test::kPassRounding));
  EXPECT_TRUE(near(logits[1], plain_logits(model_, second)[-1], test::kPassRounding));
}

TEST_P(PassPrefix, RaggedRowsEqualEachAlone) {
  PassInput input;
  input.ids = {ids(3, 14), ids(11, 15), ids(1, 16), ids(7, 17)};
  input.logit_tokens = counting(0, 22);
  input.recordings = {{Site::kKey, 2, {}}};
  const PassOutput output = model_.forward(input);
  std::int64_t at = 0;
  for (const TokenIds& row : input.ids) {
    const auto length = static_cast<std::int64_t>(row.size());
    EXPECT_TRUE(near(output.logits.narrow(0, at, length), plain_logits(model_, row), test::kPassRounding));
    EXPECT_TRUE(near(output.recorded[0].narrow(0, at, length), plain_vectors(model_, row, Site::kKey, 2),
                     test::kPassRounding));
    at += length;
  }
}

TEST_P(PassPrefix, ALayoutServesPassesThatReadTheSameLogits) {
  PassInput input;
  input.ids = {ids(5, 1), ids(3, 2)};
  input.logit_tokens = {1, 7};
  const at::Tensor own = model_.forward(input).logits;
  input.layout = model_.lay_out(input);
  EXPECT_TRUE(near(model_.forward(input).logits, own, test::kPassRounding));
  for (const std::vector<std::int64_t>& other : {std::vector<std::int64_t>{1}, {1, 6}, {}}) {
    input.logit_tokens = other;
    EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { model_.forward(input); }),
                ::testing::HasSubstr("other logits than its layout"));
  }
}

}  // namespace
}  // namespace emend
