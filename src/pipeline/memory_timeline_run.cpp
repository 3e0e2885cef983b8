// run_timeline: a trace, the stream at the last token and attention's weights, set side by side.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>

#include "analysis/causal_trace/fact_steps.h"
#include "analysis/prompt_rows.h"
#include "datasets/trace_facts.h"
#include "emend/error.h"
#include "emend/locate.h"
#include "emend/memory_timeline.h"
#include "memories/lens.h"
#include "memories/prompt_pushes.h"
#include "memories/prompt_words.h"
#include "memories/stream_sources.h"
#include "memories/token_name.h"

namespace emend {
namespace {

constexpr int kMostSamples = 10'000;

// From the first to the last layer whose effect is at least `share` of the largest, if that reaches `least`.
void find_range(const std::vector<double>& effects, double share, double least, const std::string& what,
                TimelinePhase& phase) {
  const auto best = std::max_element(effects.begin(), effects.end());
  phase.peak = static_cast<int>(best - effects.begin());
  phase.effect = *best;
  if (!(*best >= least)) {
    phase.reason = fmt::format("the largest effect, {:.3g} in layer {}, is below a tenth of {}", *best,
                               phase.peak, what);
    return;
  }
  phase.found = true;
  const auto reaches = [&](double effect) { return effect >= share * *best; };
  phase.first = static_cast<int>(std::find_if(effects.begin(), effects.end(), reaches) - effects.begin());
  phase.last = static_cast<int>(effects.rend() - std::find_if(effects.rbegin(), effects.rend(), reaches)) - 1;
}

TimelinePhase collect_phase(const std::vector<TimelineLayer>& layers, double high, double low, bool is_void,
                            double share) {
  TimelinePhase phase{.name = "collect"};
  phase.rule = fmt::format(
      "layers whose feed-forward networks, restored at the subject's last token, give back at least {:.3g} "
      "of the largest effect",
      share);
  if (is_void) {
    phase.reason =
        "the noise on the subject lowers p(answer) by less than a tenth: there is nothing to "
        "restore";
    return phase;
  }
  std::vector<double> effects;
  for (const TimelineLayer& layer : layers) effects.push_back(layer.ffn);
  find_range(effects, share, kLeastTimelineEffect * (high - low), "what the noise takes", phase);
  return phase;
}

TimelinePhase recall_phase(const std::vector<TimelineLayer>& layers, double share) {
  TimelinePhase phase{.name = "recall"};
  phase.rule = fmt::format(
      "layers where cutting the attention from the last token to the subject takes at least {:.3g} of what "
      "the worst cut takes",
      share);
  std::vector<double> effects;
  for (const TimelineLayer& layer : layers) effects.push_back(-layer.cut);
  find_range(effects, share, kLeastTimelineEffect, "p(answer)", phase);
  return phase;
}

TimelinePhase organise_phase(const std::vector<TimelineLayer>& layers, double share) {
  TimelinePhase phase{.name = "organise"};
  phase.rule = fmt::format(
      "layers from which on p(answer) at the last token stays at or above {:.3g} of what it is at the end",
      share);
  const TimelineState& end = layers.back().behind_ffn;
  if (end.rank != 0) {
    phase.reason = fmt::format("the model ends with another token: the answer has rank {}", end.rank);
    return phase;
  }
  phase.found = true;
  phase.last = static_cast<int>(layers.size()) - 1;
  phase.first = phase.last;
  while (phase.first > 0 &&
         layers[static_cast<std::size_t>(phase.first - 1)].behind_ffn.probability >= share * end.probability)
    --phase.first;
  for (const TimelineLayer& layer : layers) {
    const double added = layer.behind_ffn.probability - layer.entering.probability;
    if (added <= phase.effect) continue;
    phase.effect = added;
    phase.peak = layer.layer;
  }
  return phase;
}

class Timeline {
 public:
  Timeline(const Model& model, const TimelineOptions& options, Progress& progress)
      : model_(model), options_(options), progress_(progress) {
    fact_.id = "prompt";
    fact_.prompt = options.prompt;
    fact_.subject = options.subject;
    fact_.subject_begin =
        place_of_subject(options.prompt, options.subject, options.occurrence, "the option prompt");
    fact_.answer = options.token;
    trace_.prefix = row_prefix(model.tokenizer(), options.bos, PromptForm::kRaw);
    trace_.samples = options.samples;
    trace_.window = options.window;
    trace_.seed = options.seed;
    trace_.token_budget = options.token_budget;
    trace_.subject_last_only = true;
    check_trace_options(trace_, model.config());
    outcome_.ids = ids_of_prompt(model, options.prompt, options.bos, "the option prompt");
    outcome_.token_id = options.token.empty() ? likeliest_token(model, outcome_.ids)
                                              : first_token_of(model, options.token, "the option token");
  }

  TimelineOutcome run() {
    const FactTrace trace = traced();
    outcome_.pieces = trace.tokens;
    outcome_.subject_begin = trace.subject_begin;
    outcome_.subject_end = trace.subject_end;
    outcome_.token = token_name(model_, outcome_.token_id);
    outcome_.answer = trace.answer;
    outcome_.said = trace.said;
    outcome_.high = trace.high;
    outcome_.low = trace.low;
    outcome_.window = options_.window > 0 ? options_.window : default_window(model_.config().layers);
    outcome_.layers.resize(static_cast<std::size_t>(model_.config().layers));
    for (std::size_t l = 0; l < outcome_.layers.size(); ++l) outcome_.layers[l].layer = static_cast<int>(l);
    add_effects(trace);
    const PromptPushes pushes = run_pushes(model_, outcome_.ids, {outcome_.token_id, std::nullopt});
    const c10::NoGradGuard no_gradients;
    add_states(pushes);
    add_attention(pushes);
    outcome_.probability = outcome_.layers.back().behind_ffn.probability;
    outcome_.phases =
        timeline_phases(outcome_.layers, trace.high, trace.low, trace.is_void(), options_.share);
    outcome_.in_order = phases_in_order(outcome_.phases);
    return std::move(outcome_);
  }

 private:
  FactTrace traced() {
    progress_.begin("trace", 1, "facts");
    FactTrace trace = trace::trace_fact_in_steps(model_, fact_, trace_, noise_sigma(model_, {fact_}), {}, 0,
                                                 [&] { progress_.update(0, ""); });
    progress_.update(1, "");
    progress_.end();
    return trace;
  }

  void add_effects(const FactTrace& trace) {
    const auto at = static_cast<std::size_t>(trace.lookup());
    for (std::size_t l = 0; l < outcome_.layers.size(); ++l) {
      TimelineLayer& layer = outcome_.layers[l];
      layer.state = trace.block[at][l] - trace.low;
      layer.ffn = trace.mlp[at][l] - trace.low;
      layer.attention = trace.attention[at][l] - trace.low;
      layer.severed_ffn = trace.severed_mlp[l] - trace.low;
      layer.severed_attention = trace.severed_attention[l] - trace.low;
      layer.cut = (trace.knockout_subject[l] - trace.high) / trace.high;
    }
  }

  // Rows 3 l, 3 l + 1 and 3 l + 2: h, r and o of layer l.
  void add_states(const PromptPushes& pushes) {
    std::vector<at::Tensor> states;
    for (std::size_t l = 0; l < outcome_.layers.size(); ++l)
      for (const auto* list : {&pushes.entering, &pushes.residual, &pushes.output})
        states.push_back((*list)[l]);
    const Lens head(model_, {.kind = LensKind::kHead});
    const at::Tensor targets =
        at::full({static_cast<std::int64_t>(states.size()), 1}, outcome_.token_id, at::kLong);
    const VocabularyResult seen = head.reduce(head.fold(at::stack(states), 0), 1, targets);
    const auto state = [&](std::int64_t row) {
      return TimelineState{
          seen.target_ranks[row][0].item<std::int64_t>(),
          std::exp(seen.target_logits[row][0].item<double>() - seen.log_sum[row].item<double>())};
    };
    for (std::size_t l = 0; l < outcome_.layers.size(); ++l) {
      const auto row = static_cast<std::int64_t>(3 * l);
      outcome_.layers[l].entering = state(row);
      outcome_.layers[l].behind_attention = state(row + 1);
      outcome_.layers[l].behind_ffn = state(row + 2);
    }
  }

  void add_attention(const PromptPushes& pushes) {
    const auto last = static_cast<std::int64_t>(outcome_.ids.size()) - 1;
    const std::int64_t begin = outcome_.subject_begin, length = outcome_.subject_end - begin;
    const StreamSources sources(model_, outcome_.ids, {last});
    const at::Tensor brought =
        sources.brought({pushes.direction, 0, pushes.logit, last, model_.config().layers})
            .narrow(1, begin, length)
            .sum(1);
    for (TimelineLayer& layer : outcome_.layers) {
      const at::Tensor paid =
          sources.head_weights(layer.layer, last).narrow(1, begin, length).sum(1, false, at::kDouble);  // [H]
      layer.paid = paid.mean().item<double>();
      layer.paid_most = paid.max().item<double>();
      layer.paid_head = static_cast<int>(paid.argmax().item<std::int64_t>());
      layer.brought = brought[layer.layer].item<double>();
    }
  }

  const Model& model_;
  const TimelineOptions& options_;
  Progress& progress_;
  TraceFact fact_;
  TraceOptions trace_;
  TimelineOutcome outcome_;
};

}  // namespace

std::vector<TimelinePhase> timeline_phases(const std::vector<TimelineLayer>& layers, double high, double low,
                                           bool is_void, double share) {
  return {collect_phase(layers, high, low, is_void, share), recall_phase(layers, share),
          organise_phase(layers, share)};
}

bool phases_in_order(const std::vector<TimelinePhase>& phases) {
  const TimelinePhase &collect = phases.at(0), &recall = phases.at(1), &organise = phases.at(2);
  return collect.found && recall.found && organise.found && collect.peak <= recall.peak &&
         recall.peak <= organise.first;
}

void check_timeline(const TimelineOptions& options) {
  if (options.prompt.empty()) throw Error(ErrorKind::kUsage, "the option prompt is empty");
  if (!(options.share > 0 && options.share <= 1))
    throw Error(ErrorKind::kUsage,
                fmt::format("the option share must be above 0 and at most 1, found {}", options.share));
  if (options.samples < 1 || options.samples > kMostSamples)
    throw Error(ErrorKind::kUsage,
                fmt::format("the option samples must be 1 to {}, found {}", kMostSamples, options.samples));
  if (options.window < 0)
    throw Error(ErrorKind::kUsage,
                fmt::format("the option window must be 0 or more, found {}", options.window));
  if (options.subject.empty()) throw Error(ErrorKind::kUsage, "the option subject is empty");
}

TimelineOutcome run_timeline(const Model& model, const TimelineOptions& options, Progress& progress) {
  check_timeline(options);
  if (!model.has_tokenizer())
    throw Error(ErrorKind::kModel, "the time line of a prompt: the model has no tokenizer");
  progress.poll();
  const auto began = std::chrono::steady_clock::now();
  TimelineOutcome outcome = Timeline(model, options, progress).run();
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return outcome;
}

}  // namespace emend
