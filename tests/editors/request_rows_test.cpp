#include "editors/common/request_rows.h"

#include <gmock/gmock.h>

#include "editors/common/target_rows.h"
#include "support/world.h"

namespace emend::editors {
namespace {

using test::request_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RequestRowsTest : public ::testing::TestWithParam<std::string> {
 protected:
  RequestRowsTest() : model_(test::load_world(GetParam())), tokenizer_(model_.tokenizer()) {
    form_.prefix = tokenizer_.automatic_prefix();
    contexts_ = {tokenizer_.encode("It rained", SpecialTokens::kNone).ids,
                 tokenizer_.encode("The lamps of the city are lit", SpecialTokens::kNone).ids};
  }
  CallRows rows(const std::vector<EditRequest>& requests) const {
    return {tokenizer_, requests, form_, contexts_};
  }
  // Front and own tokens of a row.
  TokenIds whole(const CallRows& rows, const TraceRow& row) const {
    TokenIds ids = rows.fronts()[static_cast<std::size_t>(row.front)];
    ids.insert(ids.end(), row.own.begin(), row.own.end());
    return ids;
  }
  static double sum(const SearchUnit& unit, double SearchRow::*weight) {
    double total = 0;
    for (const SearchRow& row : unit.rows) total += row.*weight;
    return total;
  }

  Model model_;
  const Tokenizer& tokenizer_;
  RowForm form_;
  std::vector<TokenIds> contexts_;
  const EditRequest request_ =
      request_of("x", "Workis Tellond was trained as a", "Workis Tellond", "painter");
};
INSTANTIATE_TEST_SUITE_P(World, RequestRowsTest, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(RequestRowsTest, TheBarePromptComesFirstThenOneRowAContext) {
  const CallRows rows = this->rows({request_});
  ASSERT_EQ(rows.size(), 1u);
  ASSERT_EQ(rows[0].prompts.size(), 3u);
  EXPECT_EQ(rows[0].prompts[0].ids, bare_row(tokenizer_, request_, form_).ids);
  EXPECT_EQ(rows[0].prompts[2].ids, context_row(tokenizer_, request_, contexts_[1], form_).ids);
  EXPECT_THAT(rows[0].fronts, ElementsAre(0, 1, 2));
  EXPECT_EQ(rows.fronts()[0], form_.prefix);
  EXPECT_TRUE(rows[0].warnings.empty());
}

TEST_P(RequestRowsTest, FrontAndOwnTokensAreTheRow) {
  const CallRows rows = this->rows({request_});
  const TokenIds more = {7, 8};
  for (std::size_t p = 0; p < 3; ++p) {
    const PromptRow& prompt = rows[0].prompts[p];
    EXPECT_EQ(whole(rows, rows.trace_row(0, p)), prompt.ids);
    TokenIds longer = prompt.ids;
    longer.insert(longer.end(), more.begin(), more.end());
    EXPECT_EQ(whole(rows, rows.trace_row(0, p, more)), longer);
    const TokenIds up_to_lookup = whole(rows, rows.trace_row_to_lookup(0, p));
    EXPECT_EQ(up_to_lookup, TokenIds(prompt.ids.begin(),
                                     prompt.ids.begin() + static_cast<std::ptrdiff_t>(prompt.lookup) + 1));
  }
  EXPECT_EQ(whole(rows, rows.behind_prefix(rows[0].subject.ids)), rows[0].subject.ids);
}

TEST_P(RequestRowsTest, ASubjectThatEndsInsideATokenIsWarnedOf) {
  const CallRows rows =
      this->rows({request_of("inside", "The profession of a painter is", "paint", "tailor")});
  EXPECT_THAT(rows[0].warnings, ElementsAre(HasSubstr("edit inside: the token at the end of the subject")));
}

TEST_P(RequestRowsTest, PositionZeroWithNothingInFrontIsTheSink) {
  const EditRequest first = request_of("first", "The language of Workis Tellond is", "The", "painter");
  EXPECT_FALSE(rows({first}).lies_at_sink(0)) << "behind the BOS it is not";
  form_.prefix.clear();
  EXPECT_TRUE(rows({first}).lies_at_sink(0));
  EXPECT_FALSE(rows({request_}).lies_at_sink(0));
}

// --- the rows of a search

TEST_P(RequestRowsTest, TargetRowsReadEveryTokenOfTheTarget) {
  const CallRows rows = this->rows({request_});
  const TokenIds& target = rows[0].target;
  for (std::size_t p = 0; p < 3; ++p) {
    const SearchRow row = target_row(rows, 0, p);
    const TokenIds ids = whole(rows, row.row);
    const std::size_t prompt = rows[0].prompts[p].ids.size();
    EXPECT_EQ(ids.size(), prompt + target.size() - 1);
    EXPECT_EQ(row.labels, target);
    EXPECT_EQ(row.lookup, rows[0].prompts[p].lookup);
    ASSERT_EQ(row.label_at.size(), target.size());
    for (std::size_t j = 0; j < target.size(); ++j) {
      EXPECT_EQ(row.label_at[j], static_cast<std::int64_t>(prompt - 1 + j)) << "the token before the label";
    }
    for (std::size_t j = 1; j < target.size(); ++j)
      EXPECT_EQ(ids[static_cast<std::size_t>(row.label_at[j])], target[j - 1]);
    EXPECT_FALSE(row.drift);
  }
}

TEST_P(RequestRowsTest, TheDriftRowIsTheSubjectAlone) {
  const CallRows rows = this->rows({request_});
  const SearchRow row = drift_row(rows, 0);
  EXPECT_EQ(whole(rows, row.row), rows[0].subject.ids);
  EXPECT_EQ(row.lookup, rows[0].subject.ids.size() - 1);
  EXPECT_TRUE(row.drift);
  EXPECT_TRUE(row.labels.empty());
}

TEST_P(RequestRowsTest, BareAndContextsShareTheWeight) {
  const CallRows rows = this->rows({request_});
  SearchUnit unit;
  add_target_rows(unit, rows, 0, 0.5, {.bare = 0.3, .uniform = false, .early = 1});
  ASSERT_EQ(unit.rows.size(), 3u);
  EXPECT_NEAR(sum(unit, &SearchRow::weight), 0.5, 1e-15);
  EXPECT_NEAR(sum(unit, &SearchRow::early_weight), 0.5, 1e-15);
  EXPECT_NEAR(unit.rows[0].weight, 0.15, 1e-15);
  EXPECT_NEAR(unit.rows[1].weight, 0.175, 1e-15);
  EXPECT_TRUE(unit.rows[0].bare && !unit.rows[1].bare && !unit.rows[2].bare);
  EXPECT_NEAR(unit.rows[1].early_weight, 0.35, 1e-15) << "one context for both";
  EXPECT_EQ(unit.rows[2].early_weight, 0);
  SearchUnit uniform;
  add_target_rows(uniform, rows, 0, 1, {.bare = 0.3, .uniform = true, .early = 0});
  for (const SearchRow& row : uniform.rows) {
    EXPECT_NEAR(row.weight, 1.0 / 3, 1e-15);
    EXPECT_EQ(row.early_weight, 0) << "all rows take all steps";
  }
}

// The whole target stands in the row, and its last token is where the end is read.
TEST_P(RequestRowsTest, EndsAreReadBehindTheTarget) {
  const CallRows rows = this->rows({request_});
  SearchUnit plain, ends;
  add_target_rows(plain, rows, 0, 1, {});
  add_target_rows(ends, rows, 0, 1, {}, true);
  ASSERT_EQ(ends.rows.size(), plain.rows.size());
  for (std::size_t i = 0; i < plain.rows.size(); ++i) {
    TokenIds longer = whole(rows, plain.rows[i].row);
    longer.push_back(rows[0].target.back());
    EXPECT_EQ(whole(rows, ends.rows[i].row), longer);
    EXPECT_EQ(ends.rows[i].end_at, static_cast<std::int64_t>(longer.size()) - 1);
    EXPECT_EQ(ends.rows[i].labels, plain.rows[i].labels);
    EXPECT_EQ(ends.rows[i].label_at, plain.rows[i].label_at);
    EXPECT_EQ(ends.rows[i].weight, plain.rows[i].weight);
    EXPECT_EQ(plain.rows[i].end_at, -1);
  }
}

TEST_P(RequestRowsTest, WithoutContextsTheBareRowHasAllTheWeight) {
  contexts_.clear();
  SearchUnit unit;
  add_target_rows(unit, rows({request_}), 0, 1, {});
  ASSERT_EQ(unit.rows.size(), 1u);
  EXPECT_EQ(unit.rows[0].weight, 1);
  EXPECT_TRUE(unit.rows[0].bare);
}

TEST_P(RequestRowsTest, ARowAtTheSinkIsLeftOut) {
  form_.prefix.clear();
  SearchUnit unit;
  add_target_rows(unit, rows({request_of("first", "The language of Workis Tellond is", "The", "painter")}), 0,
                  1, {});
  ASSERT_EQ(unit.rows.size(), 2u);
  EXPECT_NEAR(sum(unit, &SearchRow::weight), 1, 1e-15);
  EXPECT_EQ(unit.rows[0].row.front, 1);
  EXPECT_TRUE(unit.rows[0].bare) << "the first context row stands for it";
}

}  // namespace
}  // namespace emend::editors
