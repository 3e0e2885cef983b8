// Where a pass begins and where it ends, and which logits it gives.
#include "base/expect_error.h"
#include "model/pass_fixture.h"

namespace emend {
namespace {

using test::counting;
using test::index_of;
using test::near;
using test::plain_logits;
using test::plain_vectors;

class Pass : public test::PassFixture {};
INSTANTIATE_TEST_SUITE_P(Shapes, Pass, ::testing::Values("gpt2", "gptj", "llama"),
                         [](const auto& shape) { return shape.param; });

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
  EXPECT_TRUE(near(model_.forward(upper).logits, model_.forward(whole).logits, test::kPassRounding));
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
