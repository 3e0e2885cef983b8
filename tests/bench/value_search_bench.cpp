// The value search against the plain way, at the shape of SmolLM2-135M with random weights (no checkpoint
// needed).
//
//   value_search_bench [LAYER] [REPEATS] [DEVICE] [DTYPE]
//
// Prints medians, in one run: seconds of a step of the search (objective injected and written), of a full
// forward and backward pass over all rows with the residual added at the layer (the plain way), their ratios,
// and seconds a request for 32 requests together and for one alone.
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "base/random.h"
#include "bench/real_shapes.h"
#include "bench/stopwatch.h"
#include "editors/common/value_search.h"

using namespace emend;
using namespace emend::editors;
using bench::median;

namespace {

constexpr int kContexts = 20, kPromptTokens = 10, kLookup = 4, kSteps = 4;

// Seconds by the wall clock.
double seconds_of(const std::function<void()>& work) {
  return bench::seconds_of(work).wall;
}

TokenIds random_ids(std::uint64_t stream, int count) {
  TokenIds ids;
  for (int i = 0; i < count; ++i)
    ids.push_back(static_cast<std::int64_t>(Random(7, stream).below(static_cast<std::uint64_t>(i), 49152)));
  return ids;
}

// One request: a bare row and 20 context rows of 5 or 10 tokens and ". ", one target token, and the drift
// row.
SearchUnit make_unit(const LayerTrace& trace, std::uint64_t request, const at::Tensor& a) {
  SearchUnit unit;
  unit.a = a;
  const TokenIds prompt = random_ids(1000 + request, kPromptTokens);
  for (int c = 0; c <= kContexts; ++c) {
    SearchRow row;
    row.row.front = c;
    if (c > 0) row.row.own = {30};
    row.row.own.insert(row.row.own.end(), prompt.begin(), prompt.end());
    const auto front = static_cast<std::size_t>(trace.front_length(c));
    row.lookup = front + (c > 0 ? 1 : 0) + kLookup;
    row.label_at = {static_cast<std::int64_t>(front + row.row.own.size()) - 1};
    row.labels = {42};
    row.weight = c == 0 ? 0.3 : 0.7 / kContexts;
    row.bare = c == 0;
    unit.rows.push_back(row);
  }
  SearchRow drift;
  drift.row = {0, {prompt.begin(), prompt.begin() + kLookup + 1}};
  drift.lookup = kLookup;
  drift.drift = true;
  unit.rows.push_back(drift);
  return unit;
}

// A full forward and backward pass over all rows, logits at every row's end: what a program without caches
// does each step.
double plain_step(const Model& model, const LayerTrace& trace, const SearchUnit& unit,
                  const std::vector<TokenIds>& fronts) {
  return seconds_of([&] {
    PassInput input;
    std::vector<std::int64_t> lookups, labels;
    std::int64_t tokens = 0;
    for (const SearchRow& row : unit.rows) {
      TokenIds ids = fronts[static_cast<std::size_t>(row.row.front)];
      ids.insert(ids.end(), row.row.own.begin(), row.row.own.end());
      lookups.push_back(tokens + static_cast<std::int64_t>(row.lookup));
      tokens += static_cast<std::int64_t>(ids.size());
      input.logit_tokens.push_back(tokens - 1);
      labels.push_back(42);
      input.ids.push_back(std::move(ids));
    }
    at::Tensor r = at::zeros({1, model.config().d_model}, model.options()).set_requires_grad(true);
    input.interventions.push_back({Site::kMlpOutput, trace.layer(), Intervention::Kind::kAdd,
                                   at::tensor(lookups, at::kLong).to(model.options().device()),
                                   r.expand({static_cast<std::int64_t>(lookups.size()), -1})});
    const at::Tensor logprobs = at::log_softmax(model.forward(input).logits, 1);
    const at::Tensor loss =
        -logprobs.gather(1, at::tensor(labels, at::kLong).to(logprobs.device()).unsqueeze(1)).mean();
    torch::autograd::grad({loss}, {r})[0].norm().item<float>();  // the device has finished
  });
}

}  // namespace

int main(int argc, char** argv) {
  const int layer = argc > 1 ? std::atoi(argv[1]) : 7, repeats = argc > 2 ? std::atoi(argv[2]) : 5;
  ModelOptions where;
  if (argc > 3) where.device = Placement::parse(argv[3]);
  if (argc > 4) where.dtype = parse_compute_type(argv[4]);
  const Model model = Model::make_random(bench::smollm2_135m(), 1, where);
  std::vector<TokenIds> fronts = {{1}};
  for (int c = 0; c < kContexts; ++c) {
    fronts.push_back({1});
    const TokenIds context = random_ids(static_cast<std::uint64_t>(c), c < kContexts / 2 ? 4 : 9);
    fronts.back().insert(fronts.back().end(), context.begin(), context.end());
  }
  const LayerTrace trace(model, {layer}, fronts, 4096);
  SilentProgress silent;
  SearchOptions options;
  options.stop_probability = 1;
  const auto search_seconds = [&](std::vector<SearchUnit> units, Objective objective, int steps) {
    options.objective = objective;
    options.max_steps = steps;
    return seconds_of([&] { search_values(model, trace, units, options, silent); });
  };
  // A response that answers 1 at the lookup key and about 0 elsewhere: random keys are nearly orthogonal, so
  // the key itself serves.
  const TokenIds prompt = random_ids(1000, kPromptTokens);
  const at::Tensor key = trace.last_keys({{0, {prompt.begin(), prompt.begin() + kLookup + 1}}})[0][0];
  const at::Tensor a = key / key.square().sum();
  const SearchUnit unit = make_unit(trace, 0, a);

  std::vector<double> injected, written, plain, alone, together;
  for (int i = 0; i <= repeats; ++i) {  // the first round warms up
    const double i1 = search_seconds({unit}, Objective::kInjected, 1),
                 in = search_seconds({unit}, Objective::kInjected, 1 + kSteps);
    const double w1 = search_seconds({unit}, Objective::kWritten, 1),
                 wn = search_seconds({unit}, Objective::kWritten, 1 + kSteps);
    const double p = plain_step(model, trace, unit, fronts);
    if (i == 0) continue;
    injected.push_back((in - i1) / kSteps);
    written.push_back((wn - w1) / kSteps);
    plain.push_back(p);
    alone.push_back(in);
  }
  std::vector<SearchUnit> many;
  for (std::uint64_t request = 0; request < 32; ++request) many.push_back(make_unit(trace, request, a));
  together.push_back(search_seconds(many, Objective::kInjected, 1 + kSteps) / 32);

  std::printf("layer %d of %d, %d rows of %d prompt tokens, %s on %s, medians of %d\n", layer,
              model.config().layers, kContexts + 1, kPromptTokens, to_string(where.dtype).c_str(),
              where.device.text().c_str(), repeats);
  std::printf("a step, injected        %8.3f s\n", median(injected));
  std::printf("a step, written         %8.3f s\n", median(written));
  std::printf("full forward + backward %8.3f s\n", median(plain));
  std::printf("ratio, injected         %8.2f\n", median(plain) / median(injected));
  std::printf("ratio, written          %8.2f\n", median(plain) / median(written));
  std::printf("a search of %d steps: alone %.3f s, 32 together %.3f s a request, ratio %.2f\n", kSteps + 1,
              median(alone), median(together), median(alone) / median(together));
  return 0;
}
