#include "emend/generate.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "model/batches.h"
#include "model/decode.h"
#include "model/rows.h"
#include "model/text_nll.h"

namespace emend {

namespace {

std::vector<TokenIds> slice(const std::vector<TokenIds>& rows, RowRange range) {
  return {rows.begin() + static_cast<std::ptrdiff_t>(range.begin),
          rows.begin() + static_cast<std::ptrdiff_t>(range.end)};
}

std::vector<TokenIds> generate_batch(const Model& model, const std::vector<TokenIds>& prompts,
                                     std::size_t first_row, const GenerateOptions& options,
                                     const RowOverlays& overlays) {
  KvCache cache(model.config(), 0, static_cast<std::int64_t>(prompts.size()),
                longest(prompts) + options.max_new - 1, model.options());
  PassInput input;
  input.ids = prompts;
  input.cache = &cache;
  input.append = true;
  input.overlays = overlays.for_rows({});
  input.logit_tokens = last_tokens(prompts);
  const at::Tensor logits = model.forward(input).logits;
  std::vector<DecodeRow> rows;
  for (std::size_t i = 0; i < prompts.size(); ++i)
    rows.push_back({static_cast<std::int64_t>(i), i, options.max_new, options.stream + first_row + i});
  return decode(model, cache, logits, rows, {options.temperature, options.top_k, options.seed}, options.stop,
                overlays, options.progress);
}

}  // namespace

std::vector<TokenIds> generate(const Model& model, const std::vector<TokenIds>& prompts,
                               const GenerateOptions& options, const std::vector<Overlay>& overlays) {
  const c10::NoGradGuard no_grad;
  std::vector<TokenIds> results;
  for (RowRange range : split_by_tokens(prompts, options.token_budget)) {
    if (options.progress != nullptr) options.progress->begin("generating", options.max_new, "tokens");
    for (TokenIds& row :
         generate_batch(model, slice(prompts, range), range.begin, options, RowOverlays(overlays)))
      results.push_back(std::move(row));
    if (options.progress != nullptr) options.progress->end();
  }
  return results;
}

std::vector<std::vector<TokenLogprob>> next_tokens(const Model& model, const std::vector<TokenIds>& prompts,
                                                   std::int64_t k, std::int64_t token_budget,
                                                   const std::vector<Overlay>& overlays) {
  const c10::NoGradGuard no_grad;
  std::vector<std::vector<TokenLogprob>> results;
  for (RowRange range : split_by_tokens(prompts, token_budget)) {
    PassInput input;
    input.ids = slice(prompts, range);
    input.overlays = overlays;
    input.logit_tokens = last_tokens(input.ids);
    const at::Tensor logprobs = at::log_softmax(model.forward(input).logits, 1).cpu();
    const std::int64_t vocab = logprobs.size(1), wanted = std::min(k, vocab);
    for (std::int64_t row = 0; row < logprobs.size(0); ++row) {
      const float* line = logprobs.const_data_ptr<float>() + row * vocab;
      std::vector<std::int64_t> order(static_cast<std::size_t>(vocab));
      for (std::int64_t i = 0; i < vocab; ++i) order[i] = i;
      std::partial_sort(
          order.begin(), order.begin() + wanted, order.end(),
          [&](std::int64_t a, std::int64_t b) { return line[a] != line[b] ? line[a] > line[b] : a < b; });
      results.emplace_back();
      for (std::int64_t i = 0; i < wanted; ++i) results.back().push_back({order[i], line[order[i]]});
    }
  }
  return results;
}

namespace {

// log p of each target id and whether it is the likeliest, at rows of logits.
struct TokenScores {
  std::vector<double> nll;
  std::vector<bool> argmax;
};

TokenScores score_rows(const at::Tensor& logits, const std::vector<std::int64_t>& targets) {
  TokenScores scores;
  scores.nll = token_nll(logits, targets);
  const at::Tensor best = logits.argmax(1).cpu();
  for (std::size_t i = 0; i < targets.size(); ++i)
    scores.argmax.push_back(best.const_data_ptr<std::int64_t>()[i] == targets[i]);
  return scores;
}

}  // namespace

std::vector<ContinuationScore> score_continuations(const Model& model, const std::vector<TokenIds>& prompts,
                                                   const std::vector<Continuation>& continuations,
                                                   std::int64_t token_budget,
                                                   const std::vector<Overlay>& overlays) {
  const c10::NoGradGuard no_grad;
  std::vector<ContinuationScore> results(continuations.size());
  for (RowRange range : split_by_tokens(prompts, token_budget)) {
    std::vector<std::size_t> members;
    for (std::size_t i = 0; i < continuations.size(); ++i)
      if (continuations[i].prompt >= range.begin && continuations[i].prompt < range.end) members.push_back(i);
    if (members.empty()) continue;

    // First target tokens: read off the prompts' last logits.
    PassInput input;
    input.ids = slice(prompts, range);
    input.overlays = overlays;
    KvCache cache(model.config(), 0, static_cast<std::int64_t>(input.ids.size()), longest(input.ids),
                  model.options());
    input.cache = &cache;
    input.append = true;
    input.logit_tokens = last_tokens(input.ids);
    const at::Tensor logits = model.forward(input).logits;
    std::vector<std::int64_t> rows, firsts;
    for (std::size_t i : members) {
      rows.push_back(static_cast<std::int64_t>(continuations[i].prompt - range.begin));
      firsts.push_back(continuations[i].target.front());
    }
    const auto first =
        score_rows(logits.index_select(0, at::tensor(rows, at::kLong).to(logits.device())), firsts);
    for (std::size_t m = 0; m < members.size(); ++m) results[members[m]] = {first.nll[m], first.argmax[m]};

    // The others: the target's tokens but the last follow the cached prompt.
    PassInput rest;
    std::vector<std::int64_t> labels;
    std::vector<std::size_t> owner;
    for (std::size_t m = 0; m < members.size(); ++m) {
      const TokenIds& target = continuations[members[m]].target;
      if (target.size() < 2) continue;
      rest.ids.emplace_back(target.begin(), target.end() - 1);
      rest.cache_row.push_back(rows[m]);
      for (std::size_t j = 1; j < target.size(); ++j) {
        rest.logit_tokens.push_back(static_cast<std::int64_t>(labels.size()));
        labels.push_back(target[j]);
        owner.push_back(members[m]);
      }
    }
    if (!labels.empty()) {
      rest.cache = &cache;
      rest.overlays = overlays;
      const TokenScores scores = score_rows(model.forward(rest).logits, labels);
      for (std::size_t j = 0; j < labels.size(); ++j) {
        results[owner[j]].nll += scores.nll[j];
        results[owner[j]].argmax = results[owner[j]].argmax && scores.argmax[j];
      }
    }
    for (std::size_t i : members) results[i].nll /= static_cast<double>(continuations[i].target.size());
  }
  return results;
}

double mean_nll(const Model& model, const std::vector<TokenIds>& texts, std::int64_t token_budget,
                const std::vector<Overlay>& overlays) {
  return TextNll(model, texts, 0, token_budget).mean(overlays);
}

}  // namespace emend
