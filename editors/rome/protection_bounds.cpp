#include "editors/rome/protection_bounds.h"

#include <algorithm>
#include <cmath>

#include "model/batches.h"
#include "model/rows.h"
#include "model/shared_tokens.h"

namespace emend::editors {

namespace {

constexpr double kTiny = 1e-12;

// A bound is widened to so many times the present answer at most.
constexpr double kWidest = 2;

double log_odds(double p) {
  const double inside = std::clamp(p, kTiny, 1 - kTiny);
  return std::log(inside / (1 - inside));
}

}  // namespace

std::vector<double> target_probabilities(const Model& model, const std::vector<TokenIds>& prompts,
                                         const TokenIds& target, std::int64_t token_budget,
                                         const std::vector<Overlay>& edit) {
  std::vector<TokenIds> rows;
  for (const TokenIds& prompt : prompts) {
    rows.push_back(prompt);
    rows.back().insert(rows.back().end(), target.begin(), target.end() - 1);
  }
  std::vector<double> probabilities;
  for (const RowRange range : split_by_tokens(rows, token_budget)) {
    PassInput input;
    input.logits_only = true;
    input.overlays = edit;
    input.ids.assign(rows.begin() + static_cast<std::ptrdiff_t>(range.begin),
                     rows.begin() + static_cast<std::ptrdiff_t>(range.end));
    input.token_of = share_tokens(input.ids, std::vector<std::int64_t>(input.ids.size(), 0)).token_of;
    std::vector<std::int64_t> labels;
    for (const std::vector<std::int64_t>& tokens : input.token_of)
      for (std::size_t j = 0; j < target.size(); ++j) {
        input.logit_tokens.push_back(tokens[tokens.size() - target.size() + j]);
        labels.push_back(target[j]);
      }
    const std::vector<double> nll = token_nll(model.forward(input).logits, labels);
    for (std::size_t i = 0; i < nll.size(); i += target.size()) {
      double sum = 0;
      for (std::size_t j = 0; j < target.size(); ++j) sum += nll[i + j];
      probabilities.push_back(std::exp(-sum));
    }
  }
  return probabilities;
}

double probability_per_token(double probability, std::size_t tokens) {
  return std::pow(probability, 1 / static_cast<double>(tokens));
}

double highest_probability(double before, double rise) {
  return std::min(before + rise, (1 + before) / 2);
}

double measured_bound(double answer, double before, double after, double rise) {
  const double way = log_odds(after) - log_odds(before);
  const double allowed = log_odds(highest_probability(before, rise)) - log_odds(before);
  const double times = allowed < kWidest * way ? allowed / way : kWidest;
  return std::abs(answer) * times;
}

}  // namespace emend::editors
