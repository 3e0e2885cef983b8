#include "editors/rome/protection_bounds.h"

#include <algorithm>
#include <cmath>

#include "model/batches.h"
#include "model/rows.h"

namespace emend::editors {

namespace {

constexpr double kTiny = 1e-12;

// The least way of a target in log-odds, nats.
constexpr double kShortestWay = 2;

double log_odds(double p) {
  const double inside = std::clamp(p, kTiny, 1 - kTiny);
  return std::log(inside / (1 - inside));
}

}  // namespace

std::vector<double> target_probabilities(const Model& model, const std::vector<TokenIds>& prompts,
                                         const TokenIds& target, std::int64_t token_budget) {
  std::vector<TokenIds> rows;
  for (const TokenIds& prompt : prompts) {
    rows.push_back(prompt);
    rows.back().insert(rows.back().end(), target.begin(), target.end() - 1);
  }
  std::vector<double> probabilities;
  for (const RowRange range : split_by_tokens(rows, token_budget)) {
    PassInput input;
    input.logits_only = true;
    std::vector<std::int64_t> labels;
    std::int64_t end = 0;
    for (std::size_t i = range.begin; i < range.end; ++i) {
      input.ids.push_back(rows[i]);
      end += static_cast<std::int64_t>(rows[i].size());
      for (std::size_t j = 0; j < target.size(); ++j) {
        input.logit_tokens.push_back(end - static_cast<std::int64_t>(target.size() - j));
        labels.push_back(target[j]);
      }
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

double response_bound(double own, double stop, double other, double rise) {
  const double way = std::max(log_odds(stop) - log_odds(own), kShortestWay);
  const double before = std::max(other, kTiny), after = std::min(before + rise, (1 + before) / 2);
  return std::clamp((log_odds(after) - log_odds(before)) / way, 0.0, 1.0);
}

}  // namespace emend::editors
