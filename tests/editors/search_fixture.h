// Searches on small random models, and their losses by full passes.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "editors/common/value_search.h"
#include "support/model_files.h"
#include "support/tiny_models.h"

namespace emend::editors {

inline constexpr int kSearchLayer = 1;

// Three units with ragged rows, some behind shared fronts; alpha of a random vector, so that every token gets
// some.
class SearchCase {
 protected:
  explicit SearchCase(Model model, int layer = kSearchLayer)
      : model_(std::move(model)), fronts_({{5}, {5, 9, 11, 30}, {5, 70, 3, 8, 21, 44}}) {
    fronts_[2][1] %= model_.config().vocab;
    use_layer(layer);
    options_.kl_factor = 0;
    options_.reach = 0;
    options_.max_steps = 6;
    options_.step = 0.5;
    options_.stop_probability = 1;
  }

  void use_layer(int layer) {
    layer_ = layer;
    trace_ = std::make_unique<LayerTrace>(model_, std::vector<int>{layer}, fronts_, 4096);
    units_.clear();
    for (std::uint64_t u = 0; u < 3; ++u) units_.push_back(make_unit(u));
  }

  SearchUnit make_unit(std::uint64_t seed) const {
    SearchUnit unit;
    const TokenIds prompt = test::some_ids(5 + seed, model_.config().vocab, 100 + seed),
                   target = test::some_ids(1 + seed, model_.config().vocab, 200 + seed);
    for (std::int64_t front = 0; front < 3; ++front) {
      SearchRow row;
      row.row.front = front;
      row.row.own = prompt;
      row.row.own.insert(row.row.own.end(), target.begin(), target.end() - 1);
      const std::size_t length = fronts_[static_cast<std::size_t>(front)].size() + prompt.size();
      row.lookup = length - 3;
      row.labels = target;
      for (std::size_t j = 0; j < target.size(); ++j)
        row.label_at.push_back(static_cast<std::int64_t>(length - 1 + j));
      row.weight = front == 0 ? 0.3 : 0.35;
      row.bare = front == 0;
      unit.rows.push_back(row);
    }
    // Answers about 1 at the bare lookup token's key.
    const TokenIds bare = whole(unit.rows[0]);
    const at::Tensor key =
        test::plain_vectors(model_, bare, Site::kKey, layer_)[static_cast<std::int64_t>(unit.rows[0].lookup)];
    unit.a = key / key.square().sum();
    return unit;
  }

  TokenIds whole(const SearchRow& row) const {
    TokenIds ids = row.row.front < 0 ? TokenIds() : fronts_[static_cast<std::size_t>(row.row.front)];
    ids.insert(ids.end(), row.row.own.begin(), row.row.own.end());
    return ids;
  }

  // log-probabilities [T, V] of a whole row with strengths[t] r added to the MLP output at every token.
  at::Tensor plain_logprobs(const TokenIds& ids, const at::Tensor& added) const {
    PassInput input;
    input.ids = {ids};
    input.interventions = {
        {Site::kMlpOutput, layer_, Intervention::Kind::kAdd, at::arange(added.size(0), at::kLong), added}};
    input.logit_tokens = test::counting(0, added.size(0));
    return at::log_softmax(model_.forward(input).logits.to(at::kDouble), 1);
  }

  at::Tensor plain_keys(const SearchRow& row) const {
    return test::plain_vectors(model_, whole(row), Site::kKey, layer_);
  }

  // The weighted nll of a unit, by full passes: a scalar that knows its gradient where r wants one.
  at::Tensor plain_loss_of(const SearchUnit& unit, const at::Tensor& r, Objective objective) const {
    at::Tensor loss = at::zeros({}, at::kDouble);
    for (const SearchRow& row : unit.rows) {
      if (row.drift) continue;
      at::Tensor alpha = at::mv(plain_keys(row), unit.a);
      if (objective == Objective::kInjected) {
        alpha = at::zeros_like(alpha);
        alpha[static_cast<std::int64_t>(row.lookup)] = 1;
      }
      const at::Tensor logprobs = plain_logprobs(whole(row), at::outer(alpha, r));
      const double share = row.weight / static_cast<double>(row.labels.size());
      for (std::size_t j = 0; j < row.labels.size(); ++j)
        loss = loss - share * logprobs[row.label_at[j]][row.labels[j]];
    }
    return loss;
  }
  double plain_loss(const SearchUnit& unit, const at::Tensor& r,
                    Objective objective = Objective::kWritten) const {
    const c10::NoGradGuard no_grad;
    return plain_loss_of(unit, r, objective).item<double>();
  }

  std::vector<SearchResult> search(const std::vector<SearchUnit>& units) {
    return search_values(model_, *trace_, units, options_, silent_);
  }

  Model model_;
  std::vector<TokenIds> fronts_;
  std::unique_ptr<LayerTrace> trace_;
  std::vector<SearchUnit> units_;
  SearchOptions options_;
  SilentProgress silent_;
  int layer_ = 0;
};

class SearchFixture : public ::testing::TestWithParam<std::string>, public SearchCase {
 protected:
  SearchFixture() : SearchCase(test::tiny_model(GetParam())) {}
};

// The bare row of a unit up to its lookup token.
inline SearchRow drift_row(const SearchUnit& unit) {
  const SearchRow& bare = unit.rows[0];
  SearchRow drift;
  drift.row = {0, {bare.row.own.begin(), bare.row.own.begin() + static_cast<std::ptrdiff_t>(bare.lookup)}};
  drift.lookup = bare.lookup;  // the front is one token
  drift.drift = true;
  return drift;
}

}  // namespace emend::editors
