// Steps of a search on a GPU: recordings, and passes that take gradients.
#include "cuda/cuda_fixture.h"

namespace emend {
namespace {

using test::Cuda;
using test::EditWorld;
using test::load;
using test::on_gpu;

// What is recorded runs again on new values, the backward pass with it.
TEST_F(Cuda, RecordedWorkFollowsItsInput) {
  const at::Device gpu(at::kCUDA, 0);
  if (!DeviceGraph::can_record(gpu)) GTEST_SKIP() << "built without CUDA's headers";
  const at::Tensor x = at::ones({3}, gpu);
  const at::Tensor y = at::empty({}, x.options()), dx = at::empty_like(x);
  DeviceGraph graph(gpu,
                    [&] {
                      const at::AutoGradMode on(true);
                      const at::Tensor leaf = x.detach().clone().requires_grad_(true);
                      const at::Tensor sum = leaf.pow(3).sum();
                      return std::vector<at::Tensor>{sum.detach(), torch::autograd::grad({sum}, {leaf})[0]};
                    },
                    {y, dx});
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
  const auto refuses = []() -> std::vector<at::Tensor> { throw std::runtime_error("no"); };
  EXPECT_ANY_THROW(DeviceGraph(gpu, refuses, {}));
  EXPECT_EQ(at::ones({4}, gpu).sum().item<double>(), 4);
}

// What one computes on its way takes the memory that the other's result had when it was recorded.
TEST_F(Cuda, RecordingsKeepTheirResultsWhileOthersRun) {
  const at::Device gpu(at::kCUDA, 0);
  if (!DeviceGraph::can_record(gpu)) GTEST_SKIP() << "built without CUDA's headers";
  const at::Tensor x = at::ones({4 << 20}, gpu);  // 16 MiB: each such tensor has a segment of its own
  const at::Tensor a = at::empty_like(x), b = at::empty_like(x);
  DeviceGraph one(gpu,
                  [&] {
                    const at::Tensor left = x + 1, right = x + 2;
                    return std::vector<at::Tensor>{left * right};
                  },
                  {a});
  DeviceGraph two(gpu, [&] { return std::vector<at::Tensor>{x * 5}; }, {b});
  for (int again = 0; again < 2; ++again) {
    two.run();
    one.run();
    EXPECT_EQ(b.min().item<float>(), 5);
    EXPECT_EQ(b.max().item<float>(), 5);
    two.run();
    EXPECT_EQ(a.min().item<float>(), 6);
    EXPECT_EQ(a.max().item<float>(), 6);
  }
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
      return torch::autograd::grad({at::log_softmax(model.forward(once).logits, 1).select(1, 3).sum()},
                                   {leaf})[0];
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
                                .parts[0]
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
}  // namespace
}  // namespace emend
