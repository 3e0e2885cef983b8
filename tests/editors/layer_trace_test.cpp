#include "editors/common/layer_trace.h"

#include "search_fixture.h"

namespace emend::editors {
namespace {

using test::near;
using test::plain_vectors;

class LayerTraceTest : public SearchFixture {};
INSTANTIATE_TEST_SUITE_P(Shapes, LayerTraceTest, ::testing::Values("gpt2", "gptj", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(LayerTraceTest, EqualsPlainPasses) {
  for (const SearchRow& row : units_[1].rows) {
    const TracedRow traced = trace_->trace({row.row})[0];
    EXPECT_TRUE(near(traced.keys, plain_keys(row), 2e-5));
    EXPECT_TRUE(
        near(traced.hidden, plain_vectors(model_, whole(row), Site::kBlockOutput, kSearchLayer), 2e-5));
    EXPECT_TRUE(near(trace_->last_keys({row.row})[0][0], plain_keys(row)[-1], 2e-5));
    EXPECT_TRUE(near(trace_->own_keys({row.row})[0][0],
                     plain_keys(row).narrow(0, trace_->front_length(row.row.front),
                                            static_cast<std::int64_t>(row.row.own.size())),
                     2e-5));
  }
  EXPECT_TRUE(
      near(trace_->front_keys(2)[0], plain_vectors(model_, fronts_[2], Site::kKey, kSearchLayer), 2e-5));
}

TEST_P(LayerTraceTest, OneRunServesAllLayers) {
  const LayerTrace trace(model_, {0, 1, 3}, fronts_, 4096);
  EXPECT_EQ(trace.layer(), 3);
  const SearchRow& row = units_[2].rows[1];
  const auto last = trace.last_keys({row.row});
  const auto own = trace.own_keys({row.row});
  const auto front = trace.front_keys(row.row.front);
  ASSERT_EQ(last.size(), 3u);
  ASSERT_EQ(own.size(), 3u);
  ASSERT_EQ(front.size(), 3u);
  const std::int64_t length = trace.front_length(row.row.front);
  for (std::size_t l = 0; l < 3; ++l) {
    const at::Tensor keys = plain_vectors(model_, whole(row), Site::kKey, trace.layers()[l]);
    EXPECT_TRUE(near(front[l], keys.narrow(0, 0, length), 2e-5)) << l;
    EXPECT_TRUE(near(own[l][0], keys.slice(0, length), 2e-5)) << l;
    EXPECT_TRUE(near(last[l][0], keys[-1], 2e-5)) << l;
  }
  const TracedRow traced = trace.trace({row.row})[0];  // at the last layer
  EXPECT_TRUE(near(traced.keys, plain_vectors(model_, whole(row), Site::kKey, 3), 2e-5));
  EXPECT_TRUE(near(traced.hidden, plain_vectors(model_, whole(row), Site::kBlockOutput, 3), 2e-5));
}

TEST_P(LayerTraceTest, PortionsAreThoseOfOnePass) {
  const LayerTrace portions(model_, {0, kSearchLayer}, fronts_, 8);  // about one row at a time
  const LayerTrace whole(model_, {0, kSearchLayer}, fronts_, 4096);
  std::vector<TraceRow> rows;
  for (const SearchUnit& unit : units_)
    for (const SearchRow& row : unit.rows) rows.push_back(row.row);
  const auto one = portions.last_keys(rows), other = whole.last_keys(rows);
  for (std::size_t l = 0; l < 2; ++l) {
    EXPECT_EQ(one[l].size(0), static_cast<std::int64_t>(rows.size()));
    EXPECT_TRUE(near(one[l], other[l], 2e-5));
    EXPECT_EQ(portions.own_keys(rows)[l].size(), rows.size());
  }
}

TEST_P(LayerTraceTest, ARowMayStandAlone) {
  const TraceRow alone{-1, {5, 9, 11, 30, 7}};
  const TracedRow traced = trace_->trace({alone})[0];
  EXPECT_EQ(trace_->front_length(-1), 0);
  EXPECT_TRUE(near(traced.keys, plain_vectors(model_, alone.own, Site::kKey, kSearchLayer), 2e-5));
}

// The blocks above the layer, begun at a position of each row, on the cache of those before it.
TEST_P(LayerTraceTest, UpperBlocksContinueOnTheirCache) {
  const c10::NoGradGuard no_grad;
  const SearchRow& row = units_[1].rows[2];
  const TracedRow traced = trace_->trace({row.row})[0];
  const std::int64_t length = traced.hidden.size(0), front = trace_->front_length(row.row.front);
  const at::Tensor logits = test::plain_logits(model_, whole(row))[-1];
  for (const std::int64_t begin : {front - 2, front, front + 2}) {
    KvCache cache = trace_->upper_cache({row.row}, {traced.hidden}, {begin});
    ASSERT_EQ(cache.lengths, std::vector<std::int64_t>{begin});
    PassInput input;
    input.ids = {TokenIds(static_cast<std::size_t>(length - begin), 0)};
    input.cache = &cache;
    input.begin_block = kSearchLayer + 1;
    input.hidden = traced.hidden.slice(0, begin);
    input.logit_tokens = {length - begin - 1};
    EXPECT_TRUE(near(model_.forward(input).logits[0], logits, 2e-4)) << begin;
  }
}

}  // namespace
}  // namespace emend::editors
