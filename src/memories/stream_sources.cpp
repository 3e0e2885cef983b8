#include "memories/stream_sources.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <tuple>

#include "model/attention.h"
#include "model/layers.h"
#include "model/row_layout.h"
#include "model/rows.h"

namespace emend {
namespace {

// Sites that are recorded of each block, behind the two of the embedding.
constexpr std::size_t kEmbeddingSites = 2, kBlockSites = 3;

at::Tensor on_cpu(const at::Tensor& x) {
  return x.to(at::kCPU, at::kFloat);
}

PassInput whole_pass(const Model& model, const TokenIds& ids) {
  PassInput input;
  input.ids = {ids};
  input.stop = PassInput::Stop::kBlock;
  input.stop_block = model.config().layers - 1;
  input.recordings = {{Site::kTokenEmbedding, 0, {}}, {Site::kEmbedding, 0, {}}};
  for (int l = 0; l < model.config().layers; ++l)
    for (const Site site : {Site::kAttentionOutput, Site::kMlpOutput, Site::kBlockOutput})
      input.recordings.push_back({site, l, {}});
  return input;
}

// Strongest first; what stands at 0 did not write.
void keep_strongest(std::vector<ExplainSource>& sources, int count) {
  std::erase_if(sources, [](const ExplainSource& source) { return source.share == 0; });
  std::sort(sources.begin(), sources.end(), [](const ExplainSource& a, const ExplainSource& b) {
    const double x = std::abs(a.share), y = std::abs(b.share);
    if (x != y) return x > y;
    return std::tie(a.kind, a.layer, a.head, a.position) < std::tie(b.kind, b.layer, b.head, b.position);
  });
  if (sources.size() > static_cast<std::size_t>(count)) sources.resize(static_cast<std::size_t>(count));
}

}  // namespace

StreamSources::StreamSources(const Model& model, const TokenIds& ids, std::vector<std::int64_t> positions)
    : model_(model), tokens_(static_cast<std::int64_t>(ids.size())), positions_(std::move(positions)) {
  const c10::NoGradGuard no_gradients;
  std::sort(positions_.begin(), positions_.end());
  positions_.erase(std::unique(positions_.begin(), positions_.end()), positions_.end());
  const PassInput input = whole_pass(model, ids);
  const std::vector<at::Tensor> seen = model.forward(input).recorded;
  const at::Tensor places = index_tensor(positions_, model.options().device());
  const at::Tensor token = on_cpu(seen[0]) * model.config().embedding_multiplier;
  token_ = token.index_select(0, places.to(at::kCPU));
  place_ = on_cpu(seen[1]).index_select(0, places.to(at::kCPU)) - token_;
  at::Tensor entering = seen[1];
  for (int l = 0; l < model.config().layers; ++l) {
    const std::size_t first = kEmbeddingSites + kBlockSites * static_cast<std::size_t>(l);
    add_layer(model, l, entering, seen[first], seen[first + 1], places);
    entering = seen[first + 2];
  }
}

void StreamSources::add_layer(const Model& model, int layer, const at::Tensor& entering,
                              const at::Tensor& attention, const at::Tensor& produced,
                              const at::Tensor& places) {
  const BlockSpec& spec = model.config().spec(layer);
  const BlockWeights weights = model.weights().block(layer);
  const at::Device device = weights.mlp_down.device();
  PassInput row;
  row.ids = {TokenIds(static_cast<std::size_t>(tokens_), 0)};
  const RowLayout layout = RowLayout(row, model.config(), model.options(), /*bucketed=*/false).on(device);
  const at::Tensor x = entering.to(device), at = places.to(device);
  const at::Tensor normal =
      spec.attention_norm ? normalise(x, weights.attention_norm, weights.attention_norm_bias, spec) : x;
  const HeadReads reads = head_reads(normal, weights, model.config(), layer, layout, at);
  const at::Tensor written = attention.to(device).index_select(0, at);
  const at::Tensor size = weights.attention_post_norm.defined()
                              ? norm_size(written, spec)
                              : at::ones({at.size(0), 1}, written.options().dtype(at::kFloat));
  const at::Tensor added = mlp_contribution(produced.to(device).index_select(0, at), weights, spec);
  layers_.push_back({on_cpu(reads.weights), on_cpu(reads.values), on_cpu(size), on_cpu(added)});
}

std::int64_t StreamSources::place_of(std::int64_t position) const {
  return std::lower_bound(positions_.begin(), positions_.end(), position) - positions_.begin();
}

// `asked` [n]: the readers that this layer's attention wrote for; `at` [n]: their places; `directions` [n,
// D]. Head j brings from token t: weights[j, at, t] (values[t, j'] W_j) * p, with p what the norm behind
// attention makes of the direction.
void StreamSources::add_heads(int layer, const at::Tensor& asked, const at::Tensor& directions,
                              const at::Tensor& at, Shares& shares) const {
  const ModelConfig& config = model_.config();
  const BlockSpec& spec = config.spec(layer);
  const BlockWeights weights = model_.weights().block(layer);
  const Layer& seen = layers_[static_cast<std::size_t>(layer)];
  const at::Tensor scaled = directions * spec.residual_multiplier;
  at::Tensor pulled = scaled;
  if (weights.attention_post_norm.defined())
    pulled = centred(scaled * on_cpu(weights.attention_post_norm), spec) / seen.size.index_select(0, at);
  const std::int64_t kv = config.kv_heads, group = config.heads / kv;
  const at::Tensor heads =
      at::matmul(pulled, on_cpu(weights.attention_out)).view({-1, kv, group, config.head_dim});
  const at::Tensor products = at::einsum("nkgh,tkh->nkgt", {heads, seen.values}).flatten(1, 2);  // [n, H, N]
  const at::Tensor brought = products * seen.weights.index_select(1, at).transpose(0, 1);
  shares.heads.select(1, layer).index_copy_(0, asked, brought);
  at::Tensor bias = at::zeros({asked.size(0)}, at::kDouble);
  if (weights.attention_out_bias.defined())
    bias += at::mv(pulled, on_cpu(weights.attention_out_bias)).to(at::kDouble);
  if (weights.attention_post_norm_bias.defined())
    bias += at::mv(scaled, on_cpu(weights.attention_post_norm_bias)).to(at::kDouble);
  shares.biases.select(1, layer).index_copy_(0, asked, bias);
}

StreamSources::Shares StreamSources::shares_of(const std::vector<StreamReader>& readers) const {
  const auto count = static_cast<std::int64_t>(readers.size()),
             layers = static_cast<std::int64_t>(layers_.size());
  std::vector<at::Tensor> rows;
  std::vector<std::int64_t> places;
  for (const StreamReader& reader : readers) {
    rows.push_back(on_cpu(reader.direction));
    places.push_back(place_of(reader.position));
  }
  const at::Tensor directions = at::stack(rows), at = at::tensor(places, at::kLong);
  const auto product = [](const at::Tensor& a, const at::Tensor& b) {
    return (a * b).sum(1, false, at::kDouble);
  };
  Shares shares{at::zeros({count, layers, model_.config().heads, tokens_}),
                at::zeros({count, layers}, at::kDouble), at::zeros({count, layers}, at::kDouble),
                product(directions, token_.index_select(0, at)),
                product(directions, place_.index_select(0, at))};
  for (int l = 0; l < layers; ++l) {
    std::vector<std::int64_t> behind_attention, behind_ffn;
    for (std::int64_t r = 0; r < count; ++r) {
      const StreamReader& reader = readers[static_cast<std::size_t>(r)];
      if (reader.blocks > l || (reader.blocks == l && reader.attention)) behind_attention.push_back(r);
      if (reader.blocks > l) behind_ffn.push_back(r);
    }
    if (!behind_attention.empty()) {
      const at::Tensor asked = at::tensor(behind_attention, at::kLong);
      add_heads(l, asked, directions.index_select(0, asked), at.index_select(0, asked), shares);
    }
    if (behind_ffn.empty()) continue;
    const at::Tensor asked = at::tensor(behind_ffn, at::kLong);
    const at::Tensor& added = layers_[static_cast<std::size_t>(l)].added;
    shares.ffn.select(1, l).index_copy_(
        0, asked,
        product(directions.index_select(0, asked), added.index_select(0, at.index_select(0, asked))));
  }
  return shares;
}

SourceSum StreamSources::sum_of(const StreamReader& reader, const Shares& shares, std::int64_t row,
                                int strongest) const {
  SourceSum sum;
  sum.value = reader.value;
  sum.embedding = shares.token[row].item<double>();
  sum.positions = shares.place[row].item<double>();
  sum.ffn = shares.ffn[row].sum().item<double>();
  sum.biases = reader.constant + shares.biases[row].sum().item<double>();
  const at::Tensor heads = shares.heads[row].to(at::kDouble);  // [L, H, N]
  sum.heads = heads.sum().item<double>();
  const at::Tensor tokens = heads.sum(at::IntArrayRef{0, 1});
  sum.tokens.assign(tokens.const_data_ptr<double>(), tokens.const_data_ptr<double>() + tokens_);

  const std::int64_t per_layer = heads.size(1) * tokens_;
  const at::Tensor flat = heads.flatten();
  const at::Tensor best = std::get<1>(flat.abs().topk(std::min<std::int64_t>(strongest, flat.numel())));
  using Kind = ExplainSource::Kind;
  std::vector<ExplainSource> sources = {{Kind::kEmbedding, -1, -1, reader.position, sum.embedding},
                                        {Kind::kPosition, -1, -1, reader.position, sum.positions},
                                        {Kind::kBias, -1, -1, -1, sum.biases}};
  for (std::int64_t k = 0; k < best.numel(); ++k) {
    const auto place = best[k].item<std::int64_t>();
    sources.push_back({Kind::kHead, static_cast<int>(place / per_layer),
                       static_cast<int>(place % per_layer / tokens_), place % tokens_,
                       flat[place].item<double>()});
  }
  for (int l = 0; l < static_cast<int>(layers_.size()); ++l)
    sources.push_back({Kind::kFfn, l, -1, reader.position, shares.ffn[row][l].item<double>()});
  keep_strongest(sources, strongest);
  sum.strongest = std::move(sources);
  return sum;
}

std::vector<SourceSum> StreamSources::sums(const std::vector<StreamReader>& readers, int strongest) const {
  if (readers.empty()) return {};
  const c10::NoGradGuard no_gradients;
  const Shares shares = shares_of(readers);
  std::vector<SourceSum> sums;
  for (std::size_t r = 0; r < readers.size(); ++r)
    sums.push_back(sum_of(readers[r], shares, static_cast<std::int64_t>(r), strongest));
  return sums;
}

at::Tensor StreamSources::brought(const StreamReader& reader) const {
  const c10::NoGradGuard no_gradients;
  return shares_of({reader}).heads[0].sum(1, false, at::kDouble);
}

at::Tensor StreamSources::head_weights(int layer, std::int64_t position) const {
  return layers_[static_cast<std::size_t>(layer)].weights.select(1, place_of(position));
}

}  // namespace emend
