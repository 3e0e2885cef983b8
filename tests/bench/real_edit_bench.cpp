// ROME at real shapes with random weights: seconds an edit, alone and many together, with every step forced.
//
//   real_edit_bench SHAPE LAYER STEPS [DEVICE] [DTYPE] [TOGETHER] [REPEATS] [TRACE.json]
//
// 21 rows a request (the bare prompt and 20 sampled contexts), prompts of about 10 tokens, C from the model's
// own keys over random ids, its factor made once and kept. Prints one JSON object: medians in seconds, the
// arithmetic floor (4 floating point operations a parameter above the layer and a moving token,
// a step), peak memory of the device. TRACE.json receives the profile of one edit alone (objective injected)
// for a trace viewer.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/profile.h"
#include "bench/random_statistics.h"
#include "bench/real_shapes.h"
#include "bench/stopwatch.h"
#include "bench/world_requests.h"
#include "emend/editor.h"

using namespace emend;
using bench::median;

namespace {

// Seconds by the wall clock.
double seconds_of(const std::function<void()>& work) {
  return bench::seconds_of(work).wall;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: real_edit_bench SHAPE LAYER STEPS [DEVICE] [DTYPE] [TOGETHER] [REPEATS]\n");
    return argc == 1 ? 0 : 2;  // scripts/bench.sh runs all programs without arguments
  }
  const std::string shape = argv[1];
  const int layer = std::atoi(argv[2]), steps = std::atoi(argv[3]);
  ModelOptions where;
  if (argc > 4) where.device = Placement::parse(argv[4]);
  if (argc > 5) where.dtype = parse_compute_type(argv[5]);
  const auto together = static_cast<std::size_t>(argc > 6 ? std::atoi(argv[6]) : 32);
  const int repeats = argc > 7 ? std::atoi(argv[7]) : 5;

  const Model model = Model::make_random(bench::shape_named(shape), 1, where, bench::world_tokenizer());
  const std::vector<EditRequest> requests = bench::requests_of_ten_tokens(model.tokenizer(), together);
  const Statistics statistics = bench::random_statistics(model, {layer});
  const bench::DeviceMemory loaded = bench::device_memory(model.options().device());

  EditorCache cache;
  EditorContext context;
  context.layers = {layer};
  context.prefix = {model.tokenizer().bos().value_or(0)};
  context.statistics = &statistics;
  context.cache = &cache;
  context.keep_going = true;
  const auto editor_with = [&](const std::string& objective, int most_steps) {
    return make_editor("rome", {{"steps", {std::to_string(most_steps), ""}},
                                {"stop_probability", {"1", ""}},
                                {"objective", {objective, ""}}});
  };
  SilentProgress silent;
  nlohmann::json result = {{"shape", shape},
                           {"layer", layer},
                           {"steps", steps},
                           {"device", where.device.text()},
                           {"dtype", to_string(where.dtype)},
                           {"weights_bytes", model.bytes()},
                           {"resident_bytes", loaded.now}};
  for (const std::string objective : {"injected", "written"}) {
    const auto editor = editor_with(objective, steps);
    const auto one_step = editor_with(objective, 1);
    std::vector<double> alone, alone_one_step, planned, many;
    int steps_taken = 0;
    const auto one = [&](std::size_t i) {
      alone.push_back(seconds_of(
          [&] { steps_taken = editor->edit(model, {requests[i]}, context, silent).facts[0].steps; }));
    };
    result["factor_and_first_edit"] = seconds_of([&] { one(0); });
    one(0);
    alone.clear();
    if (argc > 8 && objective == "injected") bench::profile(argv[8], [&] { one(0); });
    alone.clear();
    bench::device_memory(model.options().device());
    for (int i = 0; i < repeats; ++i) {
      const std::vector<EditRequest> request = {requests[static_cast<std::size_t>(i) % requests.size()]};
      one(static_cast<std::size_t>(i) % requests.size());
      alone_one_step.push_back(seconds_of([&] { one_step->edit(model, request, context, silent); }));
      planned.push_back(seconds_of([&] { editor->plan(model, request, context); }));
    }
    const bench::DeviceMemory used = bench::device_memory(model.options().device());
    if (together > 1)
      for (int i = 0; i <= (repeats + 1) / 2; ++i)
        many.push_back(seconds_of([&] { editor->edit_each(model, requests, context, silent); }) /
                       static_cast<double>(requests.size()));
    if (many.size() > 1) many.erase(many.begin());
    const bench::DeviceMemory used_together = bench::device_memory(model.options().device());
    // Above the layer: forward and backward over the moving tokens of 21 rows; the moving part of a ten-token
    // prompt and the target is at most ten tokens a row.
    const double floor = 4 * bench::block_parameters(model.config(), layer + 1, model.config().layers) * 21 *
                         bench::kRealPromptTokens * steps;
    result[objective] = {
        {"alone_seconds", median(alone)},
        {"alone_step_seconds", steps > 1 ? (median(alone) - median(alone_one_step)) / (steps - 1) : 0},
        {"alone_plan_seconds", median(planned)},
        {"together_seconds_an_edit", many.empty() ? 0 : median(many)},
        {"together", requests.size()},
        {"steps_taken", steps_taken},
        {"floor_flop_an_edit", floor},
        {"peak_bytes_alone", used.peak},
        {"peak_bytes_together", used_together.peak}};
  }
  std::printf("%s\n", result.dump(2).c_str());
  return 0;
}
