// patch_bench [FACTS] [FOLDER]
//
// What a patch of many facts costs to keep and to work with: FACTS (default 10,000) made-up facts of one key
// each, with random keys and residuals, at layers 1 and 2 of the invented world's Llama-shaped model, solved
// together by least squares under a random C. Prints as JSON the bytes of the file and the seconds (wall and
// processor) of writing and reading it (`save`, `load`: most of a list), of dropping one fact, of merging two
// patches of half the facts each, of looking for keys that the halves share, of the difference of the patch
// and the merged one, and of laying the change on the model and taking it off (`scope`). `drop_error` and
// `merge_error`: of their changes from those of a plain solve without the fact and of the whole, relative.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/stopwatch.h"
#include "emend/edit.h"
#include "emend/model.h"
#include "emend/patch.h"
#include "emend/patch_algebra.h"
#include "linalg/response_solver.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
constexpr double kLambda = 20;

struct Made {
  std::vector<at::Tensor> keys, residuals;  // of each layer [F, n] and [D, n], float32
  LayerMoments moments;
};

const std::vector<int> kLayers = {1, 2};

Made make_facts(const ModelConfig& config, std::int64_t facts) {
  at::manual_seed(1);
  Made made;
  for (const int layer : kLayers) {
    const at::Tensor text = at::randn({4 * config.d_ff, config.d_ff}, at::kDouble);
    made.moments[layer] = at::matmul(text.t(), text) / static_cast<double>(text.size(0));
    made.keys.push_back(at::randn({config.d_ff, facts}));
    made.residuals.push_back(at::randn({config.d_model, facts}));
  }
  return made;
}

// A [n, F] of the facts from `begin` to `end`.
at::Tensor responses(const Made& made, std::size_t layer, std::int64_t begin, std::int64_t end) {
  const at::Tensor K = made.keys[layer].slice(1, begin, end).to(at::kDouble);
  const at::Tensor C = made.moments.at(kLayers[layer]);
  const KeyMetric metric(std::make_shared<const SpdFactor>(C, 1e-5, "C"), C);
  return least_squares_response(metric, K, at::eye(end - begin, at::kDouble), kLambda)
      .t()
      .to(at::kFloat)
      .contiguous();
}

Patch patch_of(const Made& made, std::int64_t begin, std::int64_t end) {
  Patch patch;
  patch.edit.method = "memit";
  patch.edit.base_fingerprint = "be";
  for (std::int64_t i = begin; i < end; ++i) {
    FactRecord fact;
    fact.request.id = fmt::format("fact-{}", i);
    fact.request.prompt = fmt::format("Person {} was trained as a", i);
    fact.request.subject = fmt::format("Person {}", i);
    fact.request.subject_begin = 0;
    fact.request.target = "painter";
    for (std::size_t l = 0; l < kLayers.size(); ++l) {
      FactPart part;
      part.weight = {kLayers[l], Role::kMlpDown};
      part.keys = made.keys[l].select(1, i).unsqueeze(0).contiguous();
      part.answers = at::ones({1});
      part.residual = made.residuals[l].select(1, i).contiguous();
      part.rows = {i - begin};
      part.update_norm = part.relative_norm = 1;
      fact.parts.push_back(std::move(part));
    }
    patch.edit.facts.push_back(std::move(fact));
  }
  for (std::size_t l = 0; l < kLayers.size(); ++l) {
    const WeightRef weight{kLayers[l], Role::kMlpDown};
    patch.edit.changes.push_back(WeightChange::low_rank(weight, responses(made, l, begin, end),
                                                        made.residuals[l].slice(1, begin, end).contiguous()));
    WeightSolve solve;
    solve.weight = weight;
    solve.rule = SolveRule::kLeastSquares;
    solve.statistics_fingerprint = "be";
    solve.relative_ridge = 1e-5;
    solve.lambda = kLambda;
    patch.edit.solves.push_back(solve);
  }
  patch.passed = true;
  return patch;
}

double error_of(const Patch& found, const Patch& wanted) {
  double worst = 0;
  for (std::size_t l = 0; l < kLayers.size(); ++l) {
    const at::Tensor plain = wanted.edit.changes.at(l).delta(at::TensorOptions(at::kDouble));
    const at::Tensor other = found.edit.changes.at(l).delta(at::TensorOptions(at::kDouble));
    worst = std::max(worst, ((other - plain).norm() / plain.norm()).item<double>());
  }
  return worst;
}

}  // namespace
}  // namespace emend

int main(int argc, char** argv) {
  using namespace emend;
  const c10::NoGradGuard no_grad;
  const std::int64_t facts = argc > 1 ? std::atoll(argv[1]) : 10000;
  const fs::path file =
      (argc > 2 ? fs::path(argv[2]) : fs::temp_directory_path()) / "emend-patch-bench.safetensors";
  SilentProgress silent;
  Model model = Model::load(std::string(EMEND_TEST_DATA) + "/world/llama", {}, silent);
  const Made made = make_facts(model.config(), facts);
  const Patch whole = patch_of(made, 0, facts);
  const std::vector<Patch> halves = {patch_of(made, 0, facts / 2), patch_of(made, facts / 2, facts)};
  nlohmann::json result = {
      {"facts", facts}, {"d_ff", model.config().d_ff}, {"d_model", model.config().d_model}};
  const auto timed = [&](const char* name, const std::function<void()>& work) {
    const bench::Seconds seconds = bench::seconds_of(work);
    result[name] = {{"wall", seconds.wall}, {"processor", seconds.processor}};
  };
  timed("save", [&] { save_patch(whole, file); });
  result["bytes"] = fs::file_size(file);
  timed("load", [&] { load_patch(file); });
  fs::remove(file);
  Patch dropped, merged;
  const std::string last = whole.edit.facts.back().request.id;
  timed("drop", [&] { dropped = drop_fact(whole, last, made.moments); });
  result["drop_error"] = error_of(dropped, patch_of(made, 0, facts - 1));
  timed("key_conflicts", [&] { key_conflicts(halves, kSameKey); });
  timed("merge", [&] { merged = merge_patches(halves, {"first", "second"}, made.moments); });
  result["merge_error"] = error_of(merged, whole);
  timed("diff", [&] { diff_patches(whole, merged); });
  timed("scope", [&] { const ScopedEdit scope(model, whole.edit.changes); });
  std::cout << result.dump(2) << "\n";
}
