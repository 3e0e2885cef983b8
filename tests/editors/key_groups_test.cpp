#include "editors/common/key_groups.h"

#include <gmock/gmock.h>

#include <cmath>

#include "base/expect_error.h"
#include "support/tiny_models.h"
#include "support/world.h"

namespace emend::editors {
namespace {

using test::near;
using test::request_of;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// Up to float32 rounding: keys differ in length by orders of magnitude.
::testing::AssertionResult near_key(const at::Tensor& found, const at::Tensor& wanted) {
  return near(found, wanted, 1e-4 * wanted.norm().item<double>());
}

class KeyGroups : public ::testing::TestWithParam<std::string> {
 protected:
  KeyGroups() : model_(test::load_world(GetParam())) {
    form_.prefix = model_.tokenizer().automatic_prefix();
    contexts_ = {model_.tokenizer().encode("It rained", SpecialTokens::kNone).ids,
                 model_.tokenizer().encode("The lamps of the city", SpecialTokens::kNone).ids};
  }
  CallRows rows() const { return {model_.tokenizer(), requests_, form_, contexts_}; }
  LayerTrace trace(const CallRows& rows) const { return {model_, layers_, rows.fronts(), 4096}; }
  std::vector<KeyGroup> groups(Grouping grouping = Grouping::kShared) const {
    const CallRows rows = this->rows();
    return group_requests(rows, trace(rows), grouping);
  }
  // The key at a token of a row, from a plain pass.
  at::Tensor plain_key(const PromptRow& row, int layer) const {
    return test::plain_vectors(model_, row.ids, Site::kKey, layer)[static_cast<std::int64_t>(row.lookup)];
  }

  Model model_;
  RowForm form_;
  std::vector<TokenIds> contexts_;
  std::vector<int> layers_ = {1, 3};
  // Two relations of one subject that begins both prompts, and another subject.
  std::vector<EditRequest> requests_ = {
      request_of("one", "Workis Tellond was trained as a", "Workis Tellond", "painter"),
      request_of("other", "Gellis Kevond was trained as a", "Gellis Kevond", "tailor"),
      request_of("two", "Workis Tellond makes music on the", "Workis Tellond", "harp")};
};
INSTANTIATE_TEST_SUITE_P(World, KeyGroups, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

// What is said of a group does not grow with the square of its size.
TEST(KeyGroup, NamesTheOthersUpToALimit) {
  KeyGroup group;
  std::vector<EditRequest> all(3 * kMostOthers);
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].id = std::to_string(i);
    group.requests.push_back(i);
  }
  EXPECT_THAT(others_of(group, 1, all), SizeIs(kMostOthers));
  EXPECT_EQ(others_of(group, 1, all)[1], "2");
  group.requests = {7, 9, 4};
  EXPECT_THAT(others_of(group, 9, all), ElementsAre("7", "4"));
}

TEST_P(KeyGroups, ASubjectThatBeginsBothPromptsHasOneKey) {
  const auto shared = groups();
  ASSERT_THAT(shared, SizeIs(2));
  EXPECT_THAT(shared[0].requests, ElementsAre(0, 2));
  EXPECT_THAT(shared[1].requests, ElementsAre(1));
  EXPECT_EQ(shared[0].ids(requests_), "one, two");
  const auto alone = groups(Grouping::kAlone);
  ASSERT_THAT(alone, SizeIs(3));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_THAT(alone[i].requests, ElementsAre(i));
}

TEST_P(KeyGroups, KeysAreThoseOfPlainPassesAtEveryLayer) {
  const CallRows rows = this->rows();
  const auto found = groups();
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const SubjectKeys& keys = found[1].keys.at(l);
    const auto& prompts = rows[1].prompts;
    EXPECT_TRUE(near_key(keys.bare, plain_key(prompts[0], layers_[l])));
    const at::Tensor mean = (plain_key(prompts[1], layers_[l]) + plain_key(prompts[2], layers_[l])) / 2;
    EXPECT_TRUE(near_key(keys.contexts, mean));
    EXPECT_EQ(keys.bare.scalar_type(), at::kDouble);
  }
  contexts_.clear();
  EXPECT_FALSE(groups()[0].keys[0].contexts.defined());
}

TEST_P(KeyGroups, TheSinkIsTheKeyOfTheBos) {
  const CallRows rows = this->rows();
  const auto sinks = sink_keys(rows, trace(rows));
  ASSERT_THAT(sinks, SizeIs(2));
  for (std::size_t l = 0; l < 2; ++l)
    EXPECT_TRUE(near_key(sinks[l], test::plain_vectors(model_, form_.prefix, Site::kKey, layers_[l])[0]));
}

TEST_P(KeyGroups, WithoutABosTheSinkIsTheMeanOfOtherTextsFirstKeys) {
  form_.prefix.clear();
  const CallRows rows = this->rows();
  const auto sinks = sink_keys(rows, trace(rows));
  for (std::size_t l = 0; l < 2; ++l) {
    at::Tensor mean = at::zeros({model_.config().d_ff}, at::kFloat);
    for (const TokenIds& context : contexts_)
      mean = mean + test::plain_vectors(model_, context, Site::kKey, layers_[l])[0] / 2;
    EXPECT_TRUE(near_key(sinks[l], mean));
  }
  contexts_.clear();
  const CallRows bare = this->rows();
  for (const at::Tensor& sink : sink_keys(bare, trace(bare))) EXPECT_FALSE(sink.defined());
}

TEST_P(KeyGroups, KeysThatAreNotFiniteAreNamedWithTheirLayer) {
  auto found = groups();
  EXPECT_NO_THROW(require_finite_keys(found, {}, layers_, requests_));
  const auto refusal = [&](const std::vector<at::Tensor>& sinks) {
    return test::error_of(ErrorKind::kNumeric,
                          [&] { require_finite_keys(found, sinks, layers_, requests_); });
  };
  EXPECT_THAT(refusal({found[0].keys[0].bare, found[0].keys[0].bare / 0.0}),
              AllOf(HasSubstr("the key of position 0"), HasSubstr("layer 3")));
  found[0].keys[1].contexts = found[0].keys[1].contexts * std::nan("");
  EXPECT_THAT(refusal({}), AllOf(HasSubstr("one, two"), HasSubstr("layer 3"), Not(HasSubstr("other"))));
}

TEST_P(KeyGroups, ContradictionsNameTheFirstPair) {
  const auto check = [&] { require_no_contradiction(groups(), rows(), requests_); };
  EXPECT_NO_THROW(check());
  // "music" contradicts itself within the group before "trained" does, but the first request stands in the
  // second pair.
  requests_.push_back(requests_[2]);
  requests_.back().id = "three";
  requests_.back().target = "flute";
  requests_.push_back(requests_[0]);
  requests_.back().id = "four";
  requests_.back().target = "mason";
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, check),
              AllOf(HasSubstr("edits one and four contradict"), HasSubstr("\"painter\" and \"mason\"")));
  requests_.back().target = requests_[0].target;  // the same wish twice is none
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, check), HasSubstr("edits two and three contradict"));
}

}  // namespace
}  // namespace emend::editors
