#include "editors/common/training_rows.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <optional>
#include <utility>

#include "editors/common/step_layout.h"
#include "editors/common/target_rows.h"
#include "emend/error.h"
#include "model/batches.h"
#include "model/rows.h"

namespace emend::editors {

namespace {

// Rows are traced anew for every evaluation where keeping them would take more.
constexpr std::int64_t kMostBytesKept = std::int64_t{1} << 30;

void append_token(SearchRow& row, std::int64_t id) {
  row.row.own.push_back(row.labels.back());
  row.label_at.push_back(row.label_at.back() + 1);
  row.labels.push_back(id);
}

// Every token of the target is read where the prompt ends.
void read_at_the_prompt(SearchRow& row) {
  row.row.own.resize(row.row.own.size() - (row.labels.size() - 1));
  for (std::int64_t& at : row.label_at) at = row.label_at.front();
}

std::int64_t tokens_of(const SearchRow& row, const LayerTrace& trace) {
  return trace.front_length(row.row.front) + static_cast<std::int64_t>(row.row.own.size());
}

// One of the three tensors of each row, one row after another.
at::Tensor joined(const std::vector<TracedRow>& rows, at::Tensor TracedRow::*part) {
  std::vector<at::Tensor> all;
  all.reserve(rows.size());
  for (const TracedRow& row : rows) all.push_back(row.*part);
  return at::cat(all, 0);
}

}  // namespace

std::vector<SearchRow> training_rows(const CallRows& all, const Tokenizer& tokenizer,
                                     const TrainingOptions& options) {
  const std::optional<std::int64_t> end = tokenizer.eos();
  if (options.end_token && !end)
    throw Error(ErrorKind::kConfig,
                "end_token: the tokenizer of this model names no end-of-text token; set end_token to false");
  std::vector<SearchRow> rows;
  for (std::size_t i = 0; i < all.size(); ++i) {
    SearchRow row = target_row(all, i, 0);
    if (options.end_token) append_token(row, *end);
    if (options.reading == TargetReading::kAtThePrompt) read_at_the_prompt(row);
    rows.push_back(std::move(row));
  }
  return rows;
}

TrainingRows::TrainingRows(const Model& model, const LayerTrace& trace, std::vector<SearchRow> rows,
                           std::int64_t most_tokens, std::vector<int> above)
    : model_(model),
      trace_(trace),
      rows_(std::move(rows)),
      most_tokens_(most_tokens),
      above_(std::move(above)) {
  std::int64_t tokens = 0;
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    all.push_back(i);
    tokens += tokens_of(rows_[i], trace_);
  }
  const std::int64_t numbers = model_.config().d_ff + 2 * model_.config().d_model;
  if (tokens * numbers * static_cast<std::int64_t>(sizeof(float)) <= kMostBytesKept) kept_ = traced(all);
}

std::vector<TracedRow> TrainingRows::traced(const std::vector<std::size_t>& which) const {
  if (!kept_.empty()) {
    std::vector<TracedRow> rows;
    for (const std::size_t i : which) rows.push_back(kept_[i]);
    return rows;
  }
  std::vector<TraceRow> rows;
  for (const std::size_t i : which) rows.push_back(rows_[i].row);
  return trace_.trace(rows);
}

std::vector<double> TrainingRows::losses(const std::vector<std::size_t>& which,
                                         const std::vector<at::Tensor>& changes,
                                         std::vector<at::Tensor>* gradients) const {
  std::vector<std::int64_t> sizes;
  for (const std::size_t i : which) sizes.push_back(tokens_of(rows_[i], trace_));
  std::vector<double> all;
  for (const RowRange range : split_by_size(sizes, most_tokens_)) {
    const std::vector<std::size_t> portion(which.begin() + static_cast<std::ptrdiff_t>(range.begin),
                                           which.begin() + static_cast<std::ptrdiff_t>(range.end));
    const std::vector<double> some = pass(portion, changes, 1 / static_cast<double>(which.size()), gradients);
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

// The rows stand alone and begin at position 0: the change reaches their first tokens, too.
PassInput TrainingRows::input_of(const std::vector<std::size_t>& which,
                                 const std::vector<TracedRow>& rows) const {
  PassInput input;
  input.begin_block = trace_.layer() + 1;
  std::int64_t first = 0;
  for (std::size_t i = 0; i < which.size(); ++i) {
    const std::int64_t length = rows[i].keys.size(0);
    input.ids.emplace_back(static_cast<std::size_t>(length), 0);  // only their number matters
    for (const std::int64_t at : rows_[which[i]].label_at) input.logit_tokens.push_back(first + at);
    first += length;
  }
  return input;
}

// [rows], given what each label's token says [labels, V].
at::Tensor TrainingRows::mean_nll(const std::vector<std::size_t>& which, const at::Tensor& logprobs) const {
  std::vector<std::int64_t> labels;
  std::vector<std::vector<std::int64_t>> of_row(which.size());
  std::vector<double> weights;
  for (std::size_t i = 0; i < which.size(); ++i)
    for (const std::int64_t label : rows_[which[i]].labels) {
      of_row[i].push_back(static_cast<std::int64_t>(labels.size()));
      labels.push_back(label);
      weights.push_back(1 / static_cast<double>(rows_[which[i]].labels.size()));
    }
  const at::Tensor index = index_tensor(labels, logprobs.device()).unsqueeze(1);
  return group_sums(of_row, weights, logprobs.device())(-logprobs.gather(1, index).squeeze(1));
}

TrainingRows::Written TrainingRows::written_first(const std::vector<TracedRow>& rows,
                                                  const at::Tensor& change, bool gradient) const {
  const ValuePath& path = trace_.value_path();
  Written first;
  first.keys = joined(rows, &TracedRow::keys);
  at::Tensor start = joined(rows, &TracedRow::hidden), rest;
  if (!path.is_direct()) {
    const at::Tensor values = joined(rows, &TracedRow::value);
    rest = start - path.arrived(values);
    start = values;
  }
  first.values = at::addmm(start, first.keys, change.t()).detach().to(model_.options());
  if (gradient) first.values.requires_grad_(true);
  first.hidden = path.is_direct() ? first.values : (rest + path.arrived(first.values)).to(model_.options());
  return first;
}

// The blocks up to `layer`, from the stream that `rows` begins with. What the unedited weight adds there is
// exchanged for what the changed one does.
TrainingRows::Written TrainingRows::written_above(int layer, const PassInput& rows,
                                                  const at::Tensor& change) const {
  const ValuePath path(model_, layer);
  PassInput input;
  input.ids = rows.ids;
  input.begin_block = rows.begin_block;
  input.hidden = rows.hidden;
  input.stop = PassInput::Stop::kBlock;
  input.stop_block = layer;
  input.recordings = {{Site::kKey, layer, {}}};
  if (!path.is_direct()) input.recordings.push_back({Site::kMlpOutput, layer, {}});
  const PassOutput output = model_.forward(input);
  const auto wide = [&](const at::Tensor& x) { return x.to(change.device(), at::kFloat); };
  Written above;
  above.keys = wide(output.recorded.front());
  at::Tensor start = wide(output.hidden), rest;
  if (!path.is_direct()) {
    const at::Tensor values = wide(output.recorded.back());
    rest = start - path.arrived(values);
    start = values;
  }
  above.values = at::addmm(start, above.keys, change.t()).to(model_.options());
  above.hidden = path.is_direct() ? above.values : (rest + path.arrived(above.values)).to(model_.options());
  return above;
}

// dL/dW = sum over tokens of dL/dv(x) k(x)^T, where v(x) = (W + change) k(x) + b.
std::vector<double> TrainingRows::pass(const std::vector<std::size_t>& which,
                                       const std::vector<at::Tensor>& changes, double share,
                                       std::vector<at::Tensor>* gradients) const {
  const at::AutoGradMode grad_mode(gradients != nullptr);
  const std::vector<TracedRow> rows = traced(which);
  std::vector<Written> written = {written_first(rows, changes.front(), gradients != nullptr)};
  PassInput input = input_of(which, rows);
  input.hidden = written.front().hidden;
  for (std::size_t i = 0; i < above_.size(); ++i) {
    written.push_back(written_above(above_[i], input, changes[i + 1]));
    input.begin_block = above_[i] + 1;
    input.hidden = written.back().hidden;
  }
  const at::Tensor logprobs = at::log_softmax(model_.forward(input).logits, 1);

  const at::Tensor of_row = mean_nll(which, logprobs);
  if (gradients != nullptr) {
    std::vector<at::Tensor> values;
    for (const Written& layer : written) values.push_back(layer.values);
    const auto of_values = torch::autograd::grad({of_row.sum() * share}, values);
    for (std::size_t i = 0; i < written.size(); ++i) {
      at::Tensor& gradient = (*gradients)[i];
      gradient.addmm_(of_values[i].to(gradient.device(), at::kFloat).t(), written[i].keys.detach());
    }
  }
  const at::Tensor host = of_row.detach().to(at::kDouble).cpu();
  return {host.const_data_ptr<double>(), host.const_data_ptr<double>() + host.numel()};
}

}  // namespace emend::editors
