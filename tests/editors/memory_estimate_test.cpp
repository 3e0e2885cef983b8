// What the formulas say against what the code really allocates, on the models of the invented world.
#include "emend/memory_estimate.h"

#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "emend/locate.h"
#include "support/edit_world.h"
#include "support/tensor_memory.h"

namespace emend {
namespace {

using test::EditWorld;
using test::TensorMemory;

// Never below what was measured by more than a twentieth, and not above it without reason.
void expect_holds(std::int64_t estimate, std::int64_t measured, double most_above) {
  EXPECT_GE(static_cast<double>(estimate), 0.95 * static_cast<double>(measured));
  EXPECT_LE(static_cast<double>(estimate), most_above * static_cast<double>(measured));
}

class MemoryEstimate : public ::testing::TestWithParam<std::string> {
 protected:
  MemoryEstimate() : world_(EditWorld::of(GetParam())), model_(world_.model), config_(model_.config()) {}

  std::int64_t statistics_peak(std::vector<int> layers, const std::string& corpus) const {
    SilentProgress silent;
    StatisticsOptions options;
    options.layers = std::move(layers);
    options.prefix = model_.tokenizer().automatic_prefix();
    if (!corpus.empty()) {
      options.corpus = {corpus};
      options.tokens = 2500;
    }  // of own text the number that the estimate is for
    options.token_budget = 2048;
    const test::TempFolder folder;
    const TensorMemory memory;
    StatisticsRun(model_, options, silent).collect_into({folder.path(), false, false}, silent);
    return memory.peak();
  }

  std::vector<int> all_layers() const {
    std::vector<int> layers;
    for (int l = 0; l < config_.layers; ++l) layers.push_back(l);
    return layers;
  }

  // The rows of a search, and their tokens from the subject's last one to the target's end.
  EditSize size_of(const EditRequest& request, const Edit& edit) const {
    const Tokenizer& tokenizer = model_.tokenizer();
    const auto target = static_cast<std::int64_t>(target_ids(tokenizer, request.target, world_.form).size());
    EditSize size{world_.layer(), 1 + static_cast<std::int64_t>(edit.context_ids.size()), 0};
    const auto add = [&](const PromptRow& row) {
      size.tokens += static_cast<std::int64_t>(row.ids.size() - row.lookup) + target;
    };
    add(bare_row(tokenizer, request, world_.form));
    for (const TokenIds& context : edit.context_ids)
      add(context_row(tokenizer, request, context, world_.form));
    return size;
  }

  EditWorld& world_;
  const Model& model_;
  const ModelConfig& config_;
};
INSTANTIATE_TEST_SUITE_P(World, MemoryEstimate, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(MemoryEstimate, WeightsAreCountedToTheByte) {
  EXPECT_EQ(weight_bytes(config_, ComputeType::kFloat32), model_.bytes());
  EXPECT_EQ(weight_bytes(config_, ComputeType::kBfloat16) * 2, model_.bytes());
}

TEST_P(MemoryEstimate, LoadingTakesTheWeightsAndTheLargestTensorThatIsConverted) {
  ModelOptions options;
  options.dtype = ComputeType::kBfloat16;
  const TensorMemory memory;
  const Model model = Model::load(test::data_path("world/" + GetParam()), options);
  const std::int64_t largest = config_.vocab * config_.d_model;
  EXPECT_GE(memory.held(), weight_bytes(config_, options.dtype));
  EXPECT_LE(memory.peak(), 1.02 * static_cast<double>(load_bytes(config_, options.dtype, largest)));
}

TEST_P(MemoryEstimate, StatisticsOfOneLayerAndOfAll) {
  expect_holds(own_text_statistics_bytes(config_, 1), statistics_peak({1}, ""), 1.15);
  expect_holds(own_text_statistics_bytes(config_, config_.layers), statistics_peak(all_layers(), ""), 1.15);
}

TEST_P(MemoryEstimate, StatisticsOfGivenText) {
  const std::string text = test::data_path("world/text.txt");
  const std::int64_t width = std::min(StatisticsOptions().window, config_.max_positions);
  for (const std::int64_t layers : {std::int64_t{1}, std::int64_t{config_.layers}})
    expect_holds(given_text_statistics_bytes(config_, layers, 2048, width),
                 statistics_peak(layers == 1 ? std::vector<int>{1} : all_layers(), text), 2.0);
}

TEST_P(MemoryEstimate, AnEditTakesItsSolveAndWhatTheSearchKeeps) {
  const EditRequest request = test::world_edits(1).front();
  std::int64_t peak = 0;
  const Edit edit = [&] {
    const TensorMemory memory;
    Edit made = world_.edit({request});
    peak = memory.peak();
    return made;
  }();
  expect_holds(edit_bytes(config_, size_of(request, edit)), peak, 1.6);  // C is not in it: it lies in a file
}

TEST_P(MemoryEstimate, ATraceTakesItsRunsAndOnePass) {
  const TraceFact fact = test::world_facts(1).front();
  TraceOptions options;
  options.prefix = model_.tokenizer().automatic_prefix();
  const TensorMemory memory;
  const FactTrace trace = trace_fact(model_, fact, options, noise_sigma(model_, {fact}), {}, 0);
  const TraceSize size{static_cast<std::int64_t>(trace.ids.size()), options.samples, options.token_budget};
  expect_holds(trace_bytes(config_, size), memory.peak(), 2.5);
}

}  // namespace
}  // namespace emend
