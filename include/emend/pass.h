// The one question that every analysis and editor asks a model: run these token rows through these blocks,
// with these vectors changed, and give back what was recorded at these places.
//
// Names of sizes: N packed tokens of the pass, R rows, D d_model, F d_ff, V vocabulary, H query heads, K
// key/value heads, h head size. Tokens are packed: row 0's tokens, then row 1's, ... with no padding anywhere
// but inside attention.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace emend {

struct ModelConfig;
class RowLayout;  // how packed tokens lie in rows (src/model/row_layout.h)

// Where a vector can be read or changed, in the order in which a block passes them (but for the last two,
// which lie in front of the key). Some models put a norm or a multiplier between what a half of a block
// produces and what is added to the residual stream (BlockSpec): both outputs are what the projection
// produces, before those.
enum class Site {
  kEmbedding,  // [D] token plus position embedding: the residual stream entering block 0 (`block` is ignored)
  kTokenEmbedding,   // [D] the row of the token table alone, before the embedding multiplier and positions
                     // (causal tracing's noise goes here)
  kAttentionOutput,  // [D] attention's output projection and bias: what it adds, if nothing lies between
  kKey,              // [F] input of the down projection: the key of the feed-forward memory
  kMlpOutput,  // [D] W k + b of the down projection: the value, and what the MLP adds if nothing lies between
  kBlockOutput,  // [D] the residual stream after the block
  kGate,         // [F] input of the activation: the gate's score, or the one score of an MLP without a gate
  kUp,           // [F] the score that the activated gate is multiplied by; only MLPs with a gate have it
};

// Keys and values of earlier positions, per block. A cache belongs to the caller. Rows have their own
// lengths; slots past a row's length hold no meaning. Positions count from 0, so slot j is position j.
class KvCache {
 public:
  KvCache() = default;
  // For blocks [first_block, config.layers); storage [rows, K, capacity, h] a block, float type and device as
  // given.
  KvCache(const ModelConfig& config, int first_block, std::int64_t rows, std::int64_t capacity,
          const at::TensorOptions& options);

  int first_block() const { return first_block_; }
  std::int64_t rows() const { return static_cast<std::int64_t>(lengths.size()); }
  std::int64_t capacity() const { return capacity_; }
  const at::Tensor& keys(int block) const { return keys_[static_cast<std::size_t>(block - first_block_)]; }
  const at::Tensor& values(int block) const {
    return values_[static_cast<std::size_t>(block - first_block_)];
  }

  // The given rows, in that order, cut to `max_length` slots (lengths are cut too), for blocks >=
  // first_block.
  KvCache select(const std::vector<std::int64_t>& rows, int first_block, std::int64_t max_length) const;
  // Room for at least `capacity` slots a row; the contents stay.
  void reserve(std::int64_t capacity);

  // Moves a block's keys and values to the device of its weights, where they are not there yet.
  void place(int block, const at::Device& device);

  std::vector<std::int64_t> lengths;  // positions held, per row

 private:
  int first_block_ = 0;
  std::int64_t capacity_ = 0;
  std::vector<at::Tensor> keys_, values_;
};

// Vectors changed at a site. If several change the same vector, they are applied in the order listed.
struct Intervention {
  enum class Kind { kReplace, kAdd, kScale };
  Site site = Site::kBlockOutput;
  int block = 0;
  Kind kind = Kind::kAdd;
  at::Tensor tokens;  // [n] int64, packed token indices, distinct for kReplace and kScale
  at::Tensor values;  // [n, D or F] (kScale: [n, 1] too); may require grad
};

// Attention edges cut: query token (packed) does not see the key at `position` of its own row, in blocks
// [begin, end).
struct Knockout {
  int begin_block = 0;
  int end_block = 0;
  std::int64_t token = 0;
  std::int64_t position = 0;
};

// A low-rank change of the down projection, in the form of an adapter: y += B ((A k) * gate(row)).
struct Overlay {
  int block = 0;
  at::Tensor A;  // [n, F]
  at::Tensor B;  // [D, n]
  at::Tensor
      gate;  // [R, n] 0 or 1 (or any weight): which components act on which row; undefined: all on all rows
};

struct Recording {
  Site site = Site::kBlockOutput;
  int block = 0;
  at::Tensor tokens;  // [n] int64 packed token indices; undefined: all tokens
};

struct PassInput {
  // --- rows: what is run
  std::vector<std::vector<std::int64_t>> ids;  // new tokens of each row, at least one each
  // Rows that begin alike may share tokens: the packed token that stands at each position of each row,
  // numbered in the order in which rows, one after the other, meet them. All positions that share a token
  // have the same ids before them, nothing else before them, and the same overlays. Empty: every position is
  // a token of its own, row after row. Does not go with knockouts.
  std::vector<std::vector<std::int64_t>> token_of;
  // --- what stands in front of them
  KvCache* cache = nullptr;  // earlier positions; nullptr: every row begins at position 0
  std::vector<std::int64_t>
      cache_row;  // row of the cache that each row continues (-1: none); empty: row i continues cache row i
  // Write the new keys and values into the cache (cache rows distinct; no gradients). Rows with -1, which are
  // not kept, need a pass whose rows all begin at position 0.
  bool append = false;
  std::shared_ptr<const RowLayout>
      layout;  // from Model::lay_out, for many passes over rows of the same lengths that read the same logits
  // --- where to begin and to stop
  int begin_block = 0;
  at::Tensor hidden;  // [N, D] residual stream entering begin_block; undefined: embed the ids
  enum class Stop { kKey, kBlock, kLogits };
  Stop stop = Stop::kLogits;
  int stop_block = -1;  // for kKey and kBlock: the last block that runs (kKey: up to its key)
  std::vector<std::int64_t> logit_tokens;  // packed indices whose logits are wanted; empty: none
  // The last block finishes logit_tokens alone after its attention; `hidden` is not returned. Interventions
  // and recordings of that block are not allowed.
  bool logits_only = false;
  // --- what is changed and seen
  std::vector<Intervention> interventions;
  std::vector<Knockout> knockouts;
  std::vector<Overlay> overlays;
  std::vector<Recording> recordings;
  // Takes each recording (by its index) as soon as its vectors are known; the tensors of
  // PassOutput::recorded then stay undefined. Use it for vectors that are too large to be held for all blocks
  // at once. An exception from it ends the pass. In a model over several devices the vectors lie where their
  // block does; all that PassOutput holds lies on the first device.
  std::function<void(std::size_t recording, const at::Tensor& vectors)> on_recorded;
};

struct PassOutput {
  at::Tensor hidden;  // [N, D] residual stream after the last block that ran whole; undefined after kKey and
                      // where logits are read
  at::Tensor logits;  // [logit_tokens, V] float32; undefined when none were asked for
  std::vector<at::Tensor> recorded;  // one a recording, [n, D or F]
};

}  // namespace emend
