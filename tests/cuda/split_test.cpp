// A model over two devices gives what it gives on one: the GPU and the CPU, and two GPUs where there are two.
#include "cuda/cuda_fixture.h"

namespace emend {
namespace {

using test::data_path;
using test::EditWorld;
using test::load;
using test::logits_of_rows;

class Split : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const int wanted = GetParam().find("cuda:1") == std::string::npos ? 1 : 2;
    if (at::accelerator::deviceCount() < wanted) GTEST_SKIP() << "not enough CUDA devices";
  }
  static ModelOptions split() {
    ModelOptions options;
    options.device = Placement::parse(GetParam());
    return options;
  }
};

TEST_P(Split, BlocksLieOnBoth) {
  const Model model = load("world/gpt2", split());
  EXPECT_NE(model.weights().blocks.front().mlp_down.device(),
            model.weights().blocks.back().mlp_down.device());
  EXPECT_EQ(model.devices(), GetParam());
}

TEST_P(Split, LogitsAndTextsAreTheSame) {
  for (const std::string name : {"gpt2", "gptj", "llama_gqa_tied", "llama_untied_llama3_rope"})
    EXPECT_TRUE(test::near(logits_of_rows(load("parity/" + name, split())),
                           logits_of_rows(load("parity/" + name, {})), 1e-4))
        << name;
  const Model one = test::load_world("gpt2"), two = load("world/gpt2", split());
  const std::vector<TokenIds> prompts = {prompt_ids(one.tokenizer(), test::world_edits(1)[0].prompt,
                                                    {one.tokenizer().automatic_prefix(), PromptForm::kRaw})};
  GenerateOptions greedy;
  greedy.max_new = 6;
  EXPECT_EQ(generate(two, prompts, greedy), generate(one, prompts, greedy));
}

TEST_P(Split, StatisticsAndEditsAreTheSame) {
  const EditWorld& world = EditWorld::of("llama");
  const Model two = load("world/llama", split());
  StatisticsOptions options;
  options.layers = {0, 2, two.config().layers - 1};
  options.tokens = 3000;
  options.prefix = two.tokenizer().automatic_prefix();
  SilentProgress silent;
  for (const bool own : {false, true}) {
    options.corpus = own ? std::vector<std::filesystem::path>{}
                         : std::vector<std::filesystem::path>{data_path("world/text.txt")};
    const Statistics wanted = collect_statistics(world.model, options, silent),
                     found = collect_statistics(two, options, silent);
    for (const int layer : options.layers) {
      const at::Tensor &a = found.layers.at(layer).C, &b = wanted.layers.at(layer).C;
      EXPECT_LT(((a - b).norm() / b.norm()).item<double>(), own ? 1e-2 : 1e-5)
          << layer;  // own text may part after many tokens
    }
  }
  const auto requests = test::world_edits(3);
  for (const int layer : {1, two.config().layers - 3}) {
    EditorContext context = world.context;
    context.layers = {layer};
    Statistics statistics = world.statistics;
    statistics.layers[layer] = statistics.layers.at(world.layer());
    context.statistics = &statistics;
    const auto wanted = EditWorld::editor({})->edit_each(world.model, requests, context, silent);
    const auto found = EditWorld::editor({})->edit_each(two, requests, context, silent);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const FactRecord &a = found[i].facts[0], &b = wanted[i].facts[0];
      EXPECT_LE(std::abs(a.steps - b.steps), 1) << layer << " " << i;
      EXPECT_NEAR(a.loss, b.loss, 0.05 * b.loss) << layer << " " << i;
      // Rounding parts the quasi-Newton steps of two devices a little; both end where the target is likely.
      EXPECT_GT(at::cosine_similarity(a.parts[0].residual, b.parts[0].residual, 0).item<double>(), 0.95)
          << layer << " " << i;
    }
  }
}

TEST_P(Split, TracesAreTheSame) {
  const Model one = test::load_world("gpt2"), two = load("world/gpt2", split());
  const TraceFact fact = test::world_facts(1)[0];
  TraceOptions options;
  options.prefix = one.tokenizer().automatic_prefix();
  options.samples = 2;
  const FactTrace wanted = trace_fact(one, fact, options, 0.05, {}, 0),
                  found = trace_fact(two, fact, options, 0.05, {}, 0);
  for (std::size_t t = 0; t < wanted.block.size(); ++t)
    for (std::size_t l = 0; l < wanted.block[t].size(); ++l) {
      EXPECT_NEAR(found.block[t][l], wanted.block[t][l], 1e-4);
      EXPECT_NEAR(found.mlp[t][l], wanted.mlp[t][l], 1e-4);
    }
  for (std::size_t l = 0; l < wanted.knockout_subject.size(); ++l)
    EXPECT_NEAR(found.knockout_subject[l], wanted.knockout_subject[l], 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Devices, Split, ::testing::Values("cuda:0,cpu", "cuda:0,cuda:1"),
                         [](const auto& devices) {
                           return devices.param == "cuda:0,cpu" ? "GpuAndCpu" : "TwoGpus";
                         });
}  // namespace
}  // namespace emend
