#include "pipeline/auto_layer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "analysis/causal_trace/noise.h"
#include "analysis/causal_trace/restored_runs.h"
#include "analysis/layer_choice.h"
#include "base/layer_number.h"
#include "base/strings.h"
#include "emend/editor.h"
#include "emend/error.h"
#include "eval/decided_by.h"

namespace emend {
namespace {

// Enough to see where the mass of the effect lies, in about a second on a small model.
constexpr std::size_t kPrompts = 3;
constexpr int kSamples = 3;

// The effect of every MLP window at the subject's last token, as a trace that holds this row alone.
FactTrace quick_trace(const Model& model, const TraceFact& fact, const TraceOptions& options, double sigma,
                      std::uint64_t number) {
  trace::TracedPrompt row = trace::prompt_row(model, fact, options);
  row = trace::with_answer(row, trace::answer_ids(model, fact, options, row));
  const at::Tensor subject = trace::corrupted_embeddings(model, row.subject(), options.noise, options.samples,
                                                         sigma, {}, {options.seed, number});
  const trace::TraceRuns runs = trace::run_clean_and_corrupted(model, row, subject);
  const int layers = model.config().layers;
  std::vector<trace::Cell> cells;
  for (int l = 0; l < layers; ++l) {
    const LayerRange window = window_around(l, default_window(layers), layers);
    cells.push_back({window.begin, false, window.end});
  }
  FactTrace trace;
  trace.subject_begin = row.subject_begin;
  trace.subject_end = row.subject_end;
  trace.high = runs.high;
  trace.low = runs.mean_low();
  trace.mlp.resize(static_cast<std::size_t>(row.prompt));
  trace.mlp[static_cast<std::size_t>(trace.lookup())] = trace::run_cells(
      model, runs, cells, {trace.lookup(), Site::kMlpOutput, std::nullopt, options.token_budget});
  return trace;
}

std::vector<FactTrace> quick_traces(const Model& model, const std::vector<EditRequest>& requests,
                                    const EditorContext& context, Progress& progress) {
  const c10::NoGradGuard no_grad;
  TraceOptions options;
  options.prefix = context.prefix;
  options.form = context.form;
  options.samples = kSamples;
  options.seed = context.seed;
  options.token_budget = context.token_budget;
  std::vector<TraceFact> facts;
  for (const EditRequest& request : requests)
    facts.push_back({request.id, request.prompt, request.subject, request.subject_begin, ""});
  const double sigma = noise_sigma(model, facts);
  std::vector<FactTrace> traces;
  const std::size_t step = std::max<std::size_t>(requests.size() / kPrompts, 1);  // spread over the file
  const auto total = static_cast<std::int64_t>(std::min(kPrompts, requests.size()));
  progress.begin("trace for layer: auto", total, "prompts");
  for (std::size_t i = 0; i < requests.size() && traces.size() < kPrompts; i += step) {
    try {
      traces.push_back(quick_trace(model, facts[i], options, sigma, i));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kConfig)
        throw;  // a prompt that cannot be traced says nothing about the layer
    }
    progress.update(static_cast<std::int64_t>(traces.size()), "");
  }
  progress.end();
  return traces;
}

LayerDecision depth_with_trace(const AutoTrial& file, const TrialPlan& plan, Progress& progress) {
  const std::vector<FactTrace> traces = quick_traces(file.model, file.requests, file.context, progress);
  LayerDecision decision = decide_layer(file.model, file.context.prefix, rank_layers(traces),
                                        static_cast<std::int64_t>(traces.size()), {});
  decision.source = "the edit file's prompts";
  const std::string why_not =
      plan.why_not.empty() ? "" : fmt::format(" No edits are tried: {}.", plan.why_not);
  if (plan.layers.empty())
    progress.note(fmt::format(
        "layer: auto, without a kept decision, which locating a file of facts, with a trial and the option "
        "keep-decision, would make: {}{}",
        decision_text(decision), why_not));
  else
    progress.note(
        fmt::format("layer: auto, without a kept decision: the edit will try layers; until then: {}",
                    decision_text(decision)));
  return decision;
}

// A decision that cannot be kept is made once more by the next run. The folder holds one: that of another
// method stays, so that two methods in turn do not replace each other's.
void keep(const LayerDecision& decision, const AutoTrial& file, Progress& progress) {
  const std::filesystem::path& folder = file.statistics;
  const auto held = load_layer_decision(file.model, file.context.prefix, folder);
  if (held && held->method != decision.method) {
    progress.note(fmt::format(
        "The decision is not kept: {} holds layer {}, which the method {} decided and goes on to take. Give "
        "the layer in the edit file to have layers tried once.",
        (folder / "layer_decision.json").string(), held->layer, quote(held->method)));
    return;
  }
  try {
    save_layer_decision(decision, folder);
    progress.note(fmt::format(
        "The decision rests on few edits. It is kept in {} for the next edits by the method {}, so that "
        "all of them take the same layer; locating a file of facts, with a trial over {} or more, decides "
        "better. Delete that file to have layers tried again; `layer: depth` or a number in the edit file "
        "goes without.",
        (folder / "layer_decision.json").string(), quote(decision.method), kLeastTrialFacts));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kIo) throw;
    progress.note(fmt::format("The decision is not kept: {}", error.what()));
  }
}

LayerDecision by_edits(const AutoTrial& file, const TrialPlan& plan, Progress& progress) {
  progress.note(fmt::format(
      "layer: auto, without a kept decision: {} are tried first with {} of the file ({}), each alone: "
      "at most the time of {} edits.",
      layer_names(plan.layers), plan.ids.size() == 1 ? "the edit" : "the edits", join(plan.ids),
      kTrialEdits));
  LayerDecision decision = try_layers(file, plan, progress);
  decision.source = "edits of " + join(plan.ids);
  progress.note(fmt::format("layer: auto: {}", decision_text(decision)));
  if (decision.evidence != LayerEvidence::kTrial) return decision;
  // Where C is not used there may be no such folder, and nobody asked for one.
  if (file.editor.needs_statistics() || std::filesystem::is_directory(file.statistics))
    keep(decision, file, progress);
  else
    progress.note(
        fmt::format("The decision is not kept: the method uses no statistics, and there is no folder {}. "
                    "Make it, or give the layer in the edit file, to have layers tried once.",
                    file.statistics.string()));
  return decision;
}

}  // namespace

AutoLayer auto_layer(const AutoTrial& file, const AutoLayerOptions& options, Progress& progress) {
  AutoLayer found;
  if (options.by_depth) {
    found.decision = decide_layer(file.model, file.context.prefix, {}, 0, {});
    progress.note(fmt::format("layer: depth: {}", decision_text(found.decision)));
    return found;
  }
  found.decision =
      auto_layer(file.model, file.context.prefix, file.statistics, decided_by(file.editor), progress, [&] {
        const std::vector<EditRequest> open = options.open_edits();
        if (open.empty()) return decide_layer(file.model, file.context.prefix, {}, 0, {});
        const AutoTrial trial{file.model, file.editor, open, file.context, file.statistics};
        found.planned = plan_trial(trial);
        if (!options.may_edit || found.planned.layers.empty())
          return depth_with_trace(file, found.planned, progress);
        found.tried = true;
        const auto began = std::chrono::steady_clock::now();
        LayerDecision decision = by_edits(trial, found.planned, progress);
        found.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
        return decision;
      });
  return found;
}

}  // namespace emend
