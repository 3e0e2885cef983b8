// Tracing against the plain way, on random weights of two shapes (no checkpoint needed).
//
//   locate_bench [SHAPE] [REPEATS] [DEVICE] [DTYPE] [TOKEN_BUDGET] [CLOCK]
//
// CLOCK: wall (default), or cpu, the process's processor time: with one thread it is what an idle machine
// would take. SHAPE: small (GPT-2, 10 blocks, d 256, vocabulary 1,664; window 10), smollm2 (Llama, 30
// blocks, d 576, vocabulary 49,152; window 6), or a larger one of real_shapes.h (window 10). Prints one JSON
// object, medians of the repeats in seconds. One fact of 10 tokens, its subject the first three, 10
// corrupted runs. The plain way runs, for each cell, the clean row and all corrupted rows through the whole
// model (one cell is timed and scaled to all). The floor is the arithmetic of the matrix products that
// causality and shared windows leave, at the speed of the products of one block over 4,096 tokens, measured
// in the same run: no norms, no attention weights, no activation, no head.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>

#include "analysis/causal_trace/attribution.h"
#include "analysis/causal_trace/restored_runs.h"
#include "base/random.h"
#include "bench/real_shapes.h"
#include "bench/stopwatch.h"
#include "model/device_memory.h"

using namespace emend;
using namespace emend::trace;

namespace {

constexpr std::int64_t kTokens = 10, kSubject = 3;
constexpr int kSamples = 10;

ModelConfig shape_of(const std::string& name) {
  if (name != "small") return bench::shape_named(name);
  ModelConfig c;
  c.family = "gpt2";
  c.layers = 10;
  c.d_model = 256;
  c.d_ff = 1024;
  c.heads = c.kv_heads = 4;
  c.head_dim = 64;
  c.vocab = 1664;
  c.max_positions = 64;
  c.block.qkv_bias = c.block.attention_out_bias = c.block.mlp_bias = true;
  return c;
}

enum class BenchClock { kWall, kProcessor };
BenchClock clock_kind = BenchClock::kWall;

double seconds_of(const std::function<void()>& work, const at::Device& device) {
  const bench::Seconds spent = bench::seconds_of([&] {
    work();
    bench::finish(device);
  });
  return clock_kind == BenchClock::kWall ? spent.wall : spent.processor;
}

double median_of(int repeats, const std::function<void()>& work, const at::Device& device) {
  std::vector<double> seconds;
  for (int i = 0; i < repeats; ++i) seconds.push_back(seconds_of(work, device));
  return bench::median(seconds);
}

// Parameters of one block's matrix products.
double block_parameters(const ModelConfig& c) {
  const auto d = static_cast<double>(c.d_model);
  return d * static_cast<double>((c.heads + 2 * c.kv_heads) * c.head_dim) +
         d * static_cast<double>(c.heads * c.head_dim) +
         d * static_cast<double>(c.d_ff) * (c.block.gated_mlp ? 3 : 2);
}

// Floating point operations a second of the products of one block over 4,096 tokens.
double product_speed(const Model& model) {
  const c10::NoGradGuard no_grad;
  const ModelConfig& c = model.config();
  const BlockWeights& w = model.weights().blocks[0];
  const at::Tensor x = at::randn({4096, c.d_model}, model.options()),
                   a = at::randn({4096, c.heads * c.head_dim}, model.options()),
                   k = at::randn({4096, c.d_ff}, model.options());
  const double seconds = median_of(
      5,
      [&] {
        at::linear(x, w.qkv);
        at::linear(a, w.attention_out);
        at::linear(x, w.mlp_in);
        at::linear(k, w.mlp_down);
      },
      x.device());
  return 2 * 4096 * block_parameters(c) / seconds;
}

std::vector<Cell> grid_cells(Site site, int window, int layers) {
  std::vector<Cell> cells;
  for (int l = 0; l < layers; ++l) {
    if (site == Site::kBlockOutput) {
      if (l + 1 < layers) cells.push_back({l + 1, true, 0});  // the last layer's are known
    } else {
      const LayerRange range = window_around(l, window, layers);
      cells.push_back({range.begin, false, range.end});
    }
  }
  return cells;
}

// Token-blocks that the cells of one token need when runs are shared as long as they are the same: a window's
// run begins one block above its first one, and in the last block only attention runs at all positions.
double token_blocks(const std::vector<Cell>& cells, std::int64_t width, const ModelConfig& c) {
  const double attention_share =
      (static_cast<double>(c.d_model) * static_cast<double>((2 * c.heads + 2 * c.kv_heads) * c.head_dim)) /
      block_parameters(c);
  const double last = attention_share * static_cast<double>(width) + (1 - attention_share);
  const auto from = [&](int block) {
    return block >= c.layers ? 0 : (c.layers - 1 - block) * static_cast<double>(width) + last;
  };
  double needed = 0;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const bool shares = i > 0 && !cells[i].clean_state && cells[i - 1].begin == cells[i].begin;
    if (!shares)
      needed +=
          from(cells[i].clean_state ? cells[i].begin
                                    : cells[i].begin + 1);  // the run of the longest window that begins here
    const bool parts = i + 1 < cells.size() && !cells[i].clean_state &&
                       cells[i + 1].begin == cells[i].begin &&
                       cells[i + 1].restore_end > cells[i].restore_end;
    if (parts) needed += from(cells[i].restore_end);
  }
  return needed * kSamples;
}

void whole_model(const Model& model, const TraceRuns& runs) {
  const c10::NoGradGuard no_grad;
  PassInput input;
  input.ids.assign(kSamples + 1, runs.row.ids);
  input.interventions.push_back({Site::kBlockOutput, 2, Intervention::Kind::kReplace,
                                 at::full({1}, 14, at::kLong).to(runs.clean_embedding.device()),
                                 runs.block.clean[2][4].unsqueeze(0)});
  for (std::int64_t r = 0; r <= kSamples; ++r) input.logit_tokens.push_back((r + 1) * kTokens - 1);
  model.forward(input);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "small";
  const int repeats = argc > 2 ? std::atoi(argv[2]) : 3;
  ModelOptions options;
  if (argc > 3) options.device = Placement::parse(argv[3]);
  if (argc > 4) options.dtype = parse_compute_type(argv[4]);
  const std::int64_t asked_budget = argc > 5 ? std::atoi(argv[5]) : 0;
  if (argc > 6 && std::string(argv[6]) == "cpu") clock_kind = BenchClock::kProcessor;
  const Model model = Model::make_random(shape_of(name), 1, options);
  const int layers = model.config().layers, window = name == "smollm2" ? 6 : 10;
  TracedPrompt row;
  for (std::int64_t i = 0; i < kTokens; ++i)
    row.ids.push_back(static_cast<std::int64_t>(Random(7, 1).below(static_cast<std::uint64_t>(i), 1000)));
  row.prompt = kTokens;
  row.subject_end = kSubject;
  row = with_answer(row, {17});
  const at::Tensor subject =
      at::randn({kSamples, kSubject, model.config().d_model}, model.options().dtype(at::kFloat)) * 0.06;
  const at::Device device = subject.device();

  const std::int64_t budget = asked_budget > 0 ? asked_budget : default_token_budget(device);
  const double speed = product_speed(model);
  const double resident = bench::device_memory(device).now;
  TraceRuns runs;
  const c10::NoGradGuard no_grad;
  const double two_runs = median_of(
      repeats, [&] { runs = run_clean_and_corrupted(model, row, subject); }, device);
  whole_model(model, runs);
  const double plain_cell = median_of(
      5 * repeats, [&] { whole_model(model, runs); }, device);
  nlohmann::json result = {{"shape", name},
                           {"device", options.device.text()},
                           {"dtype", to_string(options.dtype)},
                           {"threads", at::get_num_threads()},
                           {"tokens", kTokens},
                           {"samples", kSamples},
                           {"window", window},
                           {"token_budget", budget},
                           {"product_gflops", speed / 1e9},
                           {"two_runs_seconds", two_runs},
                           {"plain_cell_seconds", plain_cell}};
  double all = two_runs, all_floor = 0, all_plain = 0;
  for (const auto& [title, site] :
       {std::pair("single_states", Site::kBlockOutput), std::pair("mlp_windows", Site::kMlpOutput),
        std::pair("attention_windows", Site::kAttentionOutput)}) {
    const std::vector<Cell> cells = grid_cells(site, window, layers);
    double needed = 0;
    for (std::int64_t t = 0; t < kTokens; ++t) needed += token_blocks(cells, kTokens - t, model.config());
    const double floor = 2 * needed * block_parameters(model.config()) / speed;
    const double seconds = median_of(
        repeats,
        [&, site = site] {
          for (std::int64_t t = 0; t < kTokens; ++t)
            run_cells(model, runs, cells, {t, site, std::nullopt, budget});
        },
        device);
    const double plain = plain_cell * static_cast<double>(kTokens * layers);
    result[title] = {{"seconds", seconds},
                     {"plain_seconds", plain},
                     {"times_faster", plain / seconds},
                     {"floor_seconds", floor},
                     {"over_floor", seconds / floor}};
    all += seconds;
    all_floor += floor;
    all_plain += plain;
  }
  result["three_grids"] = {{"seconds", all},
                           {"facts_a_minute", 60 / all},
                           {"plain_seconds", all_plain},
                           {"times_faster", all_plain / all},
                           {"floor_seconds", all_floor},
                           {"over_floor", all / all_floor}};
  result["estimates_seconds"] = median_of(
      repeats, [&] { attribute(model, runs); }, device);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  result["peak_bytes"] = 1024.0 * static_cast<double>(usage.ru_maxrss);
  result["device_resident_bytes"] = resident;
  result["device_peak_bytes"] = bench::device_memory(device).peak;
  std::printf("%s\n", result.dump(2).c_str());
  return 0;
}
