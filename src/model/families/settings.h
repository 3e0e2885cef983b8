// What families read alike: sizes, activation, layers that see a window, tables of tensor names.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model/families/family.h"

namespace emend {

// config.json's names for the sizes, where a family has its own; and what an absent setting means.
struct SizeNames {
  std::string layers = "num_hidden_layers";
  std::string d_model = "hidden_size";
  std::string d_ff = "intermediate_size";
  std::string heads = "num_attention_heads";
  std::string kv_heads = "num_key_value_heads";
  std::string head_dim = "head_dim";
  std::string positions = "max_position_embeddings";
  std::string norm_eps = "rms_norm_eps";
  std::optional<std::int64_t> d_ff_per_d_model;  // 4: an absent d_ff is four times the hidden size
  std::optional<double> default_norm_eps;
  // Class defaults that transformers leaves out of a nested text_config.
  std::optional<std::int64_t> default_heads, default_kv_heads, default_head_dim, default_vocab,
      default_positions;
  bool tied_by_default = false;
};

// The names of GPT-2 and its kin: its own, or those that transformers maps to them (attribute_map).
SizeNames gpt2_size_names();

// Sizes, norm and its epsilon, biases and head. RMSNorm by default; in GGUF the tensors tell which biases
// there are and whether the head is tied. Refuses mixtures of experts.
ModelConfig read_sizes(const ConfigValues& values, const TensorFile& file, const std::string& family,
                       const SizeNames& names = {}, NormKind norm = NormKind::kRmsNorm);

// The activation by the names that transformers has for it. Throws Error(kModel) with the known ones.
ActivationKind read_activation(const ConfigValues& values, const std::string& json,
                               const std::string& fallback);
// The same for the name itself; `setting` names where it is from.
ActivationKind activation_named(const std::string& name, const ConfigValues& values,
                                const std::string& setting);

// Throws Error(kModel) "WHERE: WHY is not supported" unless `ok`.
void require_supported(bool ok, const ConfigValues& values, const std::string& why);

// Which layers see a window only: from the list layer_types where there is one, else by `usual`. Throws
// Error(kModel) for a layer of a third kind. Empty for a number of layers that check_config refuses.
std::vector<bool> sliding_layers(const ConfigValues& values, int layers,
                                 const std::function<bool(int)>& usual);

// Gives every layer the common spec, changed by `change(spec, layer)`; layers that all end up alike stay one
// common spec.
void for_each_layer(ModelConfig& config, const std::function<void(BlockSpec&, int)>& change);

// "NAME.weight", and "NAME.bias" for a role whose bias is another one. GGUF names are the usual ones.
std::vector<TensorName> tensor(Role role, const std::string& name);
std::vector<TensorName> tensors(Role weight, Role bias, const std::string& name,
                                StoredForm form = StoredForm::kPlain);
std::vector<TensorName> joined(const std::vector<std::vector<TensorName>>& parts);
// The same without GGUF names.
std::vector<TensorName> without_gguf(std::vector<TensorName> tensors);

// Embedding, attention, gated MLP, final norm and head as Llama and its kin name them; the norms of blocks
// are left to the family.
std::vector<TensorName> llama_tensors();
// The two norms in front of the halves of a block, as Llama names them.
std::vector<TensorName> llama_norms();
// Norms of queries and keys, as Qwen 3 names them.
std::vector<TensorName> qk_norms();

}  // namespace emend
