// The evaluation part of a benchmark run, edits ready: probability metrics of many records, each on an edited
// model of its own.
//
//   eval_bench [MODEL DATA [N [LAYER [DATASET [DEVICE [DTYPE [TRACE.json]]]]]]]     without arguments: both
//   models of the invented world
//
// MODEL: a checkpoint, or random weights of a shape of real_shapes.h with the invented world's tokenizer.
// Prints one JSON object a model. emend's way (blocks up to the edited one's keys once, edits as overlays in
// one batch, prompts that begin alike and the answers of a prompt share their tokens) against the plain way
// of the reference programs (weights really rewritten, one record after the other, each prompt and answer a
// row of its own through all blocks), both before and after the edit. The plain way is timed twice: with
// logits at the answers' positions only, and at all positions as `transformers` gives them. Medians of three.
// TRACE.json receives the profile of emend's way, for a trace viewer.
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>

#include "bench/profile.h"
#include "bench/real_shapes.h"
#include "bench/stopwatch.h"
#include "emend/editor.h"
#include "emend/locate.h"
#include "eval/measure.h"
#include "eval/metric.h"
#include "measure/answer_engine.h"
#include "model/device_memory.h"
#include "support/eval_world.h"

using namespace emend;
using bench::Seconds;

namespace {

constexpr auto kBatch = static_cast<std::size_t>(kTogether);  // as in a run

Seconds median_seconds(const std::function<void()>& work) {
  std::vector<double> wall, processor;
  for (int i = 0; i < 3; ++i) {
    const Seconds spent = bench::seconds_of(work);
    wall.push_back(spent.wall);
    processor.push_back(spent.processor);
  }
  return {bench::median(wall), bench::median(processor)};
}

struct Bench {
  Model model;
  RowForm form;
  int layer;
  std::vector<Questions> questions;
  std::vector<std::vector<WeightChange>> edits;

  // Sum of all nll, before and after: both ways must give the same.
  double overlaid() const {
    double total = 0;
    for (std::size_t begin = 0; begin < questions.size(); begin += kBatch) {
      const std::size_t end = std::min(questions.size(), begin + kBatch);
      const auto part = [&](const auto& all) {
        return std::decay_t<decltype(all)>(all.begin() + static_cast<std::ptrdiff_t>(begin),
                                           all.begin() + static_cast<std::ptrdiff_t>(end));
      };
      std::vector<std::int64_t> own;
      for (std::size_t i = begin; i < end; ++i) own.push_back(static_cast<std::int64_t>(i - begin));
      AnswerOptions options;
      options.first_edited_block = layer;
      options.token_budget = default_token_budget(model.options().device());
      options.records = static_cast<std::int64_t>(end - begin);
      const AnswerEngine engine(model, question_sheet(model.tokenizer(), part(questions), form, 0), options);
      const auto now = part(edits);
      for (const auto& answers : engine.answer({{&now, own}}))
        for (const Answers& record : answers)
          for (const auto& [question, score] : record.scores) total += score.nll;
    }
    return total;
  }

  double plain(bool all_logits) {
    double total = 0;
    for (std::size_t r = 0; r < questions.size(); ++r) {
      total += plain_record(questions[r], all_logits);
      const ScopedEdit written(model, edits[r]);
      total += plain_record(questions[r], all_logits);
    }
    return total;
  }

  double plain_record(const Questions& asked, bool all_logits) const {
    PassInput input;
    std::vector<std::int64_t> ids, at_logit;
    std::vector<std::size_t> lengths;
    std::int64_t packed = 0;
    for (const auto& [prompt, answer] : asked.scored) {
      TokenIds row = prompt_ids(model.tokenizer(), prompt, form);
      const TokenIds target = target_ids(model.tokenizer(), answer, form);
      const auto begin = static_cast<std::int64_t>(row.size());
      row.insert(row.end(), target.begin(), target.end());
      for (std::size_t j = 0; j < target.size(); ++j) {
        const std::int64_t token = packed + begin - 1 + static_cast<std::int64_t>(j);
        at_logit.push_back(all_logits ? token : static_cast<std::int64_t>(at_logit.size()));
        if (!all_logits) input.logit_tokens.push_back(token);
        ids.push_back(target[j]);
      }
      lengths.push_back(target.size());
      packed += static_cast<std::int64_t>(row.size());
      input.ids.push_back(std::move(row));
    }
    if (all_logits)
      for (std::int64_t t = 0; t < packed; ++t) input.logit_tokens.push_back(t);
    const at::Tensor logprobs = at::log_softmax(model.forward(input).logits, 1);
    double total = 0;
    std::size_t at = 0;
    for (const std::size_t length : lengths) {
      double nll = 0;
      for (std::size_t j = 0; j < length; ++j, ++at) nll -= logprobs[at_logit[at]][ids[at]].item<double>();
      total += nll / static_cast<double>(length);
    }
    return total;
  }
};

void measure(const std::string& path, const std::string& data, std::size_t count, int layer,
             const std::string& dataset, const ModelOptions& where, const std::string& trace = "") {
  const c10::NoGradGuard no_grad;
  SilentProgress silent;
  Bench bench{bench::is_shape(path)
                  ? Model::make_random(bench::shape_named(path), 1, where, bench::world_tokenizer())
                  : Model::load(path, where, silent),
              {},
              layer,
              {},
              {}};
  bench.form.prefix = bench.model.tokenizer().automatic_prefix();
  if (layer < 0) bench.layer = default_layer(bench.model.config());
  auto records = read_dataset(dataset, data).records;
  records.resize(std::min(records.size(), count));
  const auto metric = make_rewrite_metric();
  std::size_t rows = 0;
  for (std::size_t r = 0; r < records.size(); ++r) {
    bench.questions.emplace_back();
    metric->ask(records[r], bench.questions.back());
    bench.questions.back().completed.clear();  // probabilities only
    rows += bench.questions.back().scored.size();
    bench.edits.push_back(test::formula_change(bench.model, bench.layer, static_cast<std::int64_t>(r), 0.5));
  }
  double ours = 0, plain = 0, plain_all = 0;
  if (!trace.empty()) {
    bench.overlaid();
    bench::profile(trace, [&] { bench.overlaid(); });
  }
  const Seconds t_ours = median_seconds([&] { ours = bench.overlaid(); });
  const Seconds t_plain = median_seconds([&] { plain = bench.plain(false); });
  const Seconds t_all = median_seconds([&] { plain_all = bench.plain(true); });
  const auto figures = [&](const Seconds& seconds) {
    return nlohmann::json{{"seconds", seconds.wall},
                          {"ratio", seconds.wall / t_ours.wall},
                          {"processor_seconds", seconds.processor},
                          {"processor_ratio", seconds.processor / t_ours.processor},
                          {"records_a_minute", 60.0 * static_cast<double>(records.size()) / seconds.wall}};
  };
  const nlohmann::json result = {
      {"model", path},
      {"device", where.device.text()},
      {"dtype", to_string(where.dtype)},
      {"records", records.size()},
      {"prompts_with_answers", rows},
      {"layer", bench.layer},
      {"threads", at::get_num_threads()},
      {"overlays", figures(t_ours)},
      {"plain", figures(t_plain)},
      {"plain_all_logits", figures(t_all)},
      {"nll_difference", std::abs(ours - plain) / (2.0 * rows)},
      {"device_peak_bytes", bench::device_memory(bench.model.options().device()).peak}};
  std::printf("%s\n", result.dump(2).c_str());
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc == 2) {
    std::fprintf(stderr,
                 "usage: eval_bench [MODEL DATA [N [LAYER [DATASET [DEVICE [DTYPE [TRACE.json]]]]]]]\n");
    return 2;
  }
  if (argc == 1) {
    for (const char* shape : {"gpt2", "llama"})
      measure(test::data_path(std::string("world/") + shape), test::data_path("world/edits.jsonl"), 100, -1,
              "emend", {});
    return 0;
  }
  ModelOptions where;
  if (argc > 6) where.device = Placement::parse(argv[6]);
  if (argc > 7) where.dtype = parse_compute_type(argv[7]);
  measure(argv[1], argv[2], argc > 3 ? static_cast<std::size_t>(std::atoi(argv[3])) : 100,
          argc > 4 ? std::atoi(argv[4]) : -1, argc > 5 ? argv[5] : "emend", where, argc > 8 ? argv[8] : "");
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "eval_bench: %s\n", error.what());
  return 1;
}
