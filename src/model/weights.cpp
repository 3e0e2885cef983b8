#include "model/weights.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <map>

#include "emend/error.h"
#include "model/block_reader.h"
#include "model/device_memory.h"

namespace emend {

std::string weight_name(const WeightRef& weight) {
  const std::string expert = weight.expert < 0 ? "" : ", expert " + std::to_string(weight.expert);
  return role_name(weight.role) + " of block " + std::to_string(weight.block) + expert;
}

void check_config(const ModelConfig& c, const std::string& where) {
  const auto require = [&](bool ok, const std::string& rule) {
    if (!ok) throw Error(ErrorKind::kModel, where + ": " + rule);
  };
  require(c.layers > 0 && c.layers <= 10000,
          fmt::format("the number of layers must be between 1 and 10000, found {}", c.layers));
  require(c.blocks.empty() || c.blocks.size() == static_cast<std::size_t>(c.layers),
          fmt::format("{} blocks are described, but there are {} layers", c.blocks.size(), c.layers));
  require(c.d_model > 0 && c.d_ff > 0 && c.vocab > 0 && c.max_positions > 0,
          "hidden size, MLP size, vocabulary and positions must be positive");
  require(c.d_model < (1 << 24) && c.d_ff < (1 << 24) && c.vocab < (1 << 24),
          "a size is larger than any real model's");
  require(c.heads > 0 && c.kv_heads > 0 && c.heads % c.kv_heads == 0,
          fmt::format("the number of heads ({}) must be a multiple of the key/value heads ({})", c.heads,
                      c.kv_heads));
  require(c.head_dim > 0 && (c.rotary.empty() || c.head_dim % 2 == 0),
          "the head size must be even and positive");
  for (const RotaryTable& table : c.rotary) {
    const std::int64_t turned = 2 * static_cast<std::int64_t>(table.frequencies.size());
    require(turned > 0 && turned <= c.head_dim,
            fmt::format("the rotary dimensions ({}) do not fit the head size ({})", turned, c.head_dim));
    require(table.long_from == 0 || table.dynamic_factor != 0 ||
                table.long_frequencies.size() == table.frequencies.size(),
            "the rotary frequencies of long rows must be as many as those of short ones");
  }
  require(c.logit_soft_cap >= 0, "the soft cap of the logits is negative");
  require(c.family != "gpt2" || c.heads * c.head_dim == c.d_model,
          "the hidden size must be a multiple of the number of heads");
  for (int l = 0; l < c.layers; ++l) {
    const BlockSpec& spec = c.spec(l);
    require(spec.rotary >= kNoRotary && (c.rotary.empty() || spec.rotary < static_cast<int>(c.rotary.size())),
            fmt::format("block {} names a rotary table that is not there", l));
    require(spec.attention_soft_cap >= 0 && spec.attention_scale >= 0,
            fmt::format("the attention scale or soft cap of block {} is negative", l));
    require(spec.window >= 0, fmt::format("the window of block {} is negative", l));
    require(spec.alibi == c.block.alibi && spec.norm == c.block.norm, "all blocks need one kind of norm");
  }
}

namespace {

at::Tensor allocate_weight(const RoleInfo& info, const ModelConfig& c, const BlockSpec& spec,
                           const at::TensorOptions& options) {
  const std::vector<std::int64_t> shape = info.shape(c, spec);
  return shape.empty() ? at::Tensor() : at::empty(shape, options);
}

BlockWeights allocate_block(const ModelConfig& c, const BlockSpec& spec, const at::TensorOptions& options,
                            const at::TensorOptions& of_matrices) {
  BlockWeights block;
  for (const RoleInfo& info : role_table())
    if (info.in_block && info.is_whole())
      block.*info.in_block =
          allocate_weight(info, c, spec, is_block_matrix(info.in_block) ? of_matrices : options);
  return block;
}

ModelWeights allocate(const ModelConfig& c, const at::TensorOptions& options,
                      const std::vector<at::Device>& block_device, int first_kept = 0) {
  ModelWeights w;
  for (const RoleInfo& info : role_table())
    if (info.in_model) w.*info.in_model = allocate_weight(info, c, c.block, options);
  if (c.tied_head) w.head = w.token_embedding;
  for (std::size_t l = 0; l < block_device.size(); ++l) {
    const int layer = static_cast<int>(l);
    const at::TensorOptions there = options.device(block_device[l]);
    w.blocks.push_back(
        allocate_block(c, c.spec(layer), there, layer < first_kept ? there.device(at::kMeta) : there));
  }
  return w;
}

std::int64_t bytes_of(const std::vector<at::Tensor>& tensors) {
  std::int64_t bytes = 0;
  for (const at::Tensor& t : tensors) bytes += static_cast<std::int64_t>(t.nbytes());
  return bytes;
}

// Throws when a device has less room than its share of the weights takes.
void require_room(const ModelConfig& c, const at::TensorOptions& options,
                  const std::vector<at::Device>& block_device) {
  const at::TensorOptions nowhere = options.device(at::kMeta);
  const std::int64_t block = c.layers == 0 ? 0
                                           : bytes_of(all_weights(allocate(c, nowhere, {at::kMeta}))) -
                                                 bytes_of(all_weights(allocate(c, nowhere, {})));
  const std::int64_t tables = bytes_of(all_weights(allocate(c, nowhere, {})));
  std::map<std::string, std::pair<at::Device, std::int64_t>> needed;
  const auto add = [&](const at::Device& device, std::int64_t bytes) {
    needed.try_emplace(device.str(), device, 0).first->second.second += bytes;
  };
  add(options.device(), tables);
  for (const at::Device& device : block_device) add(device, block);
  for (const auto& [name, share] : needed)
    require_room_for_weights(share.second, options.device(share.first));
}

}  // namespace

ModelWeights allocate_weights(const ModelConfig& config, const at::TensorOptions& options,
                              const std::vector<at::Device>& block_device, int first_kept) {
  require_room(config, options, block_device);
  return allocate(config, options, block_device, first_kept);
}

at::Tensor weight_view(ModelWeights& w, const ModelConfig& c, Role role, int block) {
  const RoleInfo& info = role_info(role);
  if (info.in_model) return role == Role::kHead && c.tied_head ? at::Tensor() : w.*info.in_model;
  return block_view(w.blocks.at(static_cast<std::size_t>(block)), c, role, block);
}

at::Tensor block_view(BlockWeights& weights, const ModelConfig& c, Role role, int number) {
  const RoleInfo& info = role_info(role);
  const at::Tensor& whole = weights.*info.in_block;
  if (info.is_whole() || !whole.defined()) return whole;
  const auto [begin, count] = info.part(c, c.spec(number));
  return count > 0 ? whole.narrow(0, begin, count) : at::Tensor();
}

BlockWeights ModelWeights::block(int layer) const {
  BlockWeights block = blocks[static_cast<std::size_t>(layer)];
  if (!reader) return block;
  block.lender = reader;
  block.number = layer;
  reader->lend(layer, block);
  return block;
}

namespace {

using Visit = std::function<void(const at::Tensor&)>;

void visit_tables(const ModelWeights& weights, const Visit& visit) {
  for (const RoleInfo& info : role_table()) {
    const bool again = info.role == Role::kHead && weights.head.is_same(weights.token_embedding);
    if (info.in_model && !again && (weights.*info.in_model).defined()) visit(weights.*info.in_model);
  }
}

void visit_block(const BlockWeights& block, const Visit& visit) {
  for (const RoleInfo& info : role_table())
    if (info.in_block && info.is_whole() && (block.*info.in_block).defined()) visit(block.*info.in_block);
}

}  // namespace

void for_each_weight(const ModelWeights& weights, const Visit& visit) {
  visit_tables(weights, visit);
  for (std::size_t l = 0; l < weights.blocks.size(); ++l)
    visit_block(weights.block(static_cast<int>(l)), visit);
}

std::vector<at::Tensor> all_weights(const ModelWeights& weights) {
  std::vector<at::Tensor> all;
  const auto add = [&](const at::Tensor& tensor) { all.push_back(tensor); };
  visit_tables(weights, add);
  for (const BlockWeights& block : weights.blocks) visit_block(block, add);
  return all;
}

}  // namespace emend
