// run_memory_set: one prompt through the model as it is and with cells set.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "emend/error.h"
#include "emend/memory_set.h"
#include "emend/memory_view.h"
#include "model/rows.h"
#include "pipeline/continue_prompt.h"
#include "text/end_tokens.h"

namespace emend {
namespace {

using Kind = MemorySetting::Kind;
using Where = MemorySetting::Where;

// What a setting does where it acts: m_i becomes factor m_i + value.
struct Effect {
  MemorySetting setting;
  double factor = 1, value = 0;
};

bool acts_at(const MemorySetting& setting, std::int64_t position, std::int64_t prompt) {
  switch (setting.where) {
    case Where::kAll:
      return true;
    case Where::kLast:
      return position == prompt - 1;
    case Where::kGenerated:
      return position >= prompt;
    case Where::kListed:
      return std::find(setting.positions.begin(), setting.positions.end(), position) !=
             setting.positions.end();
  }
  return false;
}

// The effects on tokens that stand at positions [first, first + count), in the order of the settings.
std::vector<Intervention> interventions_at(const std::vector<Effect>& effects, const Model& model,
                                           std::int64_t first, std::int64_t count, std::int64_t prompt) {
  std::vector<Intervention> changes;
  for (const Effect& effect : effects) {
    std::vector<std::int64_t> tokens;
    for (std::int64_t t = 0; t < count; ++t)
      if (acts_at(effect.setting, first + t, prompt)) tokens.push_back(t);
    if (tokens.empty()) continue;
    const auto rows = static_cast<std::int64_t>(tokens.size());
    const at::Tensor index = index_tensor(tokens, model.options().device());
    at::Tensor factors = at::ones({rows, model.config().d_ff}, model.options());
    factors.select(1, effect.setting.cell.index).fill_(effect.factor);
    at::Tensor added = at::zeros_like(factors);
    added.select(1, effect.setting.cell.index).fill_(effect.value);
    const int layer = effect.setting.cell.layer;
    changes.push_back({Site::kKey, layer, Intervention::Kind::kScale, index, factors});
    if (effect.value != 0) changes.push_back({Site::kKey, layer, Intervention::Kind::kAdd, index, added});
  }
  return changes;
}

// Log probabilities of the next token at every token of a row [N, V], float64 on the CPU.
at::Tensor log_probabilities(const Model& model, const TokenIds& ids, const std::vector<Effect>& effects,
                             std::int64_t prompt) {
  PassInput input;
  input.ids = {ids};
  const auto count = static_cast<std::int64_t>(ids.size());
  for (std::int64_t t = 0; t < count; ++t) input.logit_tokens.push_back(t);
  input.interventions = interventions_at(effects, model, 0, count, prompt);
  return at::log_softmax(model.forward(input).logits.to(at::kCPU, at::kDouble), 1);
}

// Greedy, ties to the lower id.
TokenIds continuation(const Model& model, const TokenIds& prompt, const std::vector<Effect>& effects,
                      std::int64_t limit, Progress& progress) {
  const std::vector<std::int64_t> stop = end_tokens(model.tokenizer());
  const auto length = static_cast<std::int64_t>(prompt.size());
  KvCache cache(model.config(), 0, 1, length + limit, model.options());
  TokenIds written, next = prompt;
  while (static_cast<std::int64_t>(written.size()) < limit) {
    PassInput input;
    const std::int64_t first = cache.lengths[0], count = static_cast<std::int64_t>(next.size());
    input.ids = {next};
    input.cache = &cache;
    input.append = true;
    input.logit_tokens = {count - 1};
    input.interventions = interventions_at(effects, model, first, count, length);
    const auto token = model.forward(input).logits[0].argmax().item<std::int64_t>();
    if (std::find(stop.begin(), stop.end(), token) != stop.end()) break;
    written.push_back(token);
    next = {token};
    progress.update(static_cast<std::int64_t>(written.size()), {});
  }
  return written;
}

class SetRun {
 public:
  SetRun(const Model& model, const SetOptions& options) : model_(model), options_(options) {
    outcome_.ids = prompt_tokens(model, options.prompt, {.bos = options.bos});
    limit_ = tokens_that_fit(model, outcome_.ids.size(), options.max_new);
    require_positions();
  }

  SetOutcome run(Progress& progress) {
    const c10::NoGradGuard no_gradients;
    settle();
    const auto prompt = static_cast<std::int64_t>(outcome_.ids.size());
    for (const auto& [name, side, effects] :
         {std::tuple("unchanged", &outcome_.unchanged, std::vector<Effect>{}),
          {"changed", &outcome_.changed, effects_}}) {
      progress.begin(name, limit_, "tokens");
      side->completion = continuation(model_, outcome_.ids, effects, limit_, progress);
      side->text = completion_text(model_.tokenizer(), side->completion);
      progress.end();
    }
    compare(prompt);
    return std::move(outcome_);
  }

 private:
  // Refuses positions behind all tokens that the run can have.
  void require_positions() const {
    const auto prompt = static_cast<std::int64_t>(outcome_.ids.size()), most = prompt + limit_;
    for (const MemorySetting& setting : options_.settings)
      for (const std::int64_t position : setting.positions)
        if (position >= most)
          throw Error(ErrorKind::kConfig,
                      fmt::format("{}: there is no position {}: the prompt has the positions 0 to {}, and "
                                  "with {} new tokens the last one is {}",
                                  to_string(setting), position, prompt - 1, limit_, most - 1));
  }

  // The numbers behind "on" and the coefficients before, from a pass without changes.
  void settle() {
    PassInput input;
    input.ids = {outcome_.ids};
    const at::Tensor last =
        index_tensor({static_cast<std::int64_t>(outcome_.ids.size()) - 1}, model_.options().device());
    for (const MemorySetting& setting : options_.settings)
      input.recordings.push_back({Site::kKey, setting.cell.layer, last});
    input.stop = PassInput::Stop::kBlock;
    input.stop_block = model_.config().layers - 1;
    const std::vector<at::Tensor> keys = model_.forward(input).recorded;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const MemorySetting& setting = options_.settings[i];
      const double before = keys[i][0][setting.cell.index].item<double>();
      Effect effect{setting};
      if (setting.kind == Kind::kFactor) {
        effect.factor = setting.amount;
      } else {
        effect.factor = 0;
        effect.value = setting.kind == Kind::kOn ? dominant(setting.cell, keys[i][0]) : setting.amount;
        if (setting.kind == Kind::kOff) effect.value = 0;
      }
      outcome_.settings.push_back({setting, before, effect.factor * before + effect.value});
      effects_.push_back(std::move(effect));
    }
  }

  double dominant(MemoryId cell, const at::Tensor& key) const {
    const at::Tensor norms = FfnView(model_, cell.layer).value_norms(ValueSide::kArriving);
    return ((key.to(norms.options()).abs() * norms).max() / norms[cell.index]).item<double>();
  }

  void compare(std::int64_t prompt) {
    TokenIds row = outcome_.ids;
    row.insert(row.end(), outcome_.unchanged.completion.begin(), outcome_.unchanged.completion.end());
    const at::Tensor before = log_probabilities(model_, row, {}, prompt),
                     after = log_probabilities(model_, row, effects_, prompt);
    const at::Tensor kl = (before.exp() * (before - after)).sum(1);
    outcome_.kl_at_end = kl[prompt - 1].item<double>();
    outcome_.kl_mean = kl.mean().item<double>();
    outcome_.kl_largest = kl.max().item<double>();
    complete(outcome_.unchanged, before, row, prompt);
    complete(outcome_.changed, after, row, prompt);
  }

  void complete(SetSide& side, const at::Tensor& logs, const TokenIds& row, std::int64_t prompt) const {
    const auto count = static_cast<std::int64_t>(row.size());
    if (count > 1) {
      const at::Tensor wanted = at::tensor(row, at::kLong).narrow(0, 1, count - 1).unsqueeze(1);
      side.perplexity = std::exp(-logs.narrow(0, 0, count - 1).gather(1, wanted).mean().item<double>());
    }
    const auto [values, ids] = logs[prompt - 1].sort(/*stable=*/true, 0, /*descending=*/true);
    for (std::int64_t k = 0; k < std::min<std::int64_t>(options_.top, ids.numel()); ++k) {
      const auto id = ids[k].item<std::int64_t>();
      side.top.push_back({id, token_text(model_.tokenizer(), id), values[k].item<double>()});
    }
  }

  const Model& model_;
  const SetOptions& options_;
  std::int64_t limit_ = 0;  // tokens that either model writes, at most
  std::vector<Effect> effects_;
  SetOutcome outcome_;
};

// Refuses two settings of one cell at the same tokens, and those that a later one at all tokens overrides.
// Others of one cell stand side by side: off for all tokens, but 1 at the last one.
void require_no_clash(const std::vector<MemorySetting>& settings) {
  const auto positions = [](const MemorySetting& setting) {
    return std::set<std::int64_t>(setting.positions.begin(), setting.positions.end());
  };
  for (std::size_t j = 0; j < settings.size(); ++j)
    for (std::size_t i = 0; i < j; ++i) {
      const MemorySetting &first = settings[i], &later = settings[j];
      if (first.cell != later.cell) continue;
      const bool same = first.where == later.where && positions(first) == positions(later),
                 overrides = later.where == Where::kAll && later.kind != Kind::kFactor;
      if (same || overrides)
        throw Error(ErrorKind::kUsage,
                    fmt::format("{} and {} set one cell at the same tokens; give one setting of it, or one "
                                "for all tokens and behind it others for some, such as @last",
                                to_string(first), to_string(later)));
    }
}

void check(const Model& model, const SetOptions& options) {
  constexpr int kMostTop = 100;
  if (options.settings.empty()) throw Error(ErrorKind::kUsage, "give at least one setting of a cell");
  if (options.top < 1 || options.top > kMostTop)
    throw Error(ErrorKind::kUsage,
                fmt::format("the option top must be 1 to {}, found {}", kMostTop, options.top));
  require_no_clash(options.settings);
  check_prompt_options({.max_new = options.max_new});
  for (const MemorySetting& setting : options.settings) {
    require_memory(model.config(), setting.cell);
    for (const std::int64_t position : setting.positions)
      if (position >= model.config().max_positions)
        throw Error(ErrorKind::kConfig,
                    fmt::format("{}: the model has {} positions, 0 to {}", to_string(setting),
                                model.config().max_positions, model.config().max_positions - 1));
  }
}

}  // namespace

SetOutcome run_memory_set(const Model& model, const SetOptions& options, Progress& progress) {
  check(model, options);
  return SetRun(model, options).run(progress);
}

}  // namespace emend
