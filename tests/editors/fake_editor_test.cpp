// An editor over several layers, made from the stages of editors/common alone.
#include "support/fake_editor.h"

#include <gmock/gmock.h>

#include "analysis/prompt_rows.h"
#include "base/expect_error.h"
#include "support/tiny_models.h"
#include "support/world.h"

namespace emend {
namespace {

using test::near;
using ::testing::AllOf;
using ::testing::HasSubstr;

class Spread : public ::testing::TestWithParam<std::string> {
 protected:
  Spread() : model_(test::load_world(GetParam())), requests_(test::world_edits(3)) {
    context_.layers = {5, 7};
    context_.prefix = model_.tokenizer().automatic_prefix();
  }
  static std::unique_ptr<Editor> editor(const std::map<std::string, OptionText>& options) {
    return make_editor("spread", options, test::editors_with_spread());
  }
  Edit edit(const std::vector<EditRequest>& requests) const {
    SilentProgress silent;
    return editor({{"covariance", {"false", "test"}}})->edit(model_, requests, context_, silent);
  }

  Model model_;
  std::vector<EditRequest> requests_;
  EditorContext context_;
};
INSTANTIATE_TEST_SUITE_P(World, Spread, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(Spread, WritesItsShareAtTheKeysOfEachLayer) {
  const Edit edit = this->edit(requests_);
  ASSERT_EQ(edit.changes.size(), 2u);
  ASSERT_EQ(edit.facts.size(), 3u);
  const RowForm form{context_.prefix, PromptForm::kRaw};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(edit.facts[i].request.id, requests_[i].id);
    const TokenIds ids = prompt_ids(model_.tokenizer(), requests_[i].prompt, form);
    for (const WeightChange& change : edit.changes) {
      const at::Tensor key = test::plain_vectors(model_, ids, Site::kKey, change.weight.block)[-1];
      const FactPart* const part = edit.facts[i].part_at(change.weight);
      ASSERT_NE(part, nullptr);
      EXPECT_TRUE(near(part->keys[0], key, 1e-3));
      const at::Tensor moved = at::mv(change.B, at::mv(change.A, key));
      EXPECT_TRUE(near(moved, part->residual, 1e-2 * part->residual.norm().item<double>()));
      EXPECT_EQ(part->rows, std::vector<std::int64_t>{static_cast<std::int64_t>(i)});
    }
  }
  EXPECT_EQ(edit.solves.size(), 2u);
  EXPECT_EQ(edit.method, "spread");
  EXPECT_EQ(edit.base_fingerprint, model_.fingerprint());
}

TEST_P(Spread, MakesTheTargetLikelier) {
  const EditRequest& request = requests_[0];
  const RowForm form{context_.prefix, PromptForm::kRaw};
  const TokenIds prompt = prompt_ids(model_.tokenizer(), request.prompt, form);
  const TokenIds first(1, target_ids(model_.tokenizer(), request.target, form).front());
  const double before = test::plain_nll(model_, prompt, first);
  const Edit edit = this->edit({request});
  const ScopedEdit scope(model_, edit.changes);
  EXPECT_LT(test::plain_nll(model_, prompt, first), before);
}

TEST_P(Spread, PlansAllLayers) {
  const EditPlan plan = editor({})->plan(model_, requests_, context_);
  ASSERT_EQ(plan.entries.size(), 3u);
  EXPECT_EQ(plan.entries[2].id, requests_[2].id);
  EXPECT_EQ(plan.entries[2].layers, context_.layers);
  EXPECT_GT(plan.entries[2].target_tokens, 0);
}

TEST_P(Spread, StatisticsOfEveryLayerAreNeeded) {
  SilentProgress silent;
  Statistics statistics;
  statistics.layers[5].C = at::eye(model_.config().d_ff, at::kDouble);
  context_.statistics = &statistics;
  EXPECT_THAT(
      test::error_of(ErrorKind::kConfig, [&] { editor({})->edit(model_, {requests_[0]}, context_, silent); }),
      HasSubstr("spread: the statistics of layer 7 are missing"));
  statistics.layers[7].C = at::eye(model_.config().d_ff, at::kDouble);
  EXPECT_EQ(editor({})->edit(model_, {requests_[0]}, context_, silent).changes.size(), 2u);
}

TEST(EditorTable, AProgramAddsItsOwnMethods) {
  const EditorTable table = test::editors_with_spread();
  const std::vector<EditorHelp> help = list_editors(table);
  ASSERT_EQ(help.size(), list_editors().size() + 1);
  EXPECT_EQ(help.back().name, "spread");
  ASSERT_EQ(help.back().options.size(), 2u);
  EXPECT_EQ(help.back().options[0].default_value, "3");
  EXPECT_EQ(make_editor("spread", {}, table)->layer_use(), LayerUse::kSeveral);
  EXPECT_EQ(make_editor("rome", {}, table)->name(), "rome");
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [] { make_editor("spread", {}); }), HasSubstr("spread"));
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { make_editor("spraed", {}, table); }),
              AllOf(HasSubstr("spraed"), HasSubstr("spread")));
  EXPECT_THAT(test::error_of(ErrorKind::kConfig,
                             [&] {
                               make_editor("spread", {{"strenght", {"1", "x.yaml:3:5"}}}, table);
                             }),
              AllOf(HasSubstr("x.yaml:3:5"), HasSubstr("strength")));
}

}  // namespace
}  // namespace emend
