// Bulk edits at real shapes with random weights: seconds a value, seconds of the insertion, and seconds that
// the factors or projectors of C take once.
//
//   bulk_bench SHAPE METHOD FIRST-LAST FACTS [DEVICE] [DTYPE] [STEPS] [REPEATS] [TRACE.json]
//
// METHOD by its published constants (preset: paper; alphaedit with the threshold below which 80 % of the
// directions of the first layer lie, since its own does not fit C of random weights), every step of the
// search forced. `value`: the search of all facts over their number. `insertion`: everything else of the edit
// (keys of each layer read again on the model as it is written so far, solves, norms), with the factors of C
// at hand. `factors`: what the first edit takes longer; `projector` of alphaedit: that of the first layer's C
// on the device, by eigenvectors and by the sign of a matrix, with their difference (projector_ways.h).
// Prints one JSON object; medians of the repeats. TRACE.json receives the profile of one more edit for a
// trace viewer.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/stage_clock.h"
#include "bench/profile.h"
#include "bench/projector_ways.h"
#include "bench/random_statistics.h"
#include "bench/real_shapes.h"
#include "bench/stopwatch.h"
#include "bench/world_requests.h"
#include "emend/editor.h"
#include "model/device_memory.h"

using namespace emend;
using bench::median;

namespace {

std::vector<int> layers_between(const std::string& range) {
  const int first = std::atoi(range.c_str());
  const std::size_t dash = range.find('-');
  const int last = dash == std::string::npos ? first : std::atoi(range.c_str() + dash + 1);
  std::vector<int> layers;
  for (int layer = first; layer <= last; ++layer) layers.push_back(layer);
  return layers;
}

// Tells on stderr when each remark came: where the time of an insertion goes.
class NoteClock : public SilentProgress {
 public:
  void note(std::string_view text) override {
    const std::chrono::duration<double> since = std::chrono::steady_clock::now() - began_;
    std::fprintf(stderr, "%7.3f s  %.*s\n", since.count(), static_cast<int>(text.size()), text.data());
  }

 private:
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

struct Parts {
  double search = 0, rest = 0;
};

Parts seconds_of_edit(const Editor& editor, const Model& model, const std::vector<EditRequest>& requests,
                      const EditorContext& context) {
  NoteClock notes;
  StageClock clock(notes);
  editor.edit(model, requests, context, clock);
  bench::finish(model.options().device());
  const double rest = clock.other_seconds();
  std::fprintf(stderr, "search %.3f s, the rest %.3f s\n", clock.search_seconds(), rest);
  return {clock.search_seconds(), rest};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr,
                 "usage: bulk_bench SHAPE METHOD FIRST-LAST FACTS [DEVICE] [DTYPE] [STEPS] [REPEATS]\n");
    return argc == 1 ? 0 : 2;  // scripts/bench.sh runs all programs without arguments
  }
  const std::string shape = argv[1], method = argv[2];
  const std::vector<int> layers = layers_between(argv[3]);
  const auto facts = static_cast<std::size_t>(std::atoi(argv[4]));
  ModelOptions where;
  if (argc > 5) where.device = Placement::parse(argv[5]);
  if (argc > 6) where.dtype = parse_compute_type(argv[6]);
  const std::string steps = argc > 7 ? argv[7] : "25";
  const int repeats = argc > 8 ? std::atoi(argv[8]) : 3;

  const Model model = Model::make_random(bench::shape_named(shape), 1, where, bench::world_tokenizer());
  const std::vector<EditRequest> requests = bench::requests_of_ten_tokens(model.tokenizer(), facts);
  const Statistics statistics = bench::random_statistics(model, layers);
  const bench::DeviceMemory loaded = bench::device_memory(model.options().device());

  EditorCache cache;
  EditorContext context;
  context.layers = layers;
  context.prefix = {model.tokenizer().bos().value_or(0)};
  context.statistics = &statistics;
  context.cache = &cache;
  context.keep_going = true;
  context.token_budget = default_token_budget(model.options().device());
  std::map<std::string, OptionText> options = {
      {"preset", {"paper", ""}}, {"steps", {steps, ""}}, {"stop_probability", {"1", ""}}};
  bench::ProjectorWays ways;
  if (method == "alphaedit") {  // the threshold that C of random weights needs
    const at::Tensor& C = statistics.layers.at(layers.front()).C;
    ways = bench::both_projectors(C.to(model.options().device(), at::kDouble), 0.8, repeats);
    options["threshold"] = {fmt::format("{:.17g}", ways.threshold), ""};
  }
  const auto editor = make_editor(method, options);

  const Parts first = seconds_of_edit(*editor, model, requests, context);
  bench::device_memory(model.options().device());
  std::vector<double> search, rest;
  for (int i = 0; i < repeats; ++i) {
    const Parts parts = seconds_of_edit(*editor, model, requests, context);
    search.push_back(parts.search);
    rest.push_back(parts.rest);
  }
  const bench::DeviceMemory used = bench::device_memory(model.options().device());
  if (argc > 9) bench::profile(argv[9], [&] { seconds_of_edit(*editor, model, requests, context); });
  const nlohmann::json result = {{"shape", shape},
                                 {"method", method},
                                 {"layers", layers},
                                 {"facts", requests.size()},
                                 {"device", where.device.text()},
                                 {"dtype", to_string(where.dtype)},
                                 {"steps", std::atoi(steps.c_str())},
                                 {"value_seconds", median(search) / static_cast<double>(requests.size())},
                                 {"insertion_seconds", median(rest)},
                                 {"factors_seconds", std::max(0.0, first.rest - median(rest))},
                                 {"factors_seconds_a_layer", std::max(0.0, first.rest - median(rest)) /
                                                                 static_cast<double>(layers.size())},
                                 {"projector", ways.seconds},
                                 {"weights_bytes", model.bytes()},
                                 {"resident_bytes", loaded.now},
                                 {"peak_bytes", used.peak}};
  std::printf("%s\n", result.dump(2).c_str());
  return 0;
}
