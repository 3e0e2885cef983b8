// measure_layer_changes: layers left out, halved and swapped.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>

#include "base/strings.h"
#include "emend/error.h"
#include "emend/memory_layers.h"
#include "memories/layer_runs.h"
#include "memories/prompt_words.h"

namespace emend {
namespace {

constexpr std::size_t kPromptsAtOnce = 64;  // prompts whose log probabilities are held at once

struct AskedPrompt {
  TokenIds ids;
  std::int64_t answer = 0;
};

std::vector<AskedPrompt> asked_prompts(const Model& model, const LayerChangeOptions& options) {
  std::vector<AskedPrompt> prompts;
  for (const KnowledgeFact& fact : options.facts) {
    const std::string what = fmt::format("the fact {}", quote(fact.id));
    const TokenIds ids = ids_of_prompt(model, fact.prompt, options.bos, what);
    const std::int64_t answer =
        fact.answer.empty() ? likeliest_token(model, ids) : first_token_of(model, fact.answer, what);
    prompts.push_back({ids, answer});
    for (const std::string& other : fact.paraphrases)
      prompts.push_back({ids_of_prompt(model, other, options.bos, what), answer});
  }
  return prompts;
}

// What is run, and as what it is told.
struct ChangePlan {
  LayerEffect effect;
  std::function<at::Tensor(const LayerRuns&)> run;
};

std::vector<ChangePlan> all_changes(int layers, int window) {
  std::vector<ChangePlan> plans;
  const auto reordered = [&](LayerChange change, int first, int last, std::vector<int> order) {
    plans.push_back({{change, first, last},
                     [order = std::move(order)](const LayerRuns& runs) { return runs.in_order(order); }});
  };
  std::vector<int> own;
  for (int l = 0; l < layers; ++l) own.push_back(l);
  for (int l = 0; l < layers; ++l) {
    std::vector<int> order = own;
    order.erase(order.begin() + l);
    reordered(LayerChange::kSkip, l, l, std::move(order));
  }
  for (int l = 0; l + 1 < layers; ++l) {
    std::vector<int> order = own;
    std::swap(order[static_cast<std::size_t>(l)], order[static_cast<std::size_t>(l) + 1]);
    reordered(LayerChange::kSwap, l, l + 1, std::move(order));
  }
  const auto halved = [&](LayerChange change, Site site, int count) {
    for (int l = 0; l + count <= layers; ++l)
      plans.push_back({{change, l, l + count - 1},
                       [site, l, count](const LayerRuns& runs) { return runs.without(site, l, l + count); }});
  };
  halved(LayerChange::kNoFfn, Site::kMlpOutput, 1);
  halved(LayerChange::kNoAttention, Site::kAttentionOutput, 1);
  if (window == 1) return plans;
  halved(LayerChange::kNoFfnWindow, Site::kMlpOutput, window);
  halved(LayerChange::kNoAttentionWindow, Site::kAttentionOutput, window);
  return plans;
}

// Adds what these prompts, `share` of all each, say of a change.
void add_effect(const at::Tensor& before, const at::Tensor& after, const at::Tensor& answers, double share,
                LayerEffect& effect) {
  effect.kl += share * (before.exp() * (before - after)).sum().item<double>();
  effect.kept += share * (before.argmax(1) == after.argmax(1)).sum().item<double>();
  effect.probability += share * after.gather(1, answers).exp().sum().item<double>();
}

}  // namespace

std::string to_string(LayerChange change) {
  switch (change) {
    case LayerChange::kSkip:
      return "skip";
    case LayerChange::kSwap:
      return "swap";
    case LayerChange::kNoFfn:
      return "no ffn";
    case LayerChange::kNoAttention:
      return "no attention";
    case LayerChange::kNoFfnWindow:
      return "no ffn, window";
    case LayerChange::kNoAttentionWindow:
      return "no attention, window";
  }
  return {};
}

LayerChangeOutcome measure_layer_changes(const Model& model, const LayerChangeOptions& options,
                                         Progress& progress) {
  if (options.facts.empty()) throw Error(ErrorKind::kUsage, "give a prompt, or a file of facts");
  if (options.window < 1)
    throw Error(ErrorKind::kUsage,
                fmt::format("the option window must be at least 1, found {}", options.window));
  const auto began = std::chrono::steady_clock::now();
  const std::vector<AskedPrompt> prompts = asked_prompts(model, options);
  std::vector<ChangePlan> plans = all_changes(model.config().layers, options.window);
  if (options.window > model.config().layers)
    progress.note(fmt::format(
        "A window of {} layers does not fit the model, which has {}: none is put out of action; set the "
        "option window.",
        options.window, model.config().layers));
  LayerChangeOutcome outcome;
  outcome.prompts = static_cast<std::int64_t>(prompts.size());
  const double share = 1.0 / static_cast<double>(prompts.size());
  progress.begin("layers", outcome.prompts, "prompts");
  for (std::size_t begin = 0, end = 0; begin < prompts.size(); begin = end) {
    std::vector<TokenIds> rows;
    std::vector<std::int64_t> ids;
    std::int64_t tokens = 0;
    for (end = begin; end < prompts.size(); ++end) {
      tokens += static_cast<std::int64_t>(prompts[end].ids.size());
      if (end > begin && (tokens > options.token_budget || rows.size() == kPromptsAtOnce)) break;
      rows.push_back(prompts[end].ids);
      ids.push_back(prompts[end].answer);
    }
    const LayerRuns runs(model, std::move(rows));
    const at::Tensor answers = at::tensor(ids, at::kLong).unsqueeze(1);
    outcome.probability += share * runs.unchanged().gather(1, answers).exp().sum().item<double>();
    outcome.right += share * (runs.unchanged().argmax(1) == answers.squeeze(1)).sum().item<double>();
    for (ChangePlan& plan : plans) {
      add_effect(runs.unchanged(), plan.run(runs), answers, share, plan.effect);
      progress.update(static_cast<std::int64_t>(begin), to_string(plan.effect.change));
    }
    progress.update(static_cast<std::int64_t>(end), "");
  }
  progress.end();
  for (ChangePlan& plan : plans) outcome.effects.push_back(plan.effect);
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return outcome;
}

}  // namespace emend
