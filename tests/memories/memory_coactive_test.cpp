// Cells that fire together: counts against one by one, a planted pair, groups by hand and against the plain
// way, runs in parts.
#include "emend/memory_coactive.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/expect_error.h"
#include "base/random.h"
#include "memories/coactive_pairs.h"
#include "memories/coactive_visitor.h"
#include "memories/scans.h"
#include "reports/coactive_report.h"
#include "support/stop_at.h"

namespace emend {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(CoactivePairs, PhiByHand) {
  // 10 tokens: a at 4, b at 5, both at 3; c at none, d at all.
  at::Tensor counts = at::zeros({4, 4}, at::kDouble);
  counts[0][0] = 4, counts[1][1] = 5, counts[3][3] = 10;
  counts[0][1] = counts[1][0] = 3;
  counts[0][3] = counts[3][0] = 4;
  counts[1][3] = counts[3][1] = 5;
  const at::Tensor phi = phi_of(counts, 10);
  EXPECT_NEAR(phi[0][1].item<double>(), (10 * 3 - 4 * 5) / std::sqrt(4.0 * 6 * 5 * 5), 1e-6);
  EXPECT_EQ(phi[0][1].item<float>(), phi[1][0].item<float>());
  for (int other = 0; other < 4; ++other) {
    EXPECT_EQ(phi[2][other].item<float>(), 0) << "never active";
    EXPECT_EQ(phi[3][other].item<float>(), 0) << "always active";
  }
}

TEST(CoactivePairs, ChanceIsAQuantileOfTheNormalDistribution) {
  EXPECT_NEAR(phi_of_chance(10'000, 1, 0.01), 2.3263 / 100, 1e-5);
  EXPECT_NEAR(phi_of_chance(10'000, 10, 0.01), 3.0902 / 100, 1e-5);
  EXPECT_EQ(phi_of_chance(1, 10, 0.01), 1) << "no correlation says anything";
}

// Joins the best two first, over all pairs of groups.
std::vector<std::vector<std::int64_t>> plain_linkage(const at::Tensor& similarity, double threshold) {
  std::vector<std::vector<std::int64_t>> groups;
  for (std::int64_t i = 0; i < similarity.size(0); ++i) groups.push_back({i});
  const auto between = [&](const auto& a, const auto& b) {
    double sum = 0;
    for (const std::int64_t i : a)
      for (const std::int64_t j : b) sum += similarity[i][j].item<double>();
    return sum / static_cast<double>(a.size() * b.size());
  };
  while (true) {
    double best = -2;
    std::size_t a = 0, b = 0;
    for (std::size_t i = 0; i < groups.size(); ++i)
      for (std::size_t j = i + 1; j < groups.size(); ++j)
        if (const double s = between(groups[i], groups[j]); s > best) best = s, a = i, b = j;
    if (best < threshold) break;
    groups[a].insert(groups[a].end(), groups[b].begin(), groups[b].end());
    std::sort(groups[a].begin(), groups[a].end());
    groups.erase(groups.begin() + static_cast<std::ptrdiff_t>(b));
  }
  std::erase_if(groups, [](const auto& group) { return group.size() < 2; });
  std::sort(groups.begin(), groups.end(),
            [](const auto& a, const auto& b) { return a.size() != b.size() ? a.size() > b.size() : a < b; });
  return groups;
}

TEST(AverageLinkage, JoinsTheBestTwoFirst) {
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U}) {
    const Random random(seed, 7);
    const std::int64_t n = 24;
    at::Tensor similarity = at::zeros({n, n});
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = i + 1; j < n; ++j)
        similarity[i][j] = similarity[j][i] =
            0.7 * random.uniform(static_cast<std::uint64_t>(i * n + j)) + (i / 5 == j / 5 ? 0.25 : -0.1);
    for (const double threshold : {0.3, 0.45, 0.6})
      EXPECT_EQ(average_linkage(similarity.clone(), threshold), plain_linkage(similarity, threshold))
          << seed << " " << threshold;
  }
}

TEST(AverageLinkage, DoesNotChain) {
  // a-b and b-c are alike, a-c are not: connected components would join all three.
  at::Tensor similarity = at::zeros({3, 3});
  similarity[0][1] = similarity[1][0] = 0.8;
  similarity[1][2] = similarity[2][1] = 0.7;
  EXPECT_THAT(average_linkage(similarity.clone(), 0.5), ElementsAre(ElementsAre(0, 1)));
  EXPECT_THAT(average_linkage(similarity.clone(), 0.3), ElementsAre(ElementsAre(0, 1, 2)));
  EXPECT_THAT(average_linkage(similarity.clone(), 0.9), IsEmpty());
}

CoactiveOptions small_coactive(const Model& model) {
  CoactiveOptions options;
  static_cast<TextOptions&>(options) = test::small_scan(model);
  options.tokens = 600;
  options.block_tokens = 120;
  options.layers = {1, 4};
  options.pairs = 100'000;
  options.least = 1;
  return options;
}

class Coactive : public ::testing::TestWithParam<std::string> {
 protected:
  const Model model_ = test::load_world(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Shapes, Coactive, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

// Runs each row alone and counts pair by pair.
TEST_P(Coactive, CountsAreThoseOfCountingOneByOne) {
  const c10::NoGradGuard no_grad;
  CoactiveOptions options = small_coactive(model_);
  options.layers.clear();
  options.cells = {"L1D3", "L1D7", "L4D0", "L4D200", "L4D31"};
  const CoactiveOutcome found = run_coactive(model_, options);
  ScanOptions scan = test::small_scan(model_);
  scan.tokens = 600;
  std::vector<std::vector<bool>> active(5);
  const std::vector<MemoryId> cells = {{1, 3}, {1, 7}, {4, 0}, {4, 31}, {4, 200}};
  const auto text = test::text_of(model_, scan);
  for (const PlacedRow& row : text->rows()) {
    const TokenIds ids(row.ids.begin(), row.ids.end());
    const at::Tensor low = test::plain_vectors(model_, ids, Site::kGate, 1),
                     high = test::plain_vectors(model_, ids, Site::kGate, 4);
    for (std::int64_t t = 1; t < low.size(0); ++t)
      for (std::size_t c = 0; c < 5; ++c)
        active[c].push_back((cells[c].layer == 1 ? low : high)[t][cells[c].index].item<float>() > 0);
  }
  EXPECT_EQ(found.tokens, 600);
  ASSERT_EQ(active[0].size(), 600U);
  EXPECT_EQ(found.cells, 5);
  std::int64_t listed = 0;
  for (std::size_t a = 0; a < 5; ++a)
    for (std::size_t b = a + 1; b < 5; ++b) {
      double na = 0, nb = 0, both = 0;
      for (std::size_t t = 0; t < 600; ++t) {
        na += active[a][t] ? 1 : 0;
        nb += active[b][t] ? 1 : 0;
        both += active[a][t] && active[b][t] ? 1 : 0;
      }
      const double phi = (600 * both - na * nb) / std::sqrt(na * nb * (600 - na) * (600 - nb));
      const auto pair = std::find_if(found.pairs.begin(), found.pairs.end(), [&](const CoactivePair& one) {
        return one.a == cells[a] && one.b == cells[b];
      });
      ASSERT_EQ(pair != found.pairs.end(), phi > found.chance && both >= 1) << a << " " << b;
      if (pair == found.pairs.end()) continue;
      ++listed;
      EXPECT_EQ(pair->a_tokens, na);
      EXPECT_EQ(pair->b_tokens, nb);
      EXPECT_EQ(pair->both, both);
      EXPECT_NEAR(pair->phi, phi, 1e-6);
      EXPECT_NEAR(pair->pmi, std::log(600 * both / (na * nb)), 1e-9);
    }
  EXPECT_EQ(found.above_chance, listed);
}

// Cell 9 of layer 4 is given the key of cell 5 of layer 4, and so fires where that one does.
TEST_P(Coactive, APlantedPairIsFoundFirst) {
  const c10::NoGradGuard no_grad;
  const ModelConfig& config = model_.config();
  const BlockWeights& block = model_.weights().blocks[4];
  const std::vector<std::int64_t> offsets = block.mlp_in.size(0) == 2 * config.d_ff
                                                ? std::vector<std::int64_t>{0, config.d_ff}
                                                : std::vector<std::int64_t>{0};
  for (const std::int64_t offset : offsets)
    at::Tensor(block.mlp_in)[offset + 9].copy_(1.5 * block.mlp_in[offset + 5]);
  if (block.mlp_in_bias.defined()) at::Tensor(block.mlp_in_bias)[9] = 1.5 * block.mlp_in_bias[5];
  CoactiveOptions options = small_coactive(model_);
  options.layers = {4};
  options.least = 20;
  options.threshold = 0.95;
  const CoactiveOutcome found = run_coactive(model_, options);
  ASSERT_FALSE(found.pairs.empty());
  EXPECT_EQ(found.pairs[0].a, (MemoryId{4, 5}));
  EXPECT_EQ(found.pairs[0].b, (MemoryId{4, 9}));
  EXPECT_NEAR(found.pairs[0].phi, 1, 1e-6);
  EXPECT_EQ(found.pairs[0].both, found.pairs[0].a_tokens);
  const bool grouped = std::any_of(found.groups.begin(), found.groups.end(), [](const CoactiveGroup& group) {
    std::size_t planted = 0;
    for (const CoactiveCell& one : group.cells) planted += one.cell.index == 5 || one.cell.index == 9 ? 1 : 0;
    return planted == 2;
  });
  EXPECT_TRUE(grouped);
  EXPECT_EQ(found.state_bytes, 8 * config.d_ff * config.d_ff + config.d_ff * 120);
  EXPECT_THAT(coactive_text(found, 120), HasSubstr("L4D5"));
  EXPECT_EQ(coactive_json(found, options, model_).at("pairs")[0].at("b"), "L4D9");
  EXPECT_THAT(coactive_page(found, options, model_), HasSubstr("Cells that fire together"));
}

// Beyond its own median a cell is active at half of the tokens, whatever its score.
TEST_P(Coactive, AnIndexGivesTheMostActiveCellsAndTheirQuantiles) {
  const test::TempFolder folder;
  ScanOptions scan = test::small_scan(model_);
  scan.layers = {4};
  scan.tokens = 600;
  test::scan_into(model_, scan, folder / "index");
  CoactiveOptions options = small_coactive(model_);
  options.layers = {4};
  options.index = folder / "index";
  options.most = 12;
  const CoactiveOutcome active = run_coactive(model_, options);
  EXPECT_EQ(active.cells, 12);
  const MemoryIndex index(folder / "index");
  std::vector<double> shares;
  for (int cell = 0; cell < static_cast<int>(model_.config().d_ff); ++cell)
    shares.push_back(index.cell({4, cell}).active_share);
  std::sort(shares.rbegin(), shares.rend());
  for (const CoactivePair& pair : active.pairs) {
    EXPECT_GE(static_cast<double>(pair.a_tokens) / 600, shares[11] - 1e-9);
    EXPECT_GE(static_cast<double>(pair.b_tokens) / 600, shares[11] - 1e-9);
  }
  options.beyond = 0.5;
  const CoactiveOutcome half = run_coactive(model_, options);
  ASSERT_FALSE(half.pairs.empty());
  for (const CoactivePair& pair : half.pairs) EXPECT_NEAR(pair.a_tokens, 300, 25) << to_string(pair.a);
}

TEST_P(Coactive, StopsAndShardsChangeNoByteAndBudgetsNextToNothing) {
  const test::TempFolder folder;
  const CoactiveOptions options = small_coactive(model_);
  SilentProgress silent;
  const CoactiveOutcome whole = run_coactive(model_, options, {.path = folder / "whole"}, silent);
  EXPECT_EQ(whole.cells, 2 * model_.config().d_ff);
  CoactiveOptions other = options;
  other.token_budget = 64;
  // Scores within rounding of 0 may count otherwise in passes of another size.
  EXPECT_NEAR(static_cast<double>(run_coactive(model_, other).above_chance),
              static_cast<double>(whole.above_chance), 0.01 * static_cast<double>(whole.above_chance));

  const std::filesystem::path stopped = folder / "stopped";
  for (int signs = 3; !std::filesystem::exists(stopped / "pairs_checkpoint.safetensors"); ++signs) {
    ASSERT_LT(signs, 100);
    test::StopAt stopping(signs);
    test::error_of(ErrorKind::kInterrupted,
                   [&] { run_coactive(model_, options, {.path = stopped}, stopping); });
  }
  EXPECT_THAT(
      test::error_of(ErrorKind::kConfig, [&] { run_coactive(model_, options, {.path = stopped}, silent); }),
      HasSubstr("a count of pairs was written into this folder"));
  const CoactiveOutcome resumed = run_coactive(model_, options, {.path = stopped, .resume = true}, silent);
  EXPECT_GT(resumed.resumed_blocks, 0);
  test::expect_same_folder(folder / "whole", stopped);

  std::vector<std::filesystem::path> parts;
  for (int shard = 0; shard < 2; ++shard) {
    CoactiveOptions one = options;
    one.shard = shard;
    one.shards = 2;
    parts.push_back(folder / fmt::format("part{}", shard));
    EXPECT_TRUE(run_coactive(model_, one, {.path = parts.back()}, silent).is_part);
  }
  const CoactiveOutcome joined =
      run_coactive(model_, options, {.path = folder / "joined", .join = parts}, silent);
  test::expect_same_folder(folder / "whole", folder / "joined");
  EXPECT_EQ(joined.above_chance, whole.above_chance);
  CoactiveOptions fewer = options;
  fewer.layers = {1};
  EXPECT_THAT(test::error_of(ErrorKind::kConfig,
                             [&] { run_coactive(model_, fewer, {.path = stopped, .resume = true}, silent); }),
              HasSubstr("another run"));
}

TEST(CoactiveRefusals, NameTheOption) {
  const Model model = test::load_world("llama");
  const auto refused = [&](ErrorKind kind, auto change, const char* what) {
    CoactiveOptions options = small_coactive(model);
    change(options);
    EXPECT_THAT(test::error_of(kind, [&] { run_coactive(model, options); }), HasSubstr(what));
  };
  refused(
      ErrorKind::kUsage, [](CoactiveOptions& o) { o.threshold = 0; }, "threshold");
  refused(
      ErrorKind::kUsage, [](CoactiveOptions& o) { o.pairs = -1; }, "pairs");
  refused(
      ErrorKind::kUsage, [](CoactiveOptions& o) { o.least = 0; }, "least");
  refused(
      ErrorKind::kUsage, [](CoactiveOptions& o) { o.most = 5; }, "index");
  refused(
      ErrorKind::kUsage, [](CoactiveOptions& o) { o.beyond = 0.3; }, "beyond");
  refused(
      ErrorKind::kUsage,
      [](CoactiveOptions& o) {
        o.cells = {"L1D1", "L1D2"};
      },
      "cells");
  refused(
      ErrorKind::kUsage,
      [](CoactiveOptions& o) {
        o.layers.clear();
        o.cells = {"L1D1"};
      },
      "at least 2 cells are needed, found 1");
  refused(
      ErrorKind::kConfig,
      [](CoactiveOptions& o) {
        o.layers.clear();
        o.cells = {"L1D1", "L99D1"};
      },
      "99");
  refused(
      ErrorKind::kConfig, [](CoactiveOptions& o) { o.layers = {99}; }, "99");
  refused(
      ErrorKind::kConfig, [](CoactiveOptions& o) { o.corpus.clear(); }, "corpus");
}

}  // namespace
}  // namespace emend
