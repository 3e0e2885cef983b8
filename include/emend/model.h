// A decoder-only transformer: its shape, its weights by role, its tokenizer, and the forward pass.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <compare>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "emend/compute.h"
#include "emend/pass.h"
#include "emend/progress.h"
#include "emend/tokenizer.h"

namespace emend {

enum class NormKind { kLayerNorm, kRmsNorm };
enum class ActivationKind { kGeluTanh, kGelu, kSilu, kRelu, kQuickGelu, kTanh };
// Norms of queries and keys before their rotation: none, one over the h numbers of each head, one over all
// heads together, or one over each head with factors of its own and without a bias (StableLM 2 12B).
enum class QkNorm { kNone, kPerHead, kFullWidth, kEachHead };
// Which dimensions of a head are rotated together: i and i + half, or neighbours.
enum class RotaryPairs { kHalfSplit, kInterleaved };

// Rotary positions of the blocks that name this table (BlockSpec::rotary).
struct RotaryTable {
  RotaryPairs pairs = RotaryPairs::kHalfSplit;
  // Radians a position, scaling applied: one for each pair of head dimensions that is rotated, [head_dim /
  // 2] or fewer. The dimensions after them are not rotated.
  std::vector<double> frequencies = {};
  // Rows of more than `long_from` positions use other angles, from their first position on; 0: all rows use
  // the same. They have frequencies of their own (longrope), or a base that grows with the row's length L
  // (dynamic): base ((factor L / long_from) - (factor - 1))^(n / (n - 2)), n being the number of rotated
  // dimensions.
  std::int64_t long_from = 0;
  std::vector<double> long_frequencies = {};
  double base = 0, dynamic_factor = 0;  // of the latter only
  double amplitude = 1;                 // factor of cosine and sine (yarn, longrope)
};

// One block: what it does with the residual stream.
struct BlockSpec {
  // --- attention
  bool qkv_bias = false;
  bool attention_out_bias = false;
  QkNorm qk_norm = QkNorm::kNone;
  int rotary = 0;                 // index of ModelConfig::rotary; kNoRotary: no rotation
  std::int64_t window = 0;        // a token sees itself and the window - 1 tokens before it; 0: all before it
  double attention_scale = 0;     // factor of q k^T; 0: 1 / sqrt(head_dim)
  bool scale_by_layer = false;    // divided by the block's number from 1 (GPT-2)
  double attention_soft_cap = 0;  // a score s becomes cap tanh(s / cap); 0: it stays
  bool alibi = false;             // scores grow with the key's position, by a slope of each head (Falcon RW)
  // --- MLP
  ActivationKind activation = ActivationKind::kGeluTanh;
  bool gated_mlp = false;  // key = act(gate x) * (up x) instead of act(up x)
  bool mlp_bias = false;
  // --- norms: before each half, and of what a half puts out, before it is added ("sandwich")
  NormKind norm = NormKind::kLayerNorm;
  double norm_eps = 1e-5;
  bool attention_norm = true;
  bool attention_post_norm = false;
  bool mlp_norm = true;  // parallel blocks without it: the MLP reads what attention reads (GPT-J)
  bool mlp_post_norm = false;
  // --- sums
  bool parallel = false;           // the MLP reads the stream that entered the block, not attention's sum
  double residual_multiplier = 1;  // factor of what each half adds

  bool operator==(const BlockSpec&) const = default;
};
constexpr int kNoRotary = -1;

// All that the forward pass depends on besides the weights. A family fills it from config.json or GGUF
// metadata.
struct ModelConfig {
  std::string family;  // "gpt2", "gptj", "llama", ...
  int layers = 0;
  std::int64_t d_model = 0;
  // The same in all blocks:
  std::int64_t d_ff = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;

  std::int64_t vocab = 0;  // rows of the embedding table; may exceed the tokenizer's ids
  std::int64_t max_positions = 0;
  BlockSpec block;                // of every block, unless `blocks` is given; its norm is the final norm too
  std::vector<BlockSpec> blocks;  // one for each layer where they differ, else empty
  std::vector<RotaryTable> rotary;
  bool learned_positions = true;     // a table of positions is added to the embedding
  std::int64_t position_offset = 0;  // position p is row p + offset of that table (OPT: 2)
  double embedding_multiplier = 1;
  double logit_multiplier = 1;
  double logit_soft_cap = 0;  // a logit x becomes cap tanh(x / cap); 0: it stays
  bool tied_head = true;
  bool head_bias = false;

  const BlockSpec& spec(int layer) const {
    return blocks.empty() ? block : blocks[static_cast<std::size_t>(layer)];
  }
};

class BlockReader;   // reads the matrices of blocks that are not kept (src/model/block_reader.h)
struct LoadedModel;  // weights by role and what else a checkpoint says (src/model/loader.h)

// Weights of one block in the form that the pass uses: [out, in], query, key and value fused, gate and up
// fused, norms as the factor that they multiply by. What the model does not have is an undefined tensor.
struct BlockWeights {
  at::Tensor attention_norm, attention_norm_bias;  // [D]
  at::Tensor qkv, qkv_bias;                        // [(H + 2K) h, D]: queries, keys, values
  at::Tensor query_norm, query_norm_bias;          // [h], [H h] of a norm over the full width, or [H, h]
  at::Tensor key_norm, key_norm_bias;              // [h], [K h] or [K, h]
  at::Tensor attention_out, attention_out_bias;    // [D, H h]
  at::Tensor attention_post_norm, attention_post_norm_bias;  // [D]
  at::Tensor mlp_norm, mlp_norm_bias;                        // [D]
  at::Tensor mlp_in, mlp_in_bias;                            // [F, D], or gate over up [2F, D]
  at::Tensor mlp_down, mlp_down_bias;            // [D, F]: the value projection that editors write
  at::Tensor mlp_post_norm, mlp_post_norm_bias;  // [D]
  std::shared_ptr<BlockReader> lender;  // of matrices that are not kept: gradients read them again; else null
  int number = 0;                       // by which the lender knows the block
};

struct ModelWeights {
  at::Tensor token_embedding;     // [V, D]
  at::Tensor position_embedding;  // [max_positions + offset, D], or undefined
  // As they are kept: where `reader` is set, matrices may have a shape and no memory (device meta).
  std::vector<BlockWeights> blocks;
  at::Tensor final_norm, final_norm_bias;  // [D]
  at::Tensor head, head_bias;              // [V, D], the same tensor as token_embedding when tied; [V]
  std::shared_ptr<BlockReader> reader;     // null: every weight is in memory

  // The block with all its numbers; those that are not kept are read from the file.
  BlockWeights block(int layer) const;
};

// What a tensor of a checkpoint is for. Families map names to roles; no other code knows the name of a
// tensor.
enum class Role {
  kTokenEmbedding,
  kPositionEmbedding,
  kAttentionNorm,
  kAttentionNormBias,
  kQkv,
  kQkvBias,
  kQuery,
  kQueryBias,
  kKey,
  kKeyBias,
  kValue,
  kValueBias,
  kQueryNorm,
  kQueryNormBias,
  kKeyNorm,
  kKeyNormBias,
  kAttentionOut,
  kAttentionOutBias,
  kAttentionPostNorm,
  kAttentionPostNormBias,
  kMlpNorm,
  kMlpNormBias,
  kMlpGateUp,
  kMlpGateUpBias,
  kMlpGate,
  kMlpGateBias,
  kMlpUp,
  kMlpUpBias,
  kMlpDown,
  kMlpDownBias,
  kMlpPostNorm,
  kMlpPostNormBias,
  kFinalNorm,
  kFinalNormBias,
  kHead,
  kHeadBias,
};
std::string role_name(Role role);

// One weight of a model: the part it plays, in which block, and of which expert.
struct WeightRef {
  int block = 0;
  Role role = Role::kMlpDown;
  int expert = -1;                                     // -1: the block has no experts
  auto operator<=>(const WeightRef&) const = default;  // NOLINT(modernize-use-nullptr): a false alarm
};
// "MLP down projection (the value projection) of block 4".
std::string weight_name(const WeightRef& weight);

// One tensor of the checkpoint and the part it plays, for `model info` and for writing back.
struct RoleEntry {
  Role role;
  int block;           // -1 outside blocks
  std::string tensor;  // name in the checkpoint; empty for a model made in memory
  std::string stored_type;
  std::vector<std::int64_t> stored_shape;
  bool stored_transposed;  // Conv1D: stored [in, out]
  std::string digest;      // of the stored bytes; for a model made in memory, its seed
};

// Where a model lies: one device, or several with whole blocks one after the other, so that a pass changes
// device a few times.
class Placement {
 public:
  Placement() = default;  // the CPU
  // "cpu", "cuda", "cuda:1", "cuda:0,cuda:1". Throws Error(kUsage) if a device is unknown, missing on this
  // machine, or named twice.
  static Placement parse(const std::string& text);

  // Never empty. The first one also holds the embeddings and the head, and there passes take and give
  // tensors.
  const std::vector<at::Device>& devices() const { return devices_; }
  const std::string& text() const { return text_; }  // as it was given to parse

 private:
  std::vector<at::Device> devices_ = {at::Device(at::kCPU)};
  std::string text_ = "cpu";
};

struct ModelOptions {
  Placement device;
  ComputeType dtype = ComputeType::kFloat32;
  // 0: torch's default; else set for the calling thread, and for threads that come later.
  int threads = 0;
  // Bytes of weights that are held at once, on the CPU; 0: all of them. With fewer than the model has, the
  // matrices of the lower blocks are read from the file whenever a pass comes to them, a block at a time:
  // slower, and bit for bit the same. Tables, norms and biases are always held, and the highest blocks as
  // many as fit beside the one that is being read.
  std::int64_t weight_bytes = 0;
};

class Model {
 public:
  // Loads a safetensors folder, a .safetensors file beside its config.json, or a .gguf file. Throws Error:
  // kIo, kFormat (broken file), kModel (unknown architecture, missing or mis-shaped tensors, all listed; NaN
  // or Inf in a weight, named), kConfig (weight_bytes is below the least that the model needs, which the
  // message states, or is used on a GPU or with several devices). With weight_bytes the file must stay as it
  // is while the model lives.
  static Model load(const std::filesystem::path& path, const ModelOptions& options = {},
                    Progress& progress = no_progress());

  // The same without its weights, in an instant whatever the size of the file: shapes, roles and tokenizer.
  // The weights have no memory (device meta), so it cannot run a pass; there is a fingerprint if the file
  // has at most 512 MiB of tensors. Throws Error as load does, except for numbers, which it does not read.
  static Model describe(const std::filesystem::path& path, const ModelOptions& options = {},
                        Progress& progress = no_progress());

  // Random weights of the given shape, normal with standard deviation 0.02 (output projections / sqrt(2
  // layers), norms 1), made on the device. Same seed and device, same weights. A tokenizer may be given
  // (nullptr: none); its ids must lie within the vocabulary.
  static Model make_random(const ModelConfig& config, std::uint64_t seed, const ModelOptions& options,
                           std::unique_ptr<Tokenizer> tokenizer = nullptr);

  // A model over weights that are there already, on one device: wrap_model (emend/wrap_model.h) calls it. All
  // weights have the dtype of `options`.
  static Model adopt(LoadedModel loaded, const std::filesystem::path& path, const at::TensorOptions& options);

  // A second model over the same tensors, without a copy of them: a weight that is assigned in one leaves the
  // other as it is.
  Model share() const;

  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  const ModelConfig& config() const;
  const ModelWeights& weights() const;
  // A weight that edits may change, in the math orientation [out, in]: the down projection of a block. What
  // is assigned takes its place; ScopedEdit and EditStack do that and put the old tensor back. Throws
  // Error(kModel) for any other weight.
  // A weight that is not kept is read, and stays in memory from then on.
  at::Tensor& weight(const WeightRef& weight);
  // The numbers of the weight; a weight that is not kept is read for this call.
  at::Tensor weight(const WeightRef& weight) const;
  // Puts `tensor` in the weight's place and returns what stood there, so that it can be put back in the same
  // way. For a weight that is not kept, that is a placeholder without numbers.
  at::Tensor exchange_weight(const WeightRef& weight, const at::Tensor& tensor);
  // Blocks below this one are read whenever a pass comes to them (ModelOptions::weight_bytes); 0: none.
  int first_kept_block() const;
  const std::vector<RoleEntry>& roles() const;

  bool has_tokenizer() const;
  const Tokenizer& tokenizer() const;  // throws Error(kModel) if the model has none
  const std::filesystem::path& path() const;
  // dtype of weights and activations, and the device where passes take and give tensors: the first one of a
  // model over several.
  at::TensorOptions options() const;
  ComputeType compute_type() const;    // of weights and activations
  const std::string& devices() const;  // Placement::text()
  // The same as patches and results keep it; empty for a kind of device that Placement does not know, which
  // the model of another program (wrap_model) may lie on.
  std::vector<DeviceName> device_names() const;
  std::int64_t bytes() const;  // memory of the weights if all of them are kept
  // XXH3-128, hexadecimal, of all weights as they are in memory now, with the edits that are laid on them.
  std::string weights_digest() const;

  // Hexadecimal. fingerprint is of all weights; key_fingerprint is of all that the keys of a block depend on
  // (embeddings, the blocks below, the block itself without its down projection), so that statistics stay
  // valid after an edit at that block or above. Both include the tokenizer.
  std::string fingerprint() const;
  bool has_fingerprint() const;  // false: the weights were not read (describe), and fingerprint throws
  std::string key_fingerprint(int block) const;

  // One pass. Work: about 2 N (parameters of the blocks that run) floating point operations, plus 2 V D for
  // each logit row. Gradients flow to interventions' values and `hidden`; weights never take part. Call under
  // c10::NoGradGuard if no gradient is wanted. Throws Error(kModel) for rows longer than max_positions.
  PassOutput forward(const PassInput& input) const;
  // Positions, masks and rotary angles of these rows, for `layout` of many passes over rows like them: it
  // depends on the rows' and the cache's lengths, cache_row, append, knockouts and logit_tokens, not on ids,
  // vectors or blocks.
  std::shared_ptr<const RowLayout> lay_out(const PassInput& input) const;

 private:
  struct State;
  explicit Model(std::unique_ptr<State> state);
  static Model read(const std::filesystem::path& path, const ModelOptions& options, bool weights,
                    Progress& progress);
  std::unique_ptr<State> state_;
};

}  // namespace emend
