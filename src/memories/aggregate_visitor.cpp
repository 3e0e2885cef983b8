#include "memories/aggregate_visitor.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <tuple>

#include "base/random.h"
#include "emend/error.h"
#include "emend/memory_view.h"
#include "memories/value_table.h"
#include "model/layers.h"
#include "model/rows.h"

namespace emend {
namespace {

enum : std::size_t { kScoreSite, kKeySite, kAttentionSite, kProducedSite, kLeavingSite };

// Streams of the numbers that rows and positions draw.
constexpr std::uint64_t kPositionStream = 0x61676772, kRowStream = 0x61676773;

at::Tensor plain(const at::Tensor& x) {
  return x.to(at::kCPU, at::kFloat).contiguous();
}

std::string layer_tensor(int layer) {
  return fmt::format("layer.{}", layer);
}

void take_numbers(const double* from, ExampleLayer& example) {
  for_each_number(example,
                  [&](auto& number) { number = static_cast<std::decay_t<decltype(number)>>(*from++); });
}

at::Tensor first_column(const at::Tensor& ids) {
  return ids.select(1, 0).contiguous();
}

}  // namespace

std::vector<std::uint64_t> draw_examples(const std::vector<PlacedRow>& rows, std::int64_t examples,
                                         std::uint64_t seed) {
  const Random positions(seed, kPositionStream), order(seed, kRowStream);
  std::vector<std::tuple<std::size_t, std::uint64_t, std::uint64_t>> drawn;  // round, lot, address
  for (const PlacedRow& row : rows) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> own;
    for (std::uint64_t j = 1; j < row.ids.size(); ++j)
      own.emplace_back(positions.bits(row.address + j), row.address + j);
    std::sort(own.begin(), own.end());
    for (std::size_t round = 0; round < std::min(own.size(), static_cast<std::size_t>(examples)); ++round)
      drawn.emplace_back(round, order.bits(own[round].second), own[round].second);
  }
  const std::size_t count = std::min(drawn.size(), static_cast<std::size_t>(examples));
  std::partial_sort(drawn.begin(), drawn.begin() + static_cast<std::ptrdiff_t>(count), drawn.end());
  std::vector<std::uint64_t> addresses;
  for (std::size_t i = 0; i < count; ++i) addresses.push_back(std::get<2>(drawn[i]));
  std::sort(addresses.begin(), addresses.end());
  return addresses;
}

AggregateVisitor::AggregateVisitor(const Model& model, const AggregateOptions& options,
                                   std::vector<std::uint64_t> addresses)
    : model_(model),
      layers_(options.layers),
      addresses_(std::move(addresses)),
      lens_(model, options.lens),
      head_(model, {.kind = LensKind::kHead, .mask_special = options.lens.mask_special}),
      one_lens_(options.lens.kind == LensKind::kLinear && !model.weights().final_norm_bias.defined() &&
                !model.weights().head_bias.defined()) {
  if (layers_.back() != model.config().layers - 1) layers_.push_back(model.config().layers - 1);
  places_.resize(addresses_.size());
  examples_.assign(layers_.size(), std::vector<ExampleLayer>(addresses_.size()));
  // Those that stand evenly among all.
  seeks_coalition_.assign(addresses_.size(), false);
  const auto count = static_cast<std::int64_t>(addresses_.size());
  for (std::int64_t k = 0; k < std::min(options.coalitions, count); ++k)
    seeks_coalition_[static_cast<std::size_t>(k * count / std::min(options.coalitions, count))] = true;
  for (const int layer : layers_) {
    add_tables(model, layer);
    if (options.coalitions == 0) tables_.back().folded = at::Tensor();
  }
}

void AggregateVisitor::add_tables(const Model& model, int layer) {
  const at::Tensor values = plain(FfnView(model, layer).values(ValueSide::kArriving));
  const at::Tensor folded = lens_.fold(values, layer);
  const VocabularyResult found = lens_.reduce(folded, 1);
  tables_.push_back({first_column(found.top_ids), first_column(found.bottom_ids), values.norm(2, 1), folded});
}

std::vector<Site> AggregateVisitor::sites() const {
  return {Site::kGate, Site::kKey, Site::kAttentionOutput, Site::kMlpOutput, Site::kBlockOutput};
}

AggregateVisitor::Vectors AggregateVisitor::vectors_of(const TextPortion& portion,
                                                       const std::vector<std::int64_t>& rows) const {
  const int layer = layers_[portion.layer];
  const BlockSpec& spec = model_.config().spec(layer);
  const BlockWeights& weights = model_.weights().blocks[static_cast<std::size_t>(layer)];
  std::vector<at::Tensor> chosen;
  for (const at::Tensor& site : portion.vectors)
    chosen.push_back(site.index_select(0, index_tensor(rows, site.device())));
  Vectors seen;
  seen.score = plain(chosen[kScoreSite]);
  seen.key = plain(chosen[kKeySite]);
  const at::Tensor produced = chosen[kProducedSite].to(at::kFloat);
  seen.added = plain(mlp_contribution(produced, weights, spec));
  seen.size = plain(FfnView(model_, layer).output_size(produced));
  seen.attention = plain(attention_contribution(chosen[kAttentionSite].to(at::kFloat), weights, spec));
  seen.output = plain(chosen[kLeavingSite]);
  seen.residual = seen.output - seen.added;
  seen.stream = seen.residual - seen.attention;
  return seen;
}

void AggregateVisitor::visit(const TextPortion& portion) {
  std::vector<std::int64_t> rows;
  std::vector<std::size_t> at;
  for (std::size_t t = 0; t < portion.tokens.size(); ++t) {
    const std::uint64_t address = portion.tokens[t].address;
    const auto found = std::lower_bound(addresses_.begin(), addresses_.end(), address);
    if (found == addresses_.end() || *found != address) continue;
    rows.push_back(static_cast<std::int64_t>(t));
    at.push_back(static_cast<std::size_t>(found - addresses_.begin()));
    places_[at.back()].position = portion.tokens[t].position;
  }
  if (rows.empty()) return;
  const Vectors seen = vectors_of(portion, rows);
  add_decisions(portion.layer, seen, at);
  add_cells(portion.layer, seen, at);
}

// From o over r to y', so that each knows the tokens whose ranks it is asked for.
void AggregateVisitor::add_decisions(std::size_t layer, const Vectors& seen,
                                     const std::vector<std::size_t>& at) {
  const int number = layers_[layer];
  const auto top = [&](const at::Tensor& x) {
    return first_column(lens_.reduce(lens_.fold(x, number), 1).top_ids);
  };
  const at::Tensor output_final = first_column(head_.reduce(head_.fold(seen.output, number), 1).top_ids);
  const at::Tensor output_top = one_lens_ ? output_final : top(seen.output);
  const at::Tensor folded = head_.fold(seen.residual, number);
  const VocabularyResult head = head_.reduce(folded, 1, output_top.unsqueeze(1));
  const VocabularyResult residual =
      one_lens_ ? head : lens_.reduce(lens_.fold(seen.residual, number), 1, output_top.unsqueeze(1));
  const at::Tensor residual_top = first_column(residual.top_ids);
  const VocabularyResult added = lens_.reduce(lens_.fold(seen.added, number), 1, residual_top.unsqueeze(1));
  const bool follows = layer > 0 && layers_[layer - 1] + 1 == number;  // its h is the output before
  const at::Tensor stream_top = follows ? at::Tensor() : top(seen.stream);
  const at::Tensor attention_top = top(seen.attention);
  const auto number_at = [](const at::Tensor& ids, std::size_t i) {
    return ids[static_cast<std::int64_t>(i)].item<std::int64_t>();
  };
  for (std::size_t i = 0; i < at.size(); ++i) {
    ExampleLayer& example = examples_[layer][at[i]];
    example.stream_top = follows ? examples_[layer - 1][at[i]].output_top : number_at(stream_top, i);
    example.attention_top = number_at(attention_top, i);
    example.residual_top = number_at(residual_top, i);
    example.residual_final = number_at(first_column(head.top_ids), i);
    example.ffn_top = number_at(first_column(added.top_ids), i);
    example.output_top = number_at(output_top, i);
    example.output_final = number_at(output_final, i);
    example.new_rank = number_at(residual.target_ranks.select(1, 0), i);
    example.old_rank = number_at(added.target_ranks.select(1, 0), i);
    if (number == model_.config().layers - 1) places_[at[i]].final_token = example.output_final;
  }
  waiting_.push_back({layer, at, folded, head.log_sum});
}

void AggregateVisitor::add_cells(std::size_t layer, const Vectors& seen, const std::vector<std::size_t>& at) {
  const LayerTables& tables = tables_[layer];
  const at::Tensor contributions = seen.key.abs() * tables.norms / seen.size;
  const at::Tensor favourites = at::where(seen.key > 0, tables.high, tables.low);
  for (std::size_t i = 0; i < at.size(); ++i) {
    ExampleLayer& example = examples_[layer][at[i]];
    const auto row = static_cast<std::int64_t>(i);
    const at::Tensor active = seen.score[row] > 0;
    const at::Tensor agrees = (favourites[row] == example.ffn_top).logical_and(seen.key[row] != 0);
    const at::Tensor both = agrees.logical_and(active);
    example.active = active.sum().item<std::int64_t>();
    example.agreeing = both.sum().item<std::int64_t>();
    example.agreeing_all = agrees.sum().item<std::int64_t>();
    add_spread(contributions[row], example);
    if (example.agreeing > 0)
      example.agreeing_share =
          (contributions[row].masked_select(both).sum() / contributions[row].sum()).item<double>();
    if (seeks_coalition_[at[i]]) add_coalition(layer, seen, row, example);
  }
}

void AggregateVisitor::add_coalition(std::size_t layer, const Vectors& seen, std::int64_t row,
                                     ExampleLayer& example) const {
  const at::Tensor& folded = tables_[layer].folded;
  const at::Tensor whole = lens_.fold(seen.added[row].unsqueeze(0), layers_[layer]);
  const at::Tensor first = lens_.reduce(whole, 2).top_ids[0];
  if (first.numel() < 2) return;
  const at::Tensor pushes = folded * (seen.key[row] / seen.size[row]).unsqueeze(1);  // [F, D]
  const at::Tensor direction =
      lens_.token_row(first[0].item<std::int64_t>()) - lens_.token_row(first[1].item<std::int64_t>());
  const at::Tensor order = at::mv(pushes, direction).argsort(/*stable=*/true, 0, /*descending=*/true);
  const at::Tensor base = whole[0] - pushes.sum(0);  // the biases, and what rounding left
  example.coalition = static_cast<double>(minimal_coalition(
      pushes, base, order, coalition_sizes(pushes.size(0)), example.ffn_top,
      [&](const at::Tensor& sums) { return first_column(lens_.reduce(sums.contiguous(), 1).top_ids); }));
}

bool AggregateVisitor::end_block() {
  for (const Waiting& one : waiting_) {
    std::vector<std::int64_t> tokens;
    for (const std::size_t at : one.at) tokens.push_back(places_[at].final_token);
    const at::Tensor logits = head_.logits_of(one.folded, at::tensor(tokens, at::kLong));
    const at::Tensor p = (logits.to(at::kDouble) - one.log_sum).exp();
    for (std::size_t i = 0; i < one.at.size(); ++i)
      examples_[one.layer][one.at[i]].final_probability = p[static_cast<std::int64_t>(i)].item<double>();
  }
  waiting_.clear();
  return true;
}

std::int64_t AggregateVisitor::seen() const {
  return std::count_if(places_.begin(), places_.end(),
                       [](const ExamplePlace& place) { return place.position > 0; });
}

void AggregateVisitor::save(FileWriter& writer) const {
  std::vector<std::int64_t> positions, finals;
  for (const ExamplePlace& place : places_) {
    positions.push_back(place.position);
    finals.push_back(place.final_token);
  }
  writer.add("layers", std::vector<std::int64_t>(layers_.begin(), layers_.end()));
  writer.add("addresses", addresses_);
  writer.add("positions", positions);
  writer.add("final_tokens", finals);
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    at::Tensor numbers = at::empty(
        {static_cast<std::int64_t>(places_.size()), static_cast<std::int64_t>(kExampleNumbers)}, at::kDouble);
    auto* to = numbers.data_ptr<double>();
    for (const ExampleLayer& example : examples_[l])
      for_each_number(example, [&](const auto& number) { *to++ = static_cast<double>(number); });
    writer.add(layer_tensor(layers_[l]), numbers);
  }
}

void AggregateVisitor::load(const TensorFile& file) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorKind::kFormat, file.path().string() + ": " + what);
  };
  const std::vector<std::int64_t> layers = read_numbers(file, "layers"),
                                  positions = read_numbers(file, "positions"),
                                  finals = read_numbers(file, "final_tokens");
  if (!std::equal(layers.begin(), layers.end(), layers_.begin(), layers_.end()))
    refuse("the tensor layers names other layers");
  if (read_fingerprints(file, "addresses") != addresses_ || positions.size() != addresses_.size() ||
      finals.size() != addresses_.size())
    refuse("the tensors addresses, positions and final_tokens are not those of the positions of this text");
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const std::string name = layer_tensor(layers_[l]);
    const at::Tensor numbers = stored_tensor(file, name, "F64");
    if (static_cast<std::size_t>(numbers.numel()) != addresses_.size() * kExampleNumbers)
      refuse(fmt::format("the tensor {} has {} numbers, {} are expected", name, numbers.numel(),
                         addresses_.size() * kExampleNumbers));
    const auto* const from = numbers.const_data_ptr<double>();
    for (std::size_t i = 0; i < addresses_.size(); ++i) {
      if (positions[i] > 0) take_numbers(from + i * kExampleNumbers, examples_[l][i]);
    }
  }
  for (std::size_t i = 0; i < addresses_.size(); ++i)
    if (positions[i] > 0) places_[i] = {positions[i], finals[i]};
}

// Of each position that a process has seen: its index, its place, and its numbers at all layers.
void AggregateVisitor::reduce(ShardGroup& group) {
  std::vector<std::uint64_t> own;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    if (places_[i].position == 0) continue;
    own.push_back(i);
    own.push_back(static_cast<std::uint64_t>(places_[i].position));
    own.push_back(static_cast<std::uint64_t>(places_[i].final_token));
    for (const std::vector<ExampleLayer>& layer : examples_)
      for_each_number(layer[i], [&](const auto& number) {
        own.push_back(std::bit_cast<std::uint64_t>(static_cast<double>(number)));
      });
  }
  const std::vector<std::uint64_t> all = group.gather_to_first(own);
  if (group.rank() != 0) return;
  const std::size_t stride = 3 + examples_.size() * kExampleNumbers;
  std::vector<bool> known(places_.size(), false);
  const auto refuse = [](const std::string& what) {
    throw Error(ErrorKind::kConfig, "aggregate: " + what + "; the processes have not read the same text");
  };
  if (all.size() % stride != 0) refuse("a process has sent the numbers of other layers");
  for (std::size_t at = 0; at < all.size(); at += stride) {
    if (all[at] >= places_.size())
      refuse(fmt::format("a process has sent position number {} of {}", all[at], places_.size()));
    if (known[all[at]]) refuse(fmt::format("two processes have sent position number {}", all[at]));
    known[all[at]] = true;
  }
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t i = all[at++];
    places_[i].position = static_cast<std::int64_t>(all[at++]);
    places_[i].final_token = static_cast<std::int64_t>(all[at++]);
    for (std::vector<ExampleLayer>& layer : examples_) {
      std::array<double, kExampleNumbers> numbers;
      for (double& number : numbers) number = std::bit_cast<double>(all[at++]);
      take_numbers(numbers.data(), layer[i]);
    }
  }
}

}  // namespace emend
