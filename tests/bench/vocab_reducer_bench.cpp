// Rows against a whole vocabulary: the fused reducer beside the bare product on the same shapes.
//
//   vocab_reducer_bench [ROWS] [WIDTH] [VOCABULARY] [KEEP] [REPEATS]
//   vocab_reducer_bench MODEL [KEEP] [PROMPT]
//
// Without arguments the values of one layer of SmolLM2-135M, 1536 x 576 against 49,152 tokens, 50 kept at
// each end, one target a row; of a model all its values, and the explanation of a prompt. Prints, as medians
// of the repeats: GFLOP/s of at::mm into a table of all logits, the same of the reducer, their ratio, and
// that of the processor times. One JSON object.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/stage_clock.h"
#include "bench/stopwatch.h"
#include "emend/memory_explain.h"
#include "emend/memory_values.h"
#include "memories/vocab_reducer.h"

using namespace emend;

namespace {

std::int64_t argument(int argc, char** argv, int index, std::int64_t otherwise) {
  return argc > index ? std::atoll(argv[index]) : otherwise;
}

// All values of a model, and with a prompt why the model goes on as it does: seconds, and memory beyond the
// weights.
int measure_model(const std::string& path, int keep, const std::string& prompt) {
  const Model model = Model::load(path);
  const std::int64_t loaded = peak_memory_bytes();
  ValueOptions options;
  options.top = keep;
  ValuesOutcome values;
  const bench::Seconds taken = bench::seconds_of([&] { values = run_values(model, options, no_progress()); });
  nlohmann::ordered_json result = {{"model", path},
                                   {"cells", values.cells},
                                   {"vocabulary", values.vocabulary},
                                   {"keep", keep},
                                   {"threads", at::get_num_threads()},
                                   {"seconds", taken.wall},
                                   {"processor_seconds", taken.processor},
                                   {"bytes_beyond_loading", peak_memory_bytes() - loaded}};
  if (!prompt.empty()) {
    ExplainOutcome why;
    result["explain_processor_seconds"] =
        bench::seconds_of([&] { why = run_explain(model, {.prompt = prompt}, no_progress()); }).processor;
    result["explain_seconds"] = why.seconds;
    result["token"] = why.token.text;
  }
  std::printf("%s\n", result.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::filesystem::exists(argv[1]))
    return measure_model(argv[1], static_cast<int>(argument(argc, argv, 2, 50)), argc > 3 ? argv[3] : "");
  const std::int64_t rows = argument(argc, argv, 1, 1536), width = argument(argc, argv, 2, 576),
                     vocabulary = argument(argc, argv, 3, 49'152), keep = argument(argc, argv, 4, 50),
                     repeats = argument(argc, argv, 5, 5);
  at::manual_seed(1);
  VocabularyTask task;
  task.rows = at::randn({rows, width});
  task.table = at::randn({vocabulary, width}) * 0.1;
  task.targets = at::randint(vocabulary, {rows, 1}, at::kLong);
  task.keep = keep;
  at::Tensor all = at::empty({rows, vocabulary});
  std::vector<double> product, reduced, product_work, reduced_work;
  for (std::int64_t i = 0; i < repeats; ++i) {
    const bench::Seconds plain = bench::seconds_of([&] { at::mm_out(all, task.rows, task.table.t()); });
    const bench::Seconds fused = bench::seconds_of([&] { reduce_vocabulary(task); });
    product.push_back(plain.wall);
    reduced.push_back(fused.wall);
    product_work.push_back(plain.processor);
    reduced_work.push_back(fused.processor);
  }
  const double work =
      2.0 * static_cast<double>(rows) * static_cast<double>(width) * static_cast<double>(vocabulary) / 1e9;
  const double mm = bench::median(product), fused = bench::median(reduced);
  const nlohmann::ordered_json result = {
      {"rows", rows},
      {"width", width},
      {"vocabulary", vocabulary},
      {"keep", keep},
      {"threads", at::get_num_threads()},
      {"product_gflops", work / mm},
      {"reducer_gflops", work / fused},
      {"ratio", mm / fused},
      {"processor_ratio", bench::median(product_work) / bench::median(reduced_work)}};
  std::printf("%s\n", result.dump(2).c_str());
  return 0;
}
