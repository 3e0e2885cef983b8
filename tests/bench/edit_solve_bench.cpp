// edit_solve_bench [D_FF] [FACTS]
//
// How long the closed form of a whole edit takes where C is large: FACTS edits of the invented world (default
// 32) by run_edit on a small random model whose keys have D_FF entries (default 14,336, Llama 3 8B's). C is
// the identity plus a few directions, so that it costs nothing to make. Prints as JSON the seconds of the
// run's parts and, as the plain way, the seconds of one factor of C with the estimate of its condition,
// measured in the same run: `factors` is how many of them the statistics and the solve together take. The
// same edit once more takes the factor that the first one left in the folder: `again_...`; `kept_seconds` are
// those of reading that factor alone, `gain` how many times sooner it is there than a new one.
#include <ATen/ATen.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "analysis/statistics_factors.h"
#include "bench/real_shapes.h"
#include "bench/world_requests.h"
#include "emend/edit_run.h"
#include "emend/statistics.h"
#include "linalg/spd_factor.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
constexpr int kLayer = 1;

ModelConfig small_model(std::int64_t d_ff) {
  ModelConfig config = bench::gpt2_xl();
  config.layers = 3;
  config.d_model = 256;
  config.heads = config.kv_heads = 4;
  config.vocab = 1664;  // ids of the tokenizer
  config.d_ff = d_ff;
  return config;
}

EditFile world_edits(std::size_t count) {
  EditFile file;
  file.edits = bench::world_requests(count);
  file.layer.layers = {kLayer};
  file.options["steps"] = {"1", ""};
  file.options["contexts"] = {"2", ""};
  return file;
}

at::Tensor cheap_moment(std::int64_t d_ff) {
  at::manual_seed(1);
  const at::Tensor directions = at::randn({d_ff, 64}, at::kDouble);
  return at::matmul(directions, directions.t()).add_(at::eye(d_ff, at::kDouble));
}

double seconds_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

}  // namespace
}  // namespace emend

int main(int argc, char** argv) {
  using namespace emend;
  const std::int64_t d_ff = argc > 1 ? std::atoll(argv[1]) : 14336;
  const auto facts = static_cast<std::size_t>(argc > 2 ? std::atoi(argv[2]) : 32);
  Model model = Model::make_random(small_model(d_ff), 1, {}, bench::world_tokenizer());
  EditFile file = world_edits(facts);
  file.statistics = fs::temp_directory_path() / ("emend-solve-bench-" + std::to_string(d_ff));
  const at::Tensor C = cheap_moment(d_ff);
  {
    Statistics statistics;
    statistics.layers[kLayer] = {C, 10 * d_ff, {}, {}, {}};
    statistics.set_origin({"bench", "", "be"});
    statistics.held_text = {{1, 2, 3, 4}};
    save_statistics(statistics, model, model.tokenizer().automatic_prefix(), file.statistics);
  }
  SilentProgress silent;
  EditRunOptions options;
  options.keep_going = true;
  const EditOutcome outcome = run_edit(model, file, options, silent);
  const EditOutcome again = run_edit(model, file, options, silent);
  const at::Tensor stored =
      load_statistics(model, {kLayer}, model.tokenizer().automatic_prefix(), file.statistics)
          .layers.at(kLayer)
          .C;
  const auto asked = std::chrono::steady_clock::now();
  const bool is_kept =
      StatisticsFactors(file.statistics).load_factor(kLayer, stored, 1e-5, at::kCPU) != nullptr;
  const double kept = seconds_since(asked);
  fs::remove_all(file.statistics);
  const auto began = std::chrono::steady_clock::now();
  const SpdFactor plain(C, 1e-5, "C");
  const double factor = seconds_since(began);
  const EditSeconds& seconds = outcome.seconds;
  const nlohmann::json gain = is_kept ? nlohmann::json(factor / kept) : nlohmann::json();
  const nlohmann::json result = {{"d_ff", d_ff},
                                 {"facts", facts},
                                 {"statistics_seconds", seconds.statistics},
                                 {"search_seconds", seconds.search},
                                 {"solve_seconds", seconds.solve},
                                 {"again_statistics_seconds", again.seconds.statistics},
                                 {"again_solve_seconds", again.seconds.solve},
                                 {"kept_seconds", kept},
                                 {"gain", gain},
                                 {"one_factor_seconds", factor},
                                 {"factors", (seconds.statistics + seconds.solve) / factor}};
  std::cout << result.dump(2) << "\n";
}
