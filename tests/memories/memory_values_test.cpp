// Values as distributions over the vocabulary: fixtures F1 and F3, tables on disk, and whole runs.
#include "emend/memory_values.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "base/expect_error.h"
#include "base/temp_folder.h"
#include "emend/memory_view.h"
#include "memories/value_agreement.h"
#include "memories/value_table.h"
#include "support/tiny_models.h"
#include "support/world.h"

namespace emend {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

// F1: tokens A (1, 0), B (0, 1), C (0.8, 0.8) under RAW; v_1 = (1, 0) says A, v_2 = (0, 1) says B.
TEST(ValueTable, SaysWhatTheFixtureSays) {
  const c10::NoGradGuard no_grad;
  ModelConfig config = test::tiny_config("gpt2", 1);
  config.d_model = config.d_ff = 2;
  config.heads = config.kv_heads = 1;
  config.head_dim = 2;
  config.vocab = 3;
  const Model model = Model::make_random(config, 1, {});
  model.weights().head.copy_(at::tensor({1.0F, 0.0F, 0.0F, 1.0F, 0.8F, 0.8F}).view({3, 2}));
  model.weights().blocks[0].mlp_down.copy_(at::eye(2));
  const ValueTable table = value_table(model, 0, {.kind = LensKind::kRaw}, 50);
  EXPECT_EQ(table.favourite(0, true), 0);
  EXPECT_EQ(table.favourite(1, true), 1);
  // z = (1, 0, 0.8): e / (e + 1 + e^0.8); -v likes B best: 1 / (e^-1 + 1 + e^-0.8).
  EXPECT_NEAR(table.largest_probability(0, true), 2.718282 / (2.718282 + 1 + 2.225541), 1e-6);
  EXPECT_EQ(table.favourite(0, false), 1);
  EXPECT_NEAR(table.largest_probability(0, false), 1 / (0.367879 + 1 + 0.449329), 1e-6);
  EXPECT_TRUE(test::near(table.norm, at::ones({2}), 1e-6));
  EXPECT_EQ(table.top_ids.size(1), 3) << "no more tokens than there are";
}

// F3: cell i fires on token a_i, the text goes on with b_i, and v_i is the row of b_i.
class Planted : public ::testing::Test {
 protected:
  static constexpr std::int64_t kCells = 80, kTokens = 96;
  static std::int64_t read_token(std::int64_t cell) { return cell; }
  static std::int64_t next_token(std::int64_t cell) { return (7 * cell + 3) % kTokens; }

  Planted() {
    const c10::NoGradGuard no_grad;
    const at::Tensor head = model_.weights().head;
    head.div_(head.norm(2, 1, true));  // so that a row is its own favourite
    for (std::int64_t cell = 0; cell < kCells; ++cell) {
      write_value(cell, next_token(cell), 1);
      CellTriggers& triggers = triggers_[static_cast<std::size_t>(cell)];
      for (const float coefficient : {2.0F, 1.5F, 1.0F, 0.5F}) {
        triggers.high.coefficients.push_back(coefficient);
        triggers.high.read.push_back(read_token(cell));
        triggers.high.next.push_back(next_token(cell));
      }
      triggers.low = {{-0.5F}, {11}, {12}};
    }
  }

  void write_value(std::int64_t cell, std::int64_t token, double factor) {
    const c10::NoGradGuard no_grad;
    model_.weights().blocks[0].mlp_down.select(1, cell).copy_(model_.weights().head[token] * factor);
  }

  ValueAgreement measured() {
    const ScoredTable scored = make_value_table(model_, 0, Lens(model_, {}), 10, next_tokens_of(triggers_));
    return summarize_agreement(scored, triggers_, agreement_of_cells(scored, triggers_), kTokens, 0);
  }

  Model model_ = test::tiny_model("llama", 1);
  std::vector<CellTriggers> triggers_ = std::vector<CellTriggers>(kCells);
};

TEST_F(Planted, ValuesOfTheNextTokensAgree) {
  const ValueAgreement found = measured();
  EXPECT_EQ(found.defined, kCells);
  EXPECT_EQ(found.triggers, 4);
  EXPECT_EQ(found.agreement, 1);
  EXPECT_EQ(found.precision, 1);
  EXPECT_EQ(found.mean_reciprocal_rank, 1);
  EXPECT_EQ(found.hit10, 1);
  EXPECT_EQ(found.echo, 0);
  EXPECT_THAT(found.rank, Each(0.0));
  EXPECT_NEAR(found.uniform, 1.0 / 96, 1e-12);
  // 80 tokens, each once: a permutation keeps one of them in its place on average.
  EXPECT_NEAR(found.shuffled * kCells, 1, 0.4);
}

// Flipping the sign of a value and of the coefficient changes nothing.
TEST_F(Planted, NegativeCoefficientsReadTheValueBackwards) {
  for (std::int64_t cell = 0; cell < kCells; cell += 2) {
    write_value(cell, next_token(cell), -1);
    CellTriggers& triggers = triggers_[static_cast<std::size_t>(cell)];
    std::swap(triggers.high, triggers.low);
    for (float& coefficient : triggers.high.coefficients) coefficient = -coefficient;
    for (float& coefficient : triggers.low.coefficients) coefficient = -coefficient;
  }
  const ValueAgreement found = measured();
  EXPECT_EQ(found.agreement, 1);
  EXPECT_EQ(found.precision, 1);
  EXPECT_THAT(found.rank, Each(0.0));
}

TEST_F(Planted, PermutedValuesAgreeAsTheShuffledBaseline) {
  for (std::int64_t cell = 0; cell < kCells; ++cell)
    write_value(cell, next_token((cell * 29 + 5) % kCells), 1);
  const ValueAgreement found = measured();
  EXPECT_NEAR(found.agreement, found.shuffled, 2.0 / kCells);
  EXPECT_GT(found.rank[1], 5);
}

TEST_F(Planted, AReaderThatIsOffByOneSeesNothing) {
  for (CellTriggers& triggers : triggers_) triggers.high.next = triggers.high.read;
  for (std::int64_t cell = 0; cell < kCells; ++cell)
    if (next_token(cell) == read_token(cell)) triggers_[static_cast<std::size_t>(cell)].high.next[0] = 95;
  EXPECT_EQ(measured().agreement, 0);
}

TEST_F(Planted, ValuesOfTheReadTokensEcho) {
  for (std::int64_t cell = 0; cell < kCells; ++cell) write_value(cell, read_token(cell), 1);
  const ValueAgreement found = measured();
  EXPECT_EQ(found.echo, 1);
  EXPECT_LE(found.agreement, 2.0 / kCells) << "but for cells that read and foretell one token";
}

TEST_F(Planted, CellsWithoutANextTokenAreLeftOut) {
  triggers_[0].high.next[0] = -1;
  triggers_[1] = {};
  triggers_[2].high.next[3] = -1;  // one of four triggers: the others count
  const ValueAgreement found = measured();
  EXPECT_EQ(found.defined, kCells - 2);
  EXPECT_EQ(found.agreement, 1);
  EXPECT_EQ(found.precision, 1);
}

TEST(PredictiveBins, AreEquallyWideOrEquallyFull) {
  std::vector<CellAgreement> cells;
  for (const double p : {0.1, 0.11, 0.12, 0.5, 0.9, 0.3})
    cells.push_back({.probability = p, .next = 1, .agrees = p >= 0.5});
  cells.push_back({.probability = 0.7});  // not defined
  const auto wide = bins_of_equal_width(cells, 2);
  ASSERT_THAT(wide, SizeIs(2));
  EXPECT_EQ(wide[0].cells, 4);
  EXPECT_EQ(wide[0].agreement, 0);
  EXPECT_NEAR(wide[0].high, 0.5, 1e-9);
  EXPECT_EQ(wide[1].cells, 2);
  EXPECT_EQ(wide[1].agreement, 1);
  const auto full = bins_of_equal_count(cells, 3);
  ASSERT_THAT(full, SizeIs(3));
  for (const PredictiveBin& bin : full) EXPECT_EQ(bin.cells, 2);
  EXPECT_EQ(full[1].agreement, 0);
  EXPECT_EQ(full[2].agreement, 1);
  EXPECT_EQ(full[0].low, 0.1);
  EXPECT_THAT(bins_of_equal_width({}, 8), SizeIs(0));
}

class Values : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Shapes, Values, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

// Of the invented world: all numbers of a run against the whole table of logits.
TEST_P(Values, OfAWholeModelEqualTheTableOfLogits) {
  const c10::NoGradGuard no_grad;
  const Model model = test::load_world(GetParam());
  const test::TempFolder folder;
  ValueOptions options;
  options.out = folder / "values";
  options.top = 5;
  options.sharpest = 7;
  const ValuesOutcome outcome = run_values(model, options, no_progress());
  ASSERT_THAT(outcome.layers, SizeIs(model.config().layers));
  ASSERT_THAT(outcome.outputs, SizeIs(model.config().layers));
  const bool gated = model.config().block.gated_mlp;
  const Lens lens(model, {});
  std::vector<double> all;
  for (const LayerValues& layer : outcome.layers) {
    const at::Tensor z = lens.logits(FfnView(model, layer.layer).values(ValueSide::kArriving), layer.layer);
    at::Tensor largest = std::get<0>(at::softmax(z, 1).max(1));
    if (gated) largest = at::maximum(largest, std::get<0>(at::softmax(-z, 1).max(1)));
    const at::Tensor sorted = std::get<0>(largest.sort());
    EXPECT_NEAR(layer.largest_probability[1], sorted[(sorted.numel() - 1) / 2].item<double>(), 1e-6);
    for (std::int64_t i = 0; i < sorted.numel(); ++i) all.push_back(sorted[i].item<double>());
    const auto stored = read_values(options.out, layer.layer);
    ASSERT_TRUE(stored.has_value());
    EXPECT_EQ(stored->lens, "lin");
    EXPECT_EQ(stored->model_fingerprint, model.fingerprint());
    EXPECT_TRUE(test::near(stored->table.top_logits, std::get<0>(z.topk(5, 1)), 1e-4));
    EXPECT_TRUE(at::equal(stored->table.bottom_ids.select(1, 0), z.argmin(1)));
  }
  std::sort(all.rbegin(), all.rend());
  ASSERT_THAT(outcome.sharpest, SizeIs(7));
  for (std::size_t i = 0; i < 7; ++i) EXPECT_NEAR(outcome.sharpest[i].probability, all[i], 1e-6);
  EXPECT_THAT(outcome.sharpest[0].tokens, SizeIs(5));
  EXPECT_FALSE(read_values(options.out, model.config().layers).has_value());
}

TEST(ValuesRun, RefusesWhatItCannotDo) {
  const Model model = test::tiny_model("gpt2", 2);
  const auto refusal = [&](ErrorKind kind, const std::function<void(ValueOptions&)>& spoil) {
    ValueOptions options;
    spoil(options);
    return test::error_of(kind, [&] { run_values(model, options, no_progress()); });
  };
  EXPECT_THAT(refusal(ErrorKind::kUsage, [](ValueOptions& o) { o.top = 0; }), HasSubstr("top"));
  EXPECT_THAT(refusal(ErrorKind::kUsage, [](ValueOptions& o) { o.sharpest = -1; }), HasSubstr("sharpest"));
  EXPECT_THAT(refusal(ErrorKind::kUsage, [](ValueOptions& o) { o.lens.kind = LensKind::kHead; }),
              HasSubstr("head"));
  EXPECT_THAT(refusal(ErrorKind::kConfig, [](ValueOptions& o) { o.layers = {2}; }), HasSubstr("0 to 1"));
}

TEST(ValueFiles, RefuseBrokenOnes) {
  const Model model = test::tiny_model("gpt2", 1);
  const test::TempFolder folder;
  save_values(folder.path(), value_table(model, 0, {}, 3), model, {});
  std::filesystem::copy_file(value_file(folder.path(), 0), value_file(folder.path(), 1));
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { read_values(folder.path(), 1); }),
              AllOf(HasSubstr("values_1.safetensors"), HasSubstr("no values of layer 1")));
  const at::Tensor norm = at::ones({4});
  write_safetensors(value_file(folder.path(), 2),
                    {{"norm", "F32", {4}, {static_cast<const std::byte*>(norm.const_data_ptr()), 16}}},
                    {{"emend.kind", "memory values"}, {"emend.layer", "2"}});
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { read_values(folder.path(), 2); }),
              HasSubstr("top_ids"));
}

}  // namespace
}  // namespace emend
