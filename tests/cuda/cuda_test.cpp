// The same program on a GPU: each part against the CPU. Skipped, by name, where there is none (ctest -L
// cuda).
//
// Tolerances. float32 without TF32: logits 1e-4 absolute, as sums run in another order. 16-bit types:
// rounding of the weights alone moves logits of the parity models, which reach 12, by some tenths; means are
// held to 0.05.
#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "linalg/spd_factor.h"
#include "support/edit_world.h"

namespace emend {
namespace {

using test::data_path;
using test::EditWorld;

ModelOptions on_gpu(const std::string& dtype = "float32") {
  ModelOptions options;
  options.device = "cuda";
  options.dtype = dtype;
  return options;
}

Model load(const std::string& folder, const ModelOptions& options) {
  SilentProgress silent;
  return Model::load(data_path(folder), options, silent);
}

class Cuda : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!at::hasCUDA()) GTEST_SKIP() << "no CUDA device";
  }
};

// Rows of several lengths behind a shared prefix, logits at every token.
at::Tensor logits_of_rows(const Model& model) {
  const c10::NoGradGuard no_grad;
  const std::int64_t vocab = std::min<std::int64_t>(model.config().vocab, 90);
  PassInput front;
  front.ids = {test::some_ids(5, vocab, 1), test::some_ids(3, vocab, 2)};
  KvCache cache(model.config(), 0, 2, 8, model.options());
  front.cache = &cache;
  front.append = true;
  model.forward(front);
  PassInput input;
  input.ids = {test::some_ids(4, vocab, 3), test::some_ids(7, vocab, 4), test::some_ids(1, vocab, 5)};
  input.cache = &cache;
  input.cache_row = {1, 0, -1};
  input.logit_tokens = test::counting(0, 12);
  return model.forward(input).logits.cpu();
}

TEST_F(Cuda, LogitsEqualTheCpus) {
  for (const std::string name : {"gpt2", "gptj", "llama_gqa_tied", "llama_untied_llama3_rope"}) {
    const at::Tensor wanted = logits_of_rows(load("parity/" + name, {}));
    EXPECT_TRUE(test::near(logits_of_rows(load("parity/" + name, on_gpu())), wanted, 1e-4)) << name;
    for (const std::string dtype : {"bfloat16", "float16"}) {
      const at::Tensor found = logits_of_rows(load("parity/" + name, on_gpu(dtype)));
      EXPECT_LT((found - wanted).abs().mean().item<double>(), 0.05) << name << " " << dtype;
    }
  }
}

TEST_F(Cuda, GreedyTextEqualsTheCpus) {
  for (const std::string shape : {"gpt2", "llama"}) {
    const Model cpu = test::load_world(shape), gpu = load("world/" + shape, on_gpu());
    std::vector<TokenIds> prompts;
    for (const EditRequest& request : test::world_edits(16))
      prompts.push_back(prompt_ids(cpu.tokenizer(), request.prompt,
                                   {cpu.tokenizer().automatic_prefix(), PromptForm::kRaw}));
    GenerateOptions greedy;
    greedy.max_new = 6;
    EXPECT_EQ(generate(gpu, prompts, greedy), generate(cpu, prompts, greedy)) << shape;
  }
}

TEST_F(Cuda, SolvesEqualTheCpus) {
  const at::Tensor x = at::randn({400, 200}, at::kDouble), C = at::matmul(x.t(), x) / 400,
                   K = at::randn({200, 3}, at::kDouble);
  const SpdFactor host(C, 1e-5, "C"), device(C.cuda(), 1e-5, "C");
  EXPECT_TRUE(test::near(device.solve(K), host.solve(K), 1e-8));
  EXPECT_TRUE(device.solve(K).is_cpu());
  EXPECT_NEAR(device.info().condition / host.info().condition, 1, 1e-6);
}

TEST_F(Cuda, StatisticsEqualTheCpus) {
  const Model cpu = test::load_world("gpt2"), gpu = load("world/gpt2", on_gpu());
  StatisticsOptions options;
  options.layers = {1, 3};
  options.corpus = {data_path("world/text.txt")};
  options.tokens = 4000;
  options.prefix = cpu.tokenizer().automatic_prefix();
  SilentProgress silent;
  const Statistics wanted = collect_statistics(cpu, options, silent),
                   found = collect_statistics(gpu, options, silent);
  for (const int layer : options.layers) {
    const at::Tensor &a = found.layers.at(layer).C, &b = wanted.layers.at(layer).C;
    EXPECT_EQ(found.layers.at(layer).tokens, wanted.layers.at(layer).tokens);
    EXPECT_LT(((a - b).norm() / b.norm()).item<double>(), 1e-5) << layer;
  }
}

// Edits of the same requests with the same statistics: step +-1, final loss within 2 %, the same direction.
TEST_F(Cuda, EditsEqualTheCpus) {
  const auto requests = test::world_edits(6);
  for (const std::string shape : {"gpt2", "llama"}) {
    const EditWorld& world = EditWorld::of(shape);
    const Model gpu = load("world/" + shape, on_gpu());
    SilentProgress silent;
    EditorCache cache;
    EditorContext context = world.context;
    context.cache = &cache;
    const auto wanted = world.edit_each(requests);
    const auto found = EditWorld::editor({})->edit_each(gpu, requests, context, silent);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const EditedFact &a = found[i].facts[0], &b = wanted[i].facts[0];
      EXPECT_LE(std::abs(a.steps - b.steps), 1) << shape << " " << i;
      EXPECT_NEAR(a.loss, b.loss, 0.02 * b.loss + 1e-3) << shape << " " << i;
      EXPECT_GT(at::cosine_similarity(a.residual, b.residual, 0).item<double>(), 0.99) << shape << " " << i;
      EXPECT_TRUE(found[i].changes[0].A.is_cpu());
    }
    const Edit together = EditWorld::editor({})->edit(gpu, requests, context, silent);
    Model changed = load("world/" + shape, on_gpu());
    const ScopedEdit scope(changed, together.changes);
    CheckOptions options;
    options.prefix = context.prefix;
    for (const FactState& fact : measure_facts(changed, requests, options, silent))
      EXPECT_TRUE(fact.prompt.argmax_target) << fact.id;
  }
}

TEST_F(Cuda, SixteenBitEditsHold) {
  const auto requests = test::world_edits(4);
  const EditWorld& world = EditWorld::of("llama");
  for (const std::string dtype : {"bfloat16", "float16"}) {
    Model gpu = load("world/llama", on_gpu(dtype));
    SilentProgress silent;
    const Edit edit = EditWorld::editor({})->edit(gpu, requests, world.context, silent);
    const ScopedEdit scope(gpu, edit.changes);
    CheckOptions options;
    options.prefix = world.context.prefix;
    for (const FactState& fact : measure_facts(gpu, requests, options, silent))
      EXPECT_GT(fact.prompt.p_target, fact.prompt.p_was) << dtype << " " << fact.id;
  }
}

// The same run twice gives the same bytes.
TEST_F(Cuda, EditsAreRepeatable) {
  const auto requests = test::world_edits(4);
  const EditWorld& world = EditWorld::of("gpt2");
  const Model gpu = load("world/gpt2", on_gpu());
  SilentProgress silent;
  const auto run = [&] { return EditWorld::editor({})->edit(gpu, requests, world.context, silent); };
  const Edit one = run(), two = run();
  EXPECT_TRUE(at::equal(one.changes[0].A, two.changes[0].A));
  EXPECT_TRUE(at::equal(one.changes[0].B, two.changes[0].B));
}

TEST_F(Cuda, RandomModelsAreMadeOnTheDevice) {
  const Model model = Model::make_random(test::tiny_config("gptj"), 3, on_gpu("bfloat16"));
  EXPECT_TRUE(model.weights().token_embedding.is_cuda());
  const Model again = Model::make_random(test::tiny_config("gptj"), 3, on_gpu("bfloat16"));
  EXPECT_TRUE(at::equal(model.weights().blocks[1].mlp_down, again.weights().blocks[1].mlp_down));
}

}  // namespace
}  // namespace emend
