// The same program on a GPU: each part against the CPU. Skipped, by name, where there is none (ctest -L
// cuda).
//
// Tolerances. float32 without TF32, attention in one kernel: logits 1e-4 absolute, as sums run in another
// order. 16-bit types: rounding of the weights alone moves logits of the parity models, which reach 12, by
// some tenths; means are held to 0.05.
#include "cuda/cuda_fixture.h"
#include "linalg/response_solver.h"
#include "linalg/spectral_projector.h"
#include "support/random_matrices.h"

namespace emend {
namespace {

using test::Cuda;
using test::data_path;
using test::EditWorld;
using test::load;
using test::logits_of_rows;
using test::on_gpu;

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

TEST_F(Cuda, ProjectorsEqualThoseOfTheCpusEigenvectors) {
  std::vector<double> values = test::geometric(700, 1e-6, 10);
  values.back() = 1e3;
  const at::Tensor C = test::with_spectrum(values, 1);
  for (const std::size_t below : {400, 560, 650}) {
    const double threshold = std::sqrt(values[below - 1] * values[below]);
    const NullSpace host = null_space_of(C, threshold, "C");
    const auto device = projector_below(C, threshold, at::kCUDA);
    ASSERT_TRUE(device.has_value());
    EXPECT_TRUE(device->P.is_cuda());
    EXPECT_EQ(device->rank, static_cast<std::int64_t>(below));
    const at::Tensor P = device->P.cpu();
    EXPECT_TRUE(test::near(P, at::matmul(host.basis, host.basis.t()), 1e-8)) << below;
    EXPECT_TRUE(test::near(at::matmul(P, P), P, 1e-12)) << below;
    EXPECT_TRUE(at::equal(P, projector_below(C, threshold, at::kCUDA).value().P.cpu())) << below;
    const at::Tensor K = at::randn({700, 4}, at::kDouble), Y = at::eye(4, at::kDouble);
    const NullSpace found{{}, device->energy, device->P};
    const at::Tensor wanted = null_space_response(host, K, Y, 0.5);
    EXPECT_TRUE(test::near(null_space_response(found, K, Y, 0.5), wanted, 1e-8)) << below;
  }
  EXPECT_FALSE(projector_below(C, values[300], at::kCUDA)) << "an eigenvalue at the threshold";
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
      const FactRecord &a = found[i].facts[0], &b = wanted[i].facts[0];
      EXPECT_LE(std::abs(a.steps - b.steps), 1) << shape << " " << i;
      EXPECT_NEAR(a.loss, b.loss, 0.02 * b.loss + 1e-3) << shape << " " << i;
      EXPECT_GT(at::cosine_similarity(a.parts[0].residual, b.parts[0].residual, 0).item<double>(), 0.99)
          << shape << " " << i;
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

TEST_F(Cuda, AModelThatDoesNotFitIsRefusedBeforeAnyWork) {
  ModelConfig huge = test::tiny_config("llama");
  huge.layers = 4000;
  huge.d_model = 16384;
  huge.d_ff = 65536;
  huge.heads = huge.kv_heads = 128;
  huge.head_dim = 128;
  huge.rotary[0].frequencies.assign(64, 1.0);
  try {
    Model::make_random(huge, 1, on_gpu());
    ADD_FAILURE() << "a model of petabytes was made";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
    EXPECT_NE(std::string(error.what()).find("dtype bfloat16"), std::string::npos) << error.what();
  }
}

TEST_F(Cuda, AMissingDeviceIsNamed) {
  EXPECT_THROW(Placement::parse("cuda:63"), Error);
}

}  // namespace
}  // namespace emend
