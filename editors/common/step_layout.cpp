#include "editors/common/step_layout.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <utility>

#include "model/rows.h"

namespace emend::editors {

namespace {

// Takes the rows of a step one after another.
class LayoutBuilder {
 public:
  explicit LayoutBuilder(std::size_t units) : rows_of_unit_(units), drift_of_unit_(units) {}

  // `place` is that of the row's unit in the step, `weight` the row's share in its loss.
  void add(ActiveRow& row, std::int64_t cache_row, std::size_t place, double weight) {
    const std::int64_t length = row.hidden.size(0);
    // Only their number matters: the residual stream is given.
    made_.input.ids.emplace_back(static_cast<std::size_t>(length), 0);
    made_.input.cache_row.push_back(cache_row);
    hidden_.push_back(row.hidden);
    if (row.value.defined()) value_.push_back(row.value);
    alpha_.push_back(row.alpha);
    token_unit_.insert(token_unit_.end(), static_cast<std::size_t>(length), static_cast<std::int64_t>(place));
    if (row.source->drift)
      add_drift(row, place);
    else
      add_target(row, place, weight);
    tokens_ += length;
  }

  StepLayout finish(const Model& model, SearchRows& prepared, const std::vector<std::size_t>& places);

 private:
  void add_drift(ActiveRow& row, std::size_t place);
  void add_target(const ActiveRow& row, std::size_t place, double weight);

  StepLayout made_;
  std::int64_t tokens_ = 0;
  std::vector<at::Tensor> hidden_, value_, alpha_;
  std::vector<std::int64_t> token_unit_, labels_, end_at_, drift_at_;
  std::vector<std::vector<std::int64_t>> labels_of_row_, rows_of_unit_, drift_of_unit_;
  std::vector<double> label_weight_, row_weight_;
};

void LayoutBuilder::add_drift(ActiveRow& row, std::size_t place) {
  drift_of_unit_[place].push_back(static_cast<std::int64_t>(drift_at_.size()));
  drift_at_.push_back(tokens_ + static_cast<std::int64_t>(row.source->lookup) - row.begin);
  made_.drift_rows.push_back(&row);
}

void LayoutBuilder::add_target(const ActiveRow& row, std::size_t place, double weight) {
  const SearchRow& source = *row.source;
  labels_of_row_.emplace_back();
  for (std::size_t j = 0; j < source.labels.size(); ++j) {
    labels_of_row_.back().push_back(static_cast<std::int64_t>(labels_.size()));
    label_weight_.push_back(1.0 / static_cast<double>(source.labels.size()));
    labels_.push_back(source.labels[j]);
    made_.input.logit_tokens.push_back(tokens_ + source.label_at[j] - row.begin);
  }
  if (source.end_at >= 0) end_at_.push_back(tokens_ + source.end_at - row.begin);
  rows_of_unit_[place].push_back(static_cast<std::int64_t>(made_.row_unit.size()));
  row_weight_.push_back(weight);
  made_.row_unit.push_back(place);
  made_.row_bare.push_back(source.bare);
}

StepLayout LayoutBuilder::finish(const Model& model, SearchRows& prepared,
                                 const std::vector<std::size_t>& places) {
  const at::Device device = prepared.v0_norms.device();
  PassInput& input = made_.input;
  input.logit_tokens.insert(input.logit_tokens.end(), end_at_.begin(), end_at_.end());
  made_.ends = static_cast<std::int64_t>(end_at_.size());
  input.logit_tokens.insert(input.logit_tokens.end(), drift_at_.begin(), drift_at_.end());
  input.cache = &prepared.cache;
  input.begin_block = prepared.layer + 1;
  input.layout = model.lay_out(input);
  made_.hidden = at::cat(hidden_, 0);
  if (!value_.empty()) made_.value = at::cat(value_, 0);
  made_.alpha =
      at::zeros({tokens_, static_cast<std::int64_t>(places.size())}, prepared.v0_norms.options())
          .scatter_(1, index_tensor(token_unit_, device).unsqueeze(1), at::cat(alpha_, 0).unsqueeze(1));
  made_.v0 = prepared.v0_norms.index_select(0, index_tensor({places.begin(), places.end()}, device));
  made_.labels = index_tensor(labels_, device).unsqueeze(1);
  made_.row_nll = group_sums(labels_of_row_, label_weight_, device);
  made_.unit_nll = group_sums(rows_of_unit_, row_weight_, device);
  if (!drift_at_.empty())
    made_.unit_kl = group_sums(drift_of_unit_, std::vector<double>(drift_at_.size(), 1), device);
  return std::move(made_);
}

}  // namespace

at::Tensor GroupSums::operator()(const at::Tensor& values) const {
  const at::Tensor picked = values.index_select(0, index.flatten()).view(index.sizes());
  return at::where(weight != 0, picked * weight, 0.0).sum(1);
}

GroupSums group_sums(const std::vector<std::vector<std::int64_t>>& groups, const std::vector<double>& weights,
                     const at::Device& device) {
  const std::int64_t width = std::max<std::int64_t>(longest(groups), 1);
  const auto count = static_cast<std::int64_t>(groups.size());
  std::vector<std::int64_t> index;
  std::vector<float> share;
  for (const auto& group : groups)
    for (std::int64_t j = 0; j < width; ++j) {
      const bool real = j < static_cast<std::int64_t>(group.size());
      index.push_back(real ? group[static_cast<std::size_t>(j)] : group.empty() ? 0 : group.front());
      share.push_back(real ? static_cast<float>(weights[static_cast<std::size_t>(index.back())]) : 0.0f);
    }
  return {index_tensor(index, device).view({count, width}),
          to_device(at::tensor(share, at::kFloat).view({count, width}), device)};
}

StepLayout lay_out_step(const Model& model, SearchRows& prepared, const ActiveUnits& units) {
  const c10::NoGradGuard no_grad;
  const std::vector<std::size_t>& places = units.places;
  LayoutBuilder builder(places.size());
  for (std::size_t i = 0; i < prepared.rows.size(); ++i) {
    ActiveRow& row = prepared.rows[i];
    const auto found = std::lower_bound(places.begin(), places.end(), row.unit);
    if (found == places.end() || *found != row.unit) continue;
    if (units.drift_alone && !row.source->drift) continue;
    const bool early = units.is_early[row.unit];
    const double weight = early ? row.source->early_weight : row.source->weight;
    if (early && weight == 0 && !row.source->drift) continue;
    builder.add(row, static_cast<std::int64_t>(i), static_cast<std::size_t>(found - places.begin()), weight);
  }
  return builder.finish(model, prepared, places);
}

}  // namespace emend::editors
