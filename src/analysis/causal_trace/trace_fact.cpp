// One fact from prompt to grids.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "analysis/causal_trace/attribution.h"
#include "analysis/causal_trace/fact_steps.h"
#include "analysis/causal_trace/knockout.h"
#include "analysis/causal_trace/noise.h"
#include "analysis/causal_trace/restored_runs.h"
#include "analysis/causal_trace/trace_runs.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/generate.h"

namespace emend::trace {

namespace {

using Mask = std::vector<std::vector<bool>>;

int knockout_window(const TraceOptions& options, int layers) {
  if (options.knockout_window > 0) return options.knockout_window;
  const int window = options.window > 0 ? options.window : default_window(layers);
  return window % 2 == 1 ? window : window - 1 > 0 ? window - 1 : 1;
}

// A grid of one kind under way.
struct GridTask {
  Site site = Site::kBlockOutput;
  Grid* scores = nullptr;
  Mask* exact = nullptr;
  std::optional<GridEstimate>* estimate = nullptr;
  Grid first_order;  // effects; empty: not estimated
};

class FactTracer {
 public:
  FactTracer(const Model& model, const TraceOptions& options, const TraceRuns& runs,
             const std::function<void()>& step, FactTrace& trace)
      : model_(model),
        options_(options),
        runs_(runs),
        step_(step),
        trace_(trace),
        layers_(model.config().layers),
        window_(options.window > 0 ? options.window : default_window(layers_)) {}

  void run() {
    std::vector<GridTask> tasks;
    if (options_.block_grid)
      tasks.push_back({Site::kBlockOutput, &trace_.block, &trace_.block_exact, &trace_.block_estimate, {}});
    if (options_.window_grids) {
      tasks.push_back({Site::kMlpOutput, &trace_.mlp, &trace_.mlp_exact, &trace_.mlp_estimate, {}});
      tasks.push_back({Site::kAttentionOutput,
                       &trace_.attention,
                       &trace_.attention_exact,
                       &trace_.attention_estimate,
                       {}});
    }
    if ((options_.exact_share < 1 || options_.estimates) && !tasks.empty()) {
      const Attribution effects = attribute(model_, runs_);
      for (GridTask& task : tasks)
        task.first_order =
            task.site == Site::kBlockOutput
                ? effects.block
                : window_sums(task.site == Site::kMlpOutput ? effects.mlp : effects.attention, window_);
    }
    const c10::NoGradGuard no_grad;
    for (GridTask& task : tasks) fill(task);
    if (options_.severed) {
      trace_.severed_mlp = severed(Site::kMlpOutput);
      trace_.severed_attention = severed(Site::kAttentionOutput);
    }
    if (options_.knockout) knock_out();
  }

 private:
  bool wants_row(std::int64_t t) const { return !options_.subject_last_only || t == trace_.lookup(); }

  // Known without a run: before the subject nothing differs; the last block's state matters only where the
  // answer is read.
  std::optional<double> known(Site site, std::int64_t t, int l) const {
    if (t < runs_.row.subject_begin) return trace_.low;
    if (site != Site::kBlockOutput || l != layers_ - 1) return std::nullopt;
    if (t < runs_.row.prompt - 1) return trace_.low;
    return runs_.row.answer_tokens() == 1 ? std::optional(trace_.high) : std::nullopt;
  }

  Cell cell(Site site, int l) const {
    if (site == Site::kBlockOutput) return {l + 1, true, 0};
    const LayerRange window = window_around(l, window_, layers_);
    return {window.begin, false, window.end};
  }

  Mask chosen(const GridTask& task) const {
    const auto tokens = static_cast<std::size_t>(runs_.row.prompt);
    Mask mask(tokens, std::vector<bool>(static_cast<std::size_t>(layers_), true));
    if (options_.exact_share >= 1) return mask;
    std::vector<double> effects;
    for (std::int64_t t = runs_.row.subject_begin; t < runs_.row.prompt; ++t)
      for (int l = 0; l < layers_; ++l) effects.push_back(std::abs(task.first_order[t][l]));
    const auto keep =
        static_cast<std::size_t>(std::ceil(options_.exact_share * static_cast<double>(effects.size())));
    std::nth_element(effects.begin(), effects.begin() + static_cast<std::ptrdiff_t>(keep) - 1, effects.end(),
                     std::greater<>());
    const double least = effects[keep - 1];
    for (std::size_t t = 0; t < tokens; ++t) {
      const auto token = static_cast<std::int64_t>(t);
      if (token == trace_.lookup() || token == runs_.row.prompt - 1) continue;
      for (std::size_t l = 0; l < mask[t].size(); ++l) mask[t][l] = std::abs(task.first_order[t][l]) >= least;
    }
    return mask;
  }

  // The cells that were run, and those whose value follows without a run.
  Mask with_known(Mask mask, Site site) const {
    for (std::size_t t = 0; t < mask.size(); ++t)
      for (std::size_t l = 0; l < mask[t].size(); ++l)
        if (known(site, static_cast<std::int64_t>(t), static_cast<int>(l))) mask[t][l] = true;
    return mask;
  }

  void fill(GridTask& task) {
    const Mask mask = chosen(task);
    task.scores->assign(mask.size(), {});
    for (std::int64_t t = 0; t < runs_.row.prompt; ++t)
      if (wants_row(t)) {
        (*task.scores)[t] = row(task, mask[t], t);
        step_();
      }
    if (options_.exact_share < 1) *task.exact = with_known(mask, task.site);
    if (!task.first_order.empty()) *task.estimate = compare(task, mask);
  }

  std::vector<double> row(const GridTask& task, const std::vector<bool>& mask, std::int64_t t) const {
    std::vector<double> scores(static_cast<std::size_t>(layers_));
    std::vector<Cell> cells;
    std::vector<std::size_t> places;
    for (int l = 0; l < layers_; ++l) {
      const auto place = static_cast<std::size_t>(l);
      if (const auto value = known(task.site, t, l)) {
        scores[place] = *value;
      } else if (mask[place]) {
        cells.push_back(cell(task.site, l));
        places.push_back(place);
      } else {
        scores[place] =
            std::clamp(trace_.low + task.first_order[static_cast<std::size_t>(t)][place], 0.0, 1.0);
      }
    }
    const std::vector<double> found =
        run_cells(model_, runs_, cells, {t, task.site, std::nullopt, options_.token_budget});
    for (std::size_t i = 0; i < places.size(); ++i) scores[places[i]] = found[i];
    return scores;
  }

  GridEstimate compare(const GridTask& task, const Mask& mask) const {
    GridEstimate estimate;
    estimate.values = task.first_order;
    std::vector<double> guessed, exact;
    for (std::int64_t t = 0; t < runs_.row.prompt; ++t)
      for (std::size_t l = 0; l < mask[static_cast<std::size_t>(t)].size(); ++l) {
        double& value = estimate.values[static_cast<std::size_t>(t)][l];
        value += trace_.low;
        if (t < runs_.row.subject_begin || !wants_row(t)) continue;
        ++estimate.cells;
        if (!mask[static_cast<std::size_t>(t)][l]) continue;
        ++estimate.exact_cells;
        guessed.push_back(value);
        exact.push_back((*task.scores)[static_cast<std::size_t>(t)][l]);
      }
    estimate.rank_agreement = rank_correlation(guessed, exact);
    return estimate;
  }

  std::vector<double> severed(Site site) const {
    std::vector<Cell> cells;
    cells.reserve(static_cast<std::size_t>(layers_));
    for (int l = 0; l < layers_; ++l) cells.push_back(cell(Site::kBlockOutput, l));
    return run_cells(model_, runs_, cells,
                     {trace_.lookup(), Site::kBlockOutput, site, options_.token_budget});
  }

  void knock_out() {
    std::vector<std::int64_t> subject, others;
    const std::int64_t last = runs_.row.prompt - 1;
    for (std::int64_t t = 0; t < last; ++t)
      (t >= trace_.subject_begin && t < trace_.subject_end ? subject : others).push_back(t);
    const auto curves =
        run_knockouts(model_, runs_, {subject, others, {last}}, knockout_window(options_, layers_));
    // Where there is no such token there is no effect to speak of, not one of 0.
    if (!subject.empty()) trace_.knockout_subject = curves[0];
    if (!others.empty()) trace_.knockout_others = curves[1];
    trace_.knockout_last = curves[2];
  }

  const Model& model_;
  const TraceOptions& options_;
  const TraceRuns& runs_;
  const std::function<void()>& step_;
  FactTrace& trace_;
  int layers_;
  int window_;
};

}  // namespace

FactTrace trace_fact_in_steps(const Model& model, const TraceFact& fact, const TraceOptions& options,
                              double sigma, const std::vector<std::int64_t>& others, std::uint64_t number,
                              const std::function<void()>& step) {
  check_trace_options(options, model.config());
  const c10::NoGradGuard no_grad;
  const Tokenizer& tokenizer = model.tokenizer();
  TracedPrompt row = prompt_row(model, fact, options);
  row = with_answer(row, answer_ids(model, fact, options, row));
  const at::Tensor subject = corrupted_embeddings(model, row.subject(), options.noise, options.samples, sigma,
                                                  others, {options.seed, number});
  const TraceRuns runs = run_clean_and_corrupted(model, row, subject);

  FactTrace trace;
  trace.id = fact.id;
  trace.prompt = fact.prompt;
  trace.subject = fact.subject;
  trace.answer = answer_text(tokenizer, row.answer);
  trace.said = answer_text(tokenizer, runs.greedy);
  trace.correct = fact.answer.empty() || runs.greedy == row.answer;
  trace.ids.assign(row.ids.begin(), row.ids.begin() + row.prompt);
  for (const std::int64_t id : trace.ids) trace.tokens.push_back(token_text(tokenizer, id));
  trace.subject_begin = row.subject_begin;
  trace.subject_end = row.subject_end;
  trace.high = runs.high;
  if (!(runs.high > 0))
    throw Error(ErrorKind::kConfig, fmt::format("fact {}: the model gives the answer {} the probability 0, "
                                                "so there is nothing that restoring could bring back",
                                                fact.id, quote(trace.answer)));
  trace.low = runs.mean_low();
  FactTracer(model, options, runs, step, trace).run();
  return trace;
}

}  // namespace emend::trace

namespace emend {

int default_window(int layers) {
  return std::max(1, static_cast<int>(std::lround(layers * 10 / 48.0)));
}

LayerRange window_around(int layer, int width, int layers) {
  return {std::max(0, layer - width / 2), std::min(layers, layer - width / 2 + width)};
}

void check_trace_values(const TraceOptions& options) {
  const auto refuse = [](const std::string& what) { throw Error(ErrorKind::kUsage, what); };
  if (options.token_budget < 1)
    refuse(fmt::format("the token budget must be at least 1, found {}", options.token_budget));
  if (options.samples < 1)
    refuse(fmt::format("the option samples must be at least 1, found {}", options.samples));
  for (const auto& [name, width] : {std::pair("the option window", options.window),
                                    std::pair("the option knockout-window", options.knockout_window)})
    if (width < 0) refuse(fmt::format("{} must be at least 0, found {}", name, width));
  if (!(options.exact_share > 0 && options.exact_share <= 1))
    refuse(fmt::format("the option fast must be above 0 and at most 1, found {:f}", options.exact_share));
}

void check_trace_options(const TraceOptions& options, const ModelConfig& config) {
  check_trace_values(options);
  for (const auto& [name, width] :
       {std::pair("window", options.window), std::pair("knockout window", options.knockout_window)})
    if (width > config.layers)
      throw Error(ErrorKind::kConfig, fmt::format("a {} of {} layers does not fit the model, which has {}",
                                                  name, width, config.layers));
  if (!(options.noise.level > 0))
    throw Error(ErrorKind::kConfig,
                fmt::format("the noise level must be above 0, found {:f}", options.noise.level));
  if (options.noise.numpy && options.noise.kind != TraceNoise::Kind::kNormal &&
      options.noise.kind != TraceNoise::Kind::kUniform)
    throw Error(ErrorKind::kConfig, "NumPy's draws are for normal and uniform noise only");
}

FactTrace trace_fact(const Model& model, const TraceFact& fact, const TraceOptions& options, double sigma,
                     const std::vector<std::int64_t>& others, std::uint64_t number) {
  return trace::trace_fact_in_steps(model, fact, options, sigma, others, number, [] {});
}

}  // namespace emend
