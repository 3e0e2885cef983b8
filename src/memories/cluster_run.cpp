// cluster_memories: spherical k-means of folded values.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <numeric>
#include <tuple>

#include "base/layer_number.h"
#include "base/random.h"
#include "emend/memory_cluster.h"
#include "emend/memory_view.h"
#include "memories/lens.h"
#include "memories/option_range.h"
#include "memories/token_name.h"

namespace emend {
namespace {

constexpr std::int64_t kCellsACluster = 32, kChunk = 4096;
constexpr std::uint64_t kClusterStream = 0x636c7573;

at::Tensor unit_rows(const at::Tensor& rows) {
  return rows / rows.norm(2, 1, /*keepdim=*/true).clamp_min(1e-30);
}

// Unit values of all cells that have one [N, D], and which cells they are.
struct UnitValues {
  std::vector<MemoryId> cells;
  at::Tensor rows;
};

UnitValues unit_values(const Model& model, const Lens& lens, const std::vector<int>& layers) {
  UnitValues all;
  std::vector<at::Tensor> parts;
  for (const int layer : layers) {
    const at::Tensor folded =
        lens.fold(FfnView(model, layer).values(ValueSide::kArriving).to(at::kCPU).contiguous(), layer);
    const at::Tensor there = (folded.norm(2, 1) > 0).nonzero().flatten();
    parts.push_back(unit_rows(folded.index_select(0, there)));
    for (std::int64_t i = 0; i < there.numel(); ++i)
      all.cells.push_back({layer, static_cast<int>(there[i].item<std::int64_t>())});
  }
  all.rows = at::cat(parts);
  return all;
}

// The nearest centre of each row and its cosine; of equal ones the lower.
std::pair<at::Tensor, at::Tensor> nearest(const at::Tensor& rows, const at::Tensor& centres) {
  std::vector<at::Tensor> cosines, places;
  for (std::int64_t begin = 0; begin < rows.size(0); begin += kChunk) {
    const std::int64_t count = std::min(kChunk, rows.size(0) - begin);
    const auto [best, at] = at::matmul(rows.narrow(0, begin, count), centres.t()).max(1);
    cosines.push_back(best);
    places.push_back(at);
  }
  return {at::cat(cosines), at::cat(places)};
}

at::Tensor first_centres(const at::Tensor& rows, std::int64_t k, std::uint64_t seed) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(rows.size(0)));
  std::iota(order.begin(), order.end(), 0);
  const Random random(seed, kClusterStream);
  for (std::size_t i = 0; i < static_cast<std::size_t>(k); ++i)
    std::swap(order[i], order[i + random.below(i, order.size() - i)]);
  order.resize(static_cast<std::size_t>(k));
  return rows.index_select(0, at::tensor(order, at::kLong)).clone();
}

// Means of the rows of each cluster, scaled to length 1. An empty cluster takes the row that is farthest from
// its own centre, each another one.
at::Tensor centres_of(const at::Tensor& rows, const at::Tensor& cluster, const at::Tensor& cosines,
                      std::int64_t k) {
  at::Tensor sums = at::zeros({k, rows.size(1)}, rows.options());
  sums.index_add_(0, cluster, rows);
  const at::Tensor empty = (at::bincount(cluster, {}, k) == 0).nonzero().flatten();
  if (empty.numel() > 0) {
    const at::Tensor farthest = cosines.argsort(/*stable=*/true, 0, /*descending=*/false);
    for (std::int64_t e = 0; e < empty.numel(); ++e) sums[empty[e].item<std::int64_t>()] = rows[farthest[e]];
  }
  return unit_rows(sums);
}

}  // namespace

ClusterOutcome cluster_memories(const Model& model, const ClusterOptions& options, Progress& progress) {
  const c10::NoGradGuard no_gradients;
  std::vector<int> layers = options.layers;
  for (const int layer : layers) require_layer("cluster", layer, model.config().layers);
  if (layers.empty())
    for (int l = 0; l < model.config().layers; ++l) layers.push_back(l);
  require_between("the option sweeps", options.sweeps, 1, 10'000);
  require_between("the option members", options.members, 1, 10'000);
  require_between("the option top", options.top, 1, 1000);
  const Lens lens(model, {});
  const UnitValues values = unit_values(model, lens, layers);
  const auto cells = static_cast<std::int64_t>(values.cells.size());
  require_between("the option clusters", options.clusters, 0, std::max<std::int64_t>(cells, 1));
  ClusterOutcome outcome;
  outcome.cells = cells;
  if (cells == 0) return outcome;
  const std::int64_t k =
      options.clusters > 0 ? options.clusters : std::max<std::int64_t>(1, cells / kCellsACluster);
  at::Tensor centres = first_centres(values.rows, k, options.seed), cluster, cosines;
  progress.begin("clustering", options.sweeps, "sweeps");
  while (outcome.sweeps < options.sweeps && !outcome.settled) {
    auto [near, at] = nearest(values.rows, centres);
    outcome.settled = cluster.defined() && at::equal(cluster, at);
    cluster = at;
    cosines = near;
    ++outcome.sweeps;
    if (!outcome.settled) centres = centres_of(values.rows, cluster, cosines, k);
    progress.update(outcome.sweeps, "");
  }
  progress.end();
  outcome.cosine = cosines.mean(at::kDouble).item<double>();

  std::vector<std::vector<std::int64_t>> members(static_cast<std::size_t>(k));
  for (std::int64_t i = 0; i < cells; ++i)
    members[static_cast<std::size_t>(cluster[i].item<std::int64_t>())].push_back(i);
  std::vector<std::size_t> order;
  for (std::size_t c = 0; c < members.size(); ++c)
    if (!members[c].empty()) order.push_back(c);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return members[a].size() != members[b].size() ? members[a].size() > members[b].size()
                                                  : members[a].front() < members[b].front();
  });
  const VocabularyResult words = lens.reduce(centres.contiguous(), options.top);
  std::vector<int> number_of(static_cast<std::size_t>(k), -1);
  for (const std::size_t c : order) {
    number_of[c] = static_cast<int>(outcome.clusters.size());
    std::vector<std::int64_t>& own = members[c];
    std::stable_sort(own.begin(), own.end(), [&](std::int64_t a, std::int64_t b) {
      return cosines[a].item<float>() > cosines[b].item<float>();
    });
    MemoryCluster one;
    one.size = static_cast<std::int64_t>(own.size());
    one.cosine = cosines.index_select(0, at::tensor(own, at::kLong)).mean(at::kDouble).item<double>();
    for (std::size_t m = 0; m < std::min(own.size(), static_cast<std::size_t>(options.members)); ++m)
      one.members.push_back(values.cells[static_cast<std::size_t>(own[m])]);
    for (std::int64_t t = 0; t < words.top_ids.size(1); ++t)
      one.tokens.push_back(
          token_name(model, words.top_ids[static_cast<std::int64_t>(c)][t].item<std::int64_t>()));
    outcome.clusters.push_back(std::move(one));
  }
  for (std::int64_t i = 0; i < cells; ++i)
    outcome.cluster_of.emplace_back(values.cells[static_cast<std::size_t>(i)],
                                    number_of[static_cast<std::size_t>(cluster[i].item<std::int64_t>())]);
  return outcome;
}

}  // namespace emend
