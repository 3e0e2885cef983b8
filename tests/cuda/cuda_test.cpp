// The same program on a GPU: each part against the CPU. Skipped, by name, where there is none (ctest -L
// cuda).
//
// Tolerances. float32 without TF32, attention in one kernel: logits 1e-4 absolute, as sums run in another
// order. 16-bit types: rounding of the weights alone moves logits of the parity models, which reach 12, by
// some tenths; means are held to 0.05.
#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <thread>

#include "emend/error.h"
#include "emend/locate.h"
#include "emend/statistics.h"
#include "eval/answer_engine.h"
#include "eval/metric.h"
#include "linalg/spd_factor.h"
#include "model/device_graph.h"
#include "support/edit_world.h"
#include "support/eval_world.h"

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
  const CholeskyPanels panels(C, 0.1, at::kCUDA, 48);  // straight from the host's C
  EXPECT_TRUE(test::near(panels.solve(K), CholeskyPanels(C, 0.1, at::kCPU).solve(K), 1e-8));
}

// What is recorded runs again on new values, the backward pass with it.
TEST_F(Cuda, RecordedWorkFollowsItsInput) {
  const at::Device gpu(at::kCUDA, 0);
  if (!DeviceGraph::can_record(gpu)) GTEST_SKIP() << "built without CUDA's headers";
  const at::Tensor x = at::ones({3}, gpu);
  at::Tensor y, dx;
  DeviceGraph graph(gpu, [&] {
    const at::AutoGradMode on(true);
    const at::Tensor leaf = x.detach().clone().requires_grad_(true);
    const at::Tensor sum = leaf.pow(3).sum();
    y = sum.detach();
    dx = torch::autograd::grad({sum}, {leaf})[0];
  });
  for (const double value : {2.0, -1.0, 0.5}) {
    x.fill_(value);
    graph.run();
    EXPECT_NEAR(y.item<double>(), 3 * value * value * value, 1e-6);
    EXPECT_NEAR(dx.max().item<double>(), 3 * value * value, 1e-6);
  }
}

TEST_F(Cuda, WorkThatCannotBeRecordedIsRefusedAndTheDeviceGoesOn) {
  const at::Device gpu(at::kCUDA, 0);
  if (!DeviceGraph::can_record(gpu)) GTEST_SKIP() << "built without CUDA's headers";
  EXPECT_ANY_THROW(DeviceGraph(gpu, [] { throw std::runtime_error("no"); }));
  EXPECT_EQ(at::ones({4}, gpu).sum().item<double>(), 4);
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

// One short document: one half of the sums never gets a key.
TEST_F(Cuda, StatisticsOfOneDocument) {
  const Model gpu = load("world/gpt2", on_gpu());
  const auto file = std::filesystem::temp_directory_path() / "emend_one_document.txt";
  std::ofstream(file)
      << "A tower stands in the city, and people look at it from the river on most days of the year.\n";
  StatisticsOptions options;
  options.layers = {1};
  options.corpus = {file};
  options.prefix = gpu.tokenizer().automatic_prefix();
  SilentProgress silent;
  EXPECT_GT(collect_statistics(gpu, options, silent).layers.at(1).tokens, 0);
  std::filesystem::remove(file);
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

// Gradients through attention over rows that take several tiles of the fused kernel.
TEST_F(Cuda, GradientsOfLongRowsAreRepeatable) {
  ModelConfig config = test::tiny_config("llama");
  config.max_positions = 2048;
  for (const std::string dtype : {"float32", "bfloat16"}) {
    const Model model = Model::make_random(config, 3, on_gpu(dtype));
    PassInput input;
    for (const std::int64_t length : {1500, 1100, 700}) {
      input.logit_tokens.push_back(length - 1 +
                                   (input.logit_tokens.empty() ? 0 : input.logit_tokens.back() + 1));
      input.ids.emplace_back(static_cast<std::size_t>(length), 1);
    }
    at::manual_seed(5);
    const at::Tensor hidden = at::randn({3300, config.d_model}, at::kCUDA).to(model.options());
    const auto gradient = [&] {
      const at::AutoGradMode on(true);
      PassInput once = input;
      once.hidden = hidden.detach().clone().requires_grad_(true);
      const at::Tensor leaf = once.hidden;
      return torch::autograd::grad(
          {at::log_softmax(model.forward(std::move(once)).logits, 1).select(1, 3).sum()}, {leaf})[0];
    };
    const at::Tensor first = gradient();
    EXPECT_GT(first.abs().max().item<double>(), 0) << dtype;
    for (int again = 0; again < 5; ++again)
      EXPECT_TRUE(at::equal(gradient(), first)) << dtype << " " << again;
  }
}

// Two models in two threads, each recording its steps: each gives what it gives alone.
TEST_F(Cuda, EditsInTwoThreadsLeaveEachOtherAlone) {
  const auto requests = test::world_edits(3);
  const auto run = [&](const std::string& shape) {
    const Model gpu = load("world/" + shape, on_gpu());
    SilentProgress silent;
    std::vector<at::Tensor> residuals;
    for (int again = 0; again < 3; ++again)
      for (const EditRequest& request : requests)
        residuals.push_back(EditWorld::editor({})
                                ->edit(gpu, {request}, EditWorld::of(shape).context, silent)
                                .facts[0]
                                .residual);
    return at::stack(residuals.back().defined() ? residuals : std::vector<at::Tensor>{});
  };
  const at::Tensor gpt2 = run("gpt2"), llama = run("llama");
  at::Tensor gpt2_beside, llama_beside;
  std::thread other([&] { gpt2_beside = run("gpt2"); });
  llama_beside = run("llama");
  other.join();
  EXPECT_TRUE(at::equal(gpt2_beside, gpt2));
  EXPECT_TRUE(at::equal(llama_beside, llama));
}

TEST_F(Cuda, RecordingsUseTheSameMemoryAgain) {
  const auto requests = test::world_edits(12);
  const EditWorld& world = EditWorld::of("gpt2");
  const Model gpu = load("world/gpt2", on_gpu());
  SilentProgress silent;
  const auto held_after = [&](std::size_t edits) {
    for (std::size_t i = 0; i < edits; ++i)
      EditWorld::editor({})->edit(gpu, {requests[i]}, world.context, silent);
    return at::accelerator::getDeviceStats(0).reserved_bytes[0].current;
  };
  const auto first = held_after(12), second = held_after(12);
  EXPECT_LE(second, first + (32 << 20));
}

// What a pass with gradients sees is what one without sees.
TEST_F(Cuda, LogitsWithGradientsEqualThoseWithout) {
  for (const std::string dtype : {"float32", "bfloat16", "float16"})
    for (const std::string shape : {"gpt2", "llama"}) {
      const Model model = load("world/" + shape, on_gpu(dtype));
      PassInput input;
      input.ids = {test::some_ids(40, 900, 3), test::some_ids(17, 900, 4), test::some_ids(90, 900, 5)};
      input.logit_tokens = test::counting(0, 147);
      PassInput lower = input;
      lower.logit_tokens = {};
      lower.stop = PassInput::Stop::kBlock;
      lower.stop_block = 0;
      const c10::NoGradGuard no_grad;
      input.hidden = model.forward(lower).hidden;
      input.begin_block = 1;
      const at::Tensor without = at::log_softmax(model.forward(input).logits, 1);
      const at::AutoGradMode on(true);
      input.hidden = input.hidden.detach().clone().requires_grad_(true);
      const at::Tensor with = at::log_softmax(model.forward(input).logits, 1).detach();
      EXPECT_LT((with - without).abs().mean().item<double>(), dtype == "float32" ? 1e-5 : 0.05)
          << shape << " " << dtype;
      EXPECT_LT((with - without).abs().max().item<double>(), dtype == "float32" ? 1e-3 : 0.6)
          << shape << " " << dtype;
    }
}

TEST_F(Cuda, RandomModelsAreMadeOnTheDevice) {
  const Model model = Model::make_random(test::tiny_config("gptj"), 3, on_gpu("bfloat16"));
  EXPECT_TRUE(model.weights().token_embedding.is_cuda());
  const Model again = Model::make_random(test::tiny_config("gptj"), 3, on_gpu("bfloat16"));
  EXPECT_TRUE(at::equal(model.weights().blocks[1].mlp_down, again.weights().blocks[1].mlp_down));
}

// Traces of the same facts with the same noise: probabilities within 1e-4.
TEST_F(Cuda, TracesEqualTheCpus) {
  for (const std::string shape : {"gpt2", "llama"}) {
    const Model cpu = test::load_world(shape), gpu = load("world/" + shape, on_gpu());
    const std::vector<TraceFact> facts = test::world_facts(3);
    TraceOptions options;
    options.prefix = cpu.tokenizer().automatic_prefix();
    options.samples = 3;
    options.estimates = true;
    const auto near = [](const Grid& a, const Grid& b, const std::string& what) {
      ASSERT_EQ(a.size(), b.size());
      for (std::size_t t = 0; t < a.size(); ++t)
        for (std::size_t l = 0; l < a[t].size(); ++l)
          EXPECT_NEAR(a[t][l], b[t][l], 1e-4) << what << " " << t << " " << l;
    };
    for (std::size_t i = 0; i < facts.size(); ++i) {
      const FactTrace wanted = trace_fact(cpu, facts[i], options, noise_sigma(cpu, facts), {}, i),
                      found = trace_fact(gpu, facts[i], options, noise_sigma(gpu, facts), {}, i);
      EXPECT_NEAR(found.high, wanted.high, 1e-4);
      EXPECT_NEAR(found.low, wanted.low, 1e-4);
      near(found.block, wanted.block, shape + " block");
      near(found.mlp, wanted.mlp, shape + " mlp");
      near(found.attention, wanted.attention, shape + " attention");
      near(found.mlp_estimate->values, wanted.mlp_estimate->values, shape + " mlp estimate");
    }
  }
}

// Probabilities of answers by the base and under overlays, in nats; free texts the same.
TEST_F(Cuda, EvaluationEqualsTheCpus) {
  for (const std::string shape : {"gpt2", "llama"}) {
    const Model cpu = test::load_world(shape), gpu = load("world/" + shape, on_gpu());
    const auto records = test::world_records(6);
    RowForm form;
    form.prefix = cpu.tokenizer().automatic_prefix();
    const auto metric = make_rewrite_metric();
    std::vector<Questions> questions(records.size());
    std::vector<std::vector<WeightChange>> edits;
    std::vector<std::int64_t> own;
    for (std::size_t r = 0; r < records.size(); ++r) {
      metric->ask(records[r], questions[r]);
      edits.push_back(test::formula_change(cpu, 2, static_cast<std::int64_t>(r), shape == "gpt2" ? 8 : 3));
      own.push_back(static_cast<std::int64_t>(r));
    }
    AnswerOptions options;
    options.first_edited_block = 2;
    options.records = static_cast<std::int64_t>(records.size());
    const auto answers = [&](const Model& model) {
      return AnswerEngine(model, question_sheet(model.tokenizer(), questions, form, 3), options)
          .answer({{&edits, own}});
    };
    const auto wanted = answers(cpu), found = answers(gpu);
    for (std::size_t m = 0; m < wanted.size(); ++m)
      for (std::size_t r = 0; r < records.size(); ++r) {
        for (const auto& [question, score] : wanted[m][r].scores)
          EXPECT_NEAR(found[m][r].scores.at(question).nll, score.nll, 2e-3) << shape << " " << question.first;
        EXPECT_EQ(found[m][r].completions, wanted[m][r].completions) << shape << " " << r;
      }
  }
}

// A model over two devices gives what it gives on one: the GPU and the CPU, and two GPUs where there are two.
class Split : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const auto gpus = static_cast<int>(at::accelerator::deviceCount());
    if (gpus < (GetParam().find("cuda:1") == std::string::npos ? 1 : 2))
      GTEST_SKIP() << "not enough CUDA devices";
  }
  static ModelOptions split() {
    ModelOptions options;
    options.device = GetParam();
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
    context.layer = layer;
    Statistics statistics = world.statistics;
    statistics.layers[layer] = statistics.layers.at(world.context.layer);
    context.statistics = &statistics;
    const auto wanted = EditWorld::editor({})->edit_each(world.model, requests, context, silent);
    const auto found = EditWorld::editor({})->edit_each(two, requests, context, silent);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const EditedFact &a = found[i].facts[0], &b = wanted[i].facts[0];
      EXPECT_LE(std::abs(a.steps - b.steps), 1) << layer << " " << i;
      EXPECT_GT(at::cosine_similarity(a.residual, b.residual, 0).item<double>(), 0.99) << layer << " " << i;
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

TEST_F(Cuda, AModelThatDoesNotFitIsRefusedBeforeAnyWork) {
  ModelConfig huge = test::tiny_config("llama");
  huge.layers = 4000;
  huge.d_model = 16384;
  huge.d_ff = 65536;
  huge.heads = huge.kv_heads = 128;
  huge.head_dim = 128;
  huge.rotary_frequencies.assign(64, 1.0);
  try {
    Model::make_random(huge, 1, on_gpu());
    ADD_FAILURE() << "a model of petabytes was made";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
    EXPECT_NE(std::string(error.what()).find("--dtype bfloat16"), std::string::npos) << error.what();
  }
}

TEST_F(Cuda, AMissingDeviceIsNamed) {
  ModelOptions options;
  options.device = "cuda:63";
  EXPECT_THROW(load("world/gpt2", options), Error);
}

}  // namespace
}  // namespace emend
