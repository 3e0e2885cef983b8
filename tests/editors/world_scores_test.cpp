// Efficacy, paraphrase and neighbourhood of single edits on the models of the invented world, with the
// defaults. tests/bench/edit_scores prints those of other settings on the same records beside them.
#include <chrono>
#include <cstdio>

#include "emend/editor.h"
#include "emend/locate.h"
#include "support/edit_scores.h"
#include "support/world.h"

namespace emend {
namespace {

constexpr std::size_t kEdits = 200;

class WorldScores : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(World, WorldScores, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(WorldScores, OfTheDefaultsReachTheStatedFigures) {
  Model model = test::load_world(GetParam());
  const auto requests = test::world_edits(kEdits);
  ASSERT_EQ(requests.size(), kEdits);
  const int layer = default_layer(model.config());
  const Statistics statistics = test::world_statistics(model, layer);
  EditorContext context;
  context.layers = {layer};
  context.prefix = model.tokenizer().automatic_prefix();
  context.statistics = &statistics;
  context.keep_going = true;
  CheckOptions checks;
  checks.prefix = context.prefix;
  checks.completion_tokens = 1;
  SilentProgress silent;
  std::printf("%zu edits of world/%s, layer %d of %d\n%-10s %6s %6s %6s %7s %6s %9s %7s\n", kEdits,
              GetParam().c_str(), layer, model.config().layers, "setting", "ES", "PS", "NS", "argmax",
              "steps", "rel.norm", "s/edit");
  const auto begin = std::chrono::steady_clock::now();
  const auto edits = make_editor("rome", {})->edit_each(model, requests, context, silent);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const test::EditScores scores = test::score_edits(model, edits, checks);
  std::printf("%-10s %6.2f %6.2f %6.2f %7.2f %6.1f %9.3f %7.3f", "emend", 100 * scores.efficacy,
              100 * scores.paraphrase, 100 * scores.neighbourhood, 100 * scores.argmax, scores.steps,
              scores.relative_norm, seconds / static_cast<double>(kEdits));
  for (std::size_t i = 0; i < scores.failures.size() && i < 5; ++i)
    std::printf(" %s", scores.failures[i].c_str());
  std::printf("\n");
  EXPECT_GE(scores.efficacy, 0.995);
  EXPECT_GE(scores.paraphrase, 0.97);
  EXPECT_GE(scores.neighbourhood, 0.98);
}

}  // namespace
}  // namespace emend
