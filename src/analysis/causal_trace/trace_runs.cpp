#include "analysis/causal_trace/trace_runs.h"

#include <ATen/ATen.h>

#include <numeric>

#include "model/rows.h"

namespace emend::trace {

namespace {

std::vector<double> to_doubles(const at::Tensor& values) {
  const at::Tensor held = values.to(at::kDouble).cpu().contiguous();
  return {held.data_ptr<double>(), held.data_ptr<double>() + held.numel()};
}

constexpr Site kSites[] = {Site::kBlockOutput, Site::kMlpOutput, Site::kAttentionOutput};

}  // namespace

double TraceRuns::mean_low() const {
  return std::accumulate(low.begin(), low.end(), 0.0) / static_cast<double>(low.size());
}

KvCache TraceRuns::cache_before(std::int64_t token) const {
  KvCache before = cache;
  before.lengths.assign(before.lengths.size(), token);
  return before;
}

at::Tensor answer_probability(const at::Tensor& logits, const TokenIds& answer) {
  require_embedding_rows(answer, logits.size(1));
  const auto tokens = static_cast<std::int64_t>(answer.size());
  const std::int64_t rows = logits.size(0) / tokens;
  const at::Tensor labels = index_tensor(answer, logits.device()).repeat({rows}).unsqueeze(1);
  const at::Tensor chosen = logits.gather(1, labels).squeeze(1) - at::logsumexp(logits, {1});
  return chosen.view({rows, tokens}).to(at::kDouble).mean(1).exp();
}

std::vector<std::int64_t> reading_tokens(std::int64_t rows, std::int64_t width, std::int64_t answer_tokens) {
  std::vector<std::int64_t> tokens;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t j = width - answer_tokens; j < width; ++j) tokens.push_back(r * width + j);
  return tokens;
}

TraceRuns run_clean_and_corrupted(const Model& model, const TracedPrompt& row, const at::Tensor& subject) {
  const ModelConfig& config = model.config();
  const std::int64_t samples = subject.size(0), tokens = row.size(), d = config.d_model;
  const at::Device device = model.options().device();
  TraceRuns runs;
  runs.row = row;
  runs.samples = static_cast<int>(samples);
  runs.cache = KvCache(config, 0, samples + 1, tokens, model.options());

  PassInput input;
  input.ids.assign(static_cast<std::size_t>(samples + 1), row.ids);
  input.cache = &runs.cache;
  input.append = true;
  std::vector<std::int64_t> noisy;
  for (std::int64_t s = 1; s <= samples; ++s)
    for (std::int64_t t = row.subject_begin; t < row.subject_end; ++t) noisy.push_back(s * tokens + t);
  input.interventions.push_back({Site::kTokenEmbedding, 0, Intervention::Kind::kReplace,
                                 index_tensor(noisy, device), subject.reshape({-1, d}).to(device)});
  input.recordings.push_back({Site::kEmbedding, 0, {}});
  for (const Site site : kSites)
    for (int l = 0; l < config.layers; ++l) input.recordings.push_back({site, l, {}});
  input.logit_tokens = reading_tokens(samples + 1, tokens, row.answer_tokens());
  PassOutput output = model.forward(input);

  const auto rows_of = [&](const at::Tensor& packed) { return packed.view({samples + 1, tokens, d}); };
  const at::Tensor embedding = rows_of(output.recorded[0]);
  runs.clean_embedding = embedding[0];
  runs.corrupted_embedding = embedding.narrow(0, 1, samples);
  std::size_t next = 1;
  for (SiteStates* states : {&runs.block, &runs.mlp, &runs.attention})
    for (int l = 0; l < config.layers; ++l) {
      const at::Tensor seen = rows_of(output.recorded[next++]);
      states->clean.push_back(seen[0]);
      states->corrupted.push_back(seen.narrow(0, 1, samples));
    }
  const std::vector<double> p = to_doubles(answer_probability(output.logits, row.answer));
  runs.high = p[0];
  runs.low.assign(p.begin() + 1, p.end());
  const at::Tensor likeliest = output.logits.narrow(0, 0, row.answer_tokens()).argmax(1).cpu();
  // What follows a token that is not the answer's was read behind the answer's: the model does not say that.
  for (std::int64_t j = 0; j < row.answer_tokens(); ++j) {
    runs.greedy.push_back(likeliest[j].item<std::int64_t>());
    if (runs.greedy.back() != row.answer[static_cast<std::size_t>(j)]) break;
  }
  return runs;
}

}  // namespace emend::trace
