// Statistics from text that the model writes itself, beside the plain way in the same run: 64 texts side by
// side, every operation divided among all threads, 10 d_ff tokens.
//
//   own_text_bench MODEL [LAYER] [SHARE] [REPEATS]
//
// MODEL: a checkpoint, or one of real_shapes.h with random weights. SHARE of the tokens is collected both
// ways in turn (default 1: all). Prints one JSON object: wall-clock and processor seconds of both ways as
// medians, their ratios, and what the plan had said.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "analysis/key_sums.h"
#include "analysis/own_text.h"
#include "bench/real_shapes.h"
#include "bench/stopwatch.h"
#include "emend/statistics_run.h"
#include "model/batches.h"
#include "model/sampling.h"

using namespace emend;
using bench::median;
using bench::Seconds;
using bench::seconds_of;

namespace {

// The plain way; texts do not end.
void collect_plainly(const Model& model, int layer, std::int64_t tokens) {
  constexpr std::int64_t kRows = 64, kLongest = 256, kPortion = 1024;
  KeySums sums({layer}, model.config().d_ff);
  std::vector<at::Tensor> waiting;
  std::int64_t waits = 0;
  const auto add = [&] {
    if (waits > 0) sums.add(0, 0, at::cat(waiting, 0), [](std::int64_t) { return std::string("the text"); });
    waiting.clear();
    waits = 0;
  };
  KvCache cache(model.config(), 0, kRows, kLongest, model.options());
  PassInput input;
  input.ids.assign(kRows, {start_token(model, {})});
  input.cache = &cache;
  input.append = true;
  input.logit_tokens = last_tokens(input.ids);
  input.recordings = {{Site::kKey, layer, {}}};
  std::vector<std::uint64_t> streams(kRows), drawn(kRows, 0);
  for (std::size_t row = 0; row < streams.size(); ++row) streams[row] = row;
  for (std::int64_t done = 0; done < tokens + kRows; done += kRows) {
    if (cache.lengths.front() == kLongest) cache.lengths.assign(kRows, 0);
    const PassOutput seen = model.forward(input);
    waiting.push_back(seen.recorded.front());
    waits += kRows;
    if (waits >= kPortion) add();
    const auto next = draw_tokens(seen.logits, streams, drawn, {.temperature = 1, .top_k = 0, .seed = 0});
    for (std::size_t row = 0; row < next.size(); ++row) {
      input.ids[row] = {next[row]};
      ++drawn[row];
    }
  }
  add();
}

}  // namespace

int main(int argc, char** argv) {
  const c10::NoGradGuard no_grad;
  if (argc < 2) {
    std::puts("own_text_bench MODEL [LAYER] [SHARE] [REPEATS]");
    return 2;
  }
  const std::string path = argv[1];
  SilentProgress silent;
  const Model model = bench::is_shape(path) ? Model::make_random(bench::shape_named(path), 1, {})
                                            : Model::load(path, {}, silent);
  const int layer = argc > 2 ? std::atoi(argv[2]) : 4, repeats = argc > 4 ? std::atoi(argv[4]) : 1;
  const double share = argc > 3 ? std::atof(argv[3]) : 1;
  const auto share_of = [&](std::int64_t times) {
    return static_cast<std::int64_t>(share * static_cast<double>(times * model.config().d_ff));
  };
  StatisticsOptions options;
  options.layers = {layer};
  options.tokens = share_of(kOwnTextKeys);
  collect_plainly(model, layer, 64);  // warm
  std::vector<double> plain_wall, plain_processor, wall, processor, ratio, processor_ratio;
  double planned = 0;
  for (int i = 0; i < repeats; ++i) {
    const Seconds before = seconds_of([&] { collect_plainly(model, layer, share_of(10)); });
    Seconds now;
    now += seconds_of([&] {
      const StatisticsRun run(model, options);  // its held text and trial included
      planned = run.plan().seconds;
      run.collect();
    });
    plain_wall.push_back(before.wall);
    plain_processor.push_back(before.processor);
    wall.push_back(now.wall);
    processor.push_back(now.processor);
    ratio.push_back(before.wall / now.wall);
    processor_ratio.push_back(before.processor / now.processor);
  }
  const nlohmann::json result = {{"model", path},
                                 {"layer", layer},
                                 {"plain_tokens", share_of(10)},
                                 {"plain_seconds", median(plain_wall)},
                                 {"plain_processor_seconds", median(plain_processor)},
                                 {"tokens", options.tokens},
                                 {"seconds", median(wall)},
                                 {"processor_seconds", median(processor)},
                                 {"planned_seconds", planned},
                                 {"ratio", median(ratio)},
                                 {"processor_ratio", median(processor_ratio)}};
  std::printf("%s\n", result.dump(2).c_str());
  return 0;
}
