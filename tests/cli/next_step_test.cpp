// What emend edit advises after a failed check: nothing that the program would refuse.
#include "cli/next_step.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../reports/measured.h"

namespace emend {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// Two edits, the second of which lost a neighbour, at a check that failed.
Patch failed_patch(SolveRule rule, const std::string& check) {
  test::Measured measured;
  measured.fact.request.neighbours = {{"the bridge stands in", "Paris"}};
  measured.after.prompt = {0.9, 0.1, true, " Rome"};
  measured.after.neighbours = {{"Paris", 0.8, 0.1, " Paris"}};
  Patch patch;
  patch.edit.facts = measured.list();
  measured.fact.request.id = "bridge";
  measured.after.neighbours = {{"Paris", 0.1, 0.8, " Rome"}};
  patch.edit.facts.push_back(measured.list().front());
  patch.edit.solves.emplace_back();
  patch.edit.solves.back().rule = rule;
  if (rule != SolveRule::kTrained) patch.edit.options["clamp"] = "4";
  patch.checks = {{check, 0.5, 0.9, false, 2}};
  return patch;
}

std::string advice(const Patch& patch) {
  const std::vector<std::string> steps = next_steps(patch, "m.gguf", "out/p.safetensors");
  return steps.size() == 1 ? steps.front() : "";
}

TEST(NextStep, NamesTheEditAndTheCommandThatTakesItOut) {
  EXPECT_EQ(
      advice(failed_patch(SolveRule::kEquality, "neighbourhood")),
      "neighbourhood failed: it is due to bridge (1 of its 1 neighbours is lost). Reword its prompt, or "
      "protect its neighbours (`method: rome` with `protect: neighbours`). Or take bridge out of the "
      "patch: emend patch drop out/p.safetensors bridge --model m.gguf --out "
      "out/p-without-bridge.safetensors");
}

TEST(NextStep, NamesTheFactOfTheSameKeyThatWantsAnotherTarget) {
  Patch patch = failed_patch(SolveRule::kLeastSquares, "efficacy");
  std::vector<FactRecord>& facts = patch.edit.facts;
  facts[1].after->prompt = {0.1, 0.9, false, " Paris"};
  facts[0].parts[0].keys = at::ones({1, 3});
  facts[1].parts[0].keys = at::ones({1, 3});
  EXPECT_THAT(advice(patch), HasSubstr("Reword its prompt")) << "one target is no conflict";
  facts[0].request.target = "Milan";
  EXPECT_THAT(advice(patch), AllOf(HasSubstr("it is due to bridge"),
                                   HasSubstr("bridge has the key of tower, which wants another target"),
                                   Not(HasSubstr("edit another layer")), Not(HasSubstr("patch drop"))));
  facts[0].parts[0].keys = at::zeros({1, 3});
  EXPECT_THAT(advice(patch), AllOf(HasSubstr("edit another layer"), Not(HasSubstr("has the key of"))));
}

TEST(NextStep, FactsThatWereTrainedTogetherAreNotTakenApart) {
  EXPECT_THAT(advice(failed_patch(SolveRule::kTrained, "neighbourhood")),
              AllOf(HasSubstr("it is due to bridge"), Not(HasSubstr("patch drop"))));
}

TEST(NextStep, NamesNoOptionThatTheMethodLacks) {
  EXPECT_THAT(advice(failed_patch(SolveRule::kEquality, "drift")), HasSubstr("`clamp`"));
  EXPECT_THAT(advice(failed_patch(SolveRule::kTrained, "drift")),
              AllOf(HasSubstr("Edit another layer"), Not(HasSubstr("clamp"))));
}

}  // namespace
}  // namespace emend
