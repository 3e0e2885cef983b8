// Patches that emend saved before its edits named their weights (tests/data/patches).
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "delivery/patch_metadata.h"
#include "emend/patch.h"
#include "patch_parts.h"
#include "sample_patch.h"
#include "tests/base/expect_error.h"

namespace emend {
namespace {

using test::error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const WeightRef kWeight{2, Role::kMlpDown};
constexpr std::int64_t kFacts = 4, kInner = 768, kModel = 128;
constexpr const char* kStatistics = "77609b9cfcf3b412a6324dd97054542127a53691246a42f3ea61a26fdc78db39";

std::filesystem::path stored(const std::string& name) {
  return std::filesystem::path(EMEND_TEST_DATA) / "patches" / ("format1_" + name + ".safetensors");
}

// The tensors of a patch of format 1 as the file holds them.
at::Tensor tensor_of(const Parts& parts, const std::string& name) {
  const Parts::Tensor& tensor = parts.tensors.at(name);
  return at::from_blob(const_cast<std::byte*>(tensor.bytes.data()), tensor.shape, at::kFloat).clone();
}

class Format1 : public testing::TestWithParam<const char*> {
 protected:
  bool is_joint() const { return std::string(GetParam()) == "joint"; }
  const Patch patch_ = load_patch(stored(GetParam()));
  const Parts parts_ = read_parts(stored(GetParam()));
  const ScratchFolder folder_;
};
INSTANTIATE_TEST_SUITE_P(Patches, Format1, testing::Values("joint", "each_alone"),
                         [](const auto& name) { return std::string(name.param); });

TEST_P(Format1, HoldsTheFactsInTheirOrder) {
  std::vector<std::string> ids;
  for (const FactRecord& fact : patch_.edit.facts) ids.push_back(fact.request.id);
  EXPECT_THAT(ids, ElementsAre("profession-116", "language-253", "language-243", "works_for-064"));
  for (const FactRecord& fact : patch_.edit.facts) {
    EXPECT_EQ(fact.status, FactStatus::kEdited);
    EXPECT_EQ(fact.layer(), 2);
    EXPECT_GT(fact.steps, 0);
    EXPECT_GT(fact.loss, 0);
    EXPECT_EQ(fact.request.paraphrases.size(), 2U);
  }
  EXPECT_EQ(patch_.edit.method, "rome");
  EXPECT_EQ(patch_.edit.objective, Objective::kWritten);
  EXPECT_EQ(patch_.base_name, "gpt2");
  EXPECT_EQ(patch_.edit.context_ids.size(), 20U);
  EXPECT_EQ(patch_.held_text.size(), 16U);
  EXPECT_TRUE(patch_.passed);
}

TEST_P(Format1, HoldsThePartOfEachFactWithItsRow) {
  ASSERT_EQ(patch_.edit.changes.size(), 1U);
  const WeightChange& change = patch_.edit.changes[0];
  EXPECT_TRUE(change.weight == kWeight);
  EXPECT_TRUE(at::equal(change.A, tensor_of(parts_, "model.layers.2.mlp_down.A")));
  EXPECT_TRUE(at::equal(change.B, tensor_of(parts_, "model.layers.2.mlp_down.B")));
  for (std::int64_t i = 0; i < kFacts; ++i) {
    const FactRecord& fact = patch_.edit.facts[static_cast<std::size_t>(i)];
    ASSERT_EQ(fact.parts.size(), 1U);
    const FactPart& part = fact.parts[0];
    const std::string front = "edits." + std::to_string(i) + ".";
    EXPECT_TRUE(part.weight == kWeight);
    EXPECT_THAT(part.keys.sizes().vec(), ElementsAre(is_joint() ? 3 : 1, kInner));
    EXPECT_TRUE(at::equal(part.keys, tensor_of(parts_, front + "keys")));
    EXPECT_TRUE(at::equal(part.answers, tensor_of(parts_, front + "answers")));
    EXPECT_TRUE(at::equal(part.residual, tensor_of(parts_, front + "residual")));
    EXPECT_THAT(part.rows, ElementsAre(i));
    EXPECT_TRUE(at::equal(change.B.select(1, i), part.residual));
    EXPECT_TRUE(at::allclose(at::mv(part.keys, change.A[i]), part.answers, 0, 1e-3));
    EXPECT_GT(part.update_norm, 1);
    EXPECT_NEAR(part.update_norm, (change.A[i].norm() * part.residual.norm()).item<double>(),
                1e-4 * part.update_norm);
    EXPECT_GT(part.relative_norm, 0);
  }
}

TEST_P(Format1, SaysHowTheWeightWasSolved) {
  ASSERT_EQ(patch_.edit.solves.size(), 1U);
  const WeightSolve& solve = patch_.edit.solves[0];
  EXPECT_TRUE(solve.weight == kWeight);
  EXPECT_EQ(solve.rule, is_joint() ? SolveRule::kEquality : SolveRule::kEachAlone);
  EXPECT_EQ(solve.relative_ridge, is_joint() ? 1e-5 : 0.01);
  EXPECT_EQ(solve.lambda, 0);
  EXPECT_EQ(solve.statistics_fingerprint, kStatistics);
  EXPECT_EQ(patch_.edit.statistics_fingerprint(), kStatistics);
}

TEST_P(Format1, HoldsWhatWasMeasuredOfEachFact) {
  for (const FactRecord& fact : patch_.edit.facts) {
    ASSERT_TRUE(fact.before && fact.after);
    EXPECT_EQ(fact.before->id, fact.request.id);
    EXPECT_EQ(fact.after->id, fact.request.id);
    EXPECT_FALSE(fact.before->prompt.argmax_target);
    EXPECT_TRUE(fact.after->prompt.argmax_target);
    EXPECT_EQ(fact.after->neighbours.size(), 2U);
  }
  EXPECT_EQ(patch_.edit.facts[0].before->prompt.p_was, 0.997963121569621);
  EXPECT_EQ(patch_.edit.facts[3].after->prompt.completion, " Krelco. The firm of Grilmigco Works sells");
}

TEST_P(Format1, IsSavedAsFormat2ThatReadsTheSame) {
  const auto file = folder_ / "p.safetensors";
  save_patch(patch_, file);
  const Parts saved = read_parts(file);
  EXPECT_EQ(saved.metadata.at("emend.format"), "2");
  for (const char* const gone : {"emend.before", "emend.after", "emend.statistics_fingerprint"})
    EXPECT_FALSE(saved.metadata.contains(gone)) << gone;
  EXPECT_FALSE(saved.tensors.contains("edits.0.keys"));
  EXPECT_THAT(saved.tensors.at("model.layers.2.mlp_down.keys").shape,
              ElementsAre(kFacts * (is_joint() ? 3 : 1), kInner));
  EXPECT_THAT(saved.tensors.at("model.layers.2.mlp_down.residuals").shape, ElementsAre(kFacts, kModel));
  const Patch again = load_patch(file);
  EXPECT_EQ(patch_metadata(again), patch_metadata(patch_));
  EXPECT_EQ(again.edit.context_ids, patch_.edit.context_ids);
  EXPECT_EQ(again.held_text, patch_.held_text);
  EXPECT_TRUE(at::equal(again.edit.changes.at(0).A, patch_.edit.changes[0].A));
  EXPECT_TRUE(at::equal(again.edit.changes[0].B, patch_.edit.changes[0].B));
  for (std::size_t i = 0; i < patch_.edit.facts.size(); ++i) {
    const FactPart &one = patch_.edit.facts[i].parts[0], &two = again.edit.facts[i].parts.at(0);
    EXPECT_TRUE(at::equal(one.keys, two.keys) && at::equal(one.answers, two.answers));
    EXPECT_TRUE(at::equal(one.residual, two.residual));
    EXPECT_EQ(one.rows, two.rows);
  }
  save_patch(again, folder_ / "q.safetensors");
  EXPECT_EQ(read_parts(folder_ / "q.safetensors").metadata,
            saved.metadata);  // the hash of all tensors among it
}

class BrokenFormat1 : public testing::Test {
 protected:
  // The patch with `change` made to its parts.
  Patch with(const std::function<void(Parts&)>& change) const {
    Parts parts = read_parts(stored("joint"));
    change(parts);
    write_sealed(parts, folder_ / "p");
    return load_patch(folder_ / "p");
  }
  std::string refusal(const std::function<void(Parts&)>& change) const {
    return error_of(ErrorKind::kFormat, [&] { with(change); });
  }
  static std::function<void(Parts&)> option(const std::string& name, const std::string& value) {
    return [=](Parts& parts) {
      Json options = Json::parse(parts.metadata.at("emend.options"));
      options[name] = value;
      parts.metadata.at("emend.options") = options.dump();
    };
  }
  const ScratchFolder folder_;
};

// The first builds wrote none.
TEST_F(BrokenFormat1, MayHoldNoHashOfItsContent) {
  Parts parts = read_parts(stored("joint"));
  parts.metadata.erase(kDigestKey);
  write_parts(parts, folder_ / "p");
  EXPECT_NO_THROW(load_patch(folder_ / "p"));
  parts.metadata[kDigestKey] = "0f";
  write_parts(parts, folder_ / "p");
  EXPECT_THAT(error_of(ErrorKind::kFormat, [&] { load_patch(folder_ / "p"); }),
              HasSubstr("altered or damaged"));
}

TEST_F(BrokenFormat1, TakesStatisticsOfEachLayerAndNone) {
  const Patch merged =
      with([](Parts& parts) { parts.metadata["emend.layer_statistics"] = R"({"2": "0f0f", "4": "ab"})"; });
  EXPECT_EQ(merged.edit.solves.at(0).statistics_fingerprint, "0f0f");
  EXPECT_EQ(with(option("covariance", "false")).edit.solves.at(0).statistics_fingerprint, "");
  for (const std::string junk :
       {"[]", "{\"x\": \"ab\"}", "{\"-1\": \"ab\"}", "{\"2\": 3}", "{\"2\": \"no hex\"}"})
    EXPECT_THAT(refusal([&](Parts& parts) { parts.metadata["emend.layer_statistics"] = junk; }),
                HasSubstr("emend.layer_statistics"));
}

TEST_F(BrokenFormat1, RefusesARidgeThatIsNoNumber) {
  for (const std::string text : {"much", "nan", "-1", "1e999", "0.1x"})
    EXPECT_THAT(refusal(option("ridge", text)),
                AllOf(HasSubstr((folder_ / "p").string()), HasSubstr("emend.options"),
                      HasSubstr("ridge must be a number from 0, found \"" + text)));
}

TEST_F(BrokenFormat1, RefusesStatesOfOtherFacts) {
  for (const std::string key : {"emend.before", "emend.after"}) {
    EXPECT_THAT(refusal([&](Parts& parts) {
                  Json states = Json::parse(parts.metadata.at(key));
                  states[1]["id"] = "z";
                  parts.metadata.at(key) = states.dump();
                }),
                AllOf(HasSubstr(key), HasSubstr("language-253")));
    EXPECT_THAT(refusal([&](Parts& parts) {
                  Json states = Json::parse(parts.metadata.at(key));
                  states.erase(3);
                  parts.metadata.at(key) = states.dump();
                }),
                HasSubstr(key));
  }
  const Patch unmeasured = with([](Parts& parts) { parts.metadata.at("emend.after") = "[]"; });
  EXPECT_TRUE(unmeasured.edit.facts[0].before.has_value());
  EXPECT_FALSE(unmeasured.edit.facts[0].after.has_value());
}

TEST_F(BrokenFormat1, NamesWhatIsMissing) {
  for (const std::string name :
       {"edits.0.keys", "edits.1.answers", "edits.3.residual", "model.layers.2.mlp_down.B"})
    EXPECT_THAT(refusal([&](Parts& parts) { parts.tensors.erase(name); }), HasSubstr(name));
  EXPECT_THAT(refusal([](Parts& parts) { parts.tensors["edits.4.keys"] = parts.tensors["edits.0.keys"]; }),
              HasSubstr("edits.4.keys"));
  for (const std::string key : {"emend.before", "emend.after", "emend.statistics_fingerprint", "emend.facts"})
    EXPECT_THAT(refusal([&](Parts& parts) { parts.metadata.erase(key); }), HasSubstr(key));
}

TEST_F(BrokenFormat1, RefusesADenseChange) {
  const std::string front = "model.layers.2.mlp_down.";
  EXPECT_THAT(
      refusal([&](Parts& parts) {
        parts.tensors.erase(front + "A");
        parts.tensors.erase(front + "B");
        parts.tensors[front + "D"] = {"F32", {kModel, kInner}, std::vector<std::byte>(4 * kModel * kInner)};
      }),
      AllOf(HasSubstr(front + "D"), HasSubstr("format 1")));
}

TEST_F(BrokenFormat1, RefusesAFactAtALayerThatWasNotChangedAndAChangeWithoutAFact) {
  const auto at_layer = [](std::size_t first, std::size_t count) {
    return [=](Parts& parts) {
      Json facts = Json::parse(parts.metadata.at("emend.facts"));
      for (std::size_t i = first; i < first + count; ++i) facts[i]["layer"] = 5;
      parts.metadata.at("emend.facts") = facts.dump();
    };
  };
  EXPECT_THAT(refusal(at_layer(1, 1)), HasSubstr("\"language-253\" was edited at layer 5"));
  EXPECT_THAT(refusal([&](Parts& parts) {
                at_layer(0, 4)(parts);
                for (const std::string factor : {"A", "B"})
                  parts.tensors["model.layers.5.mlp_down." + factor] =
                      parts.tensors["model.layers.2.mlp_down." + factor];
              }),
              AllOf(HasSubstr("model.layers.2.mlp_down.A"), HasSubstr("no fact")));
}

}  // namespace
}  // namespace emend
