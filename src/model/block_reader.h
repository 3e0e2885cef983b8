// Blocks whose matrices are not kept in memory: they are read from the checkpoint whenever a pass comes to
// them, one block at a time.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/TensorBase.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "emend/model.h"
#include "emend/tensor_file.h"
#include "model/weight_filling.h"

namespace emend {

using BlockMatrix = at::Tensor BlockWeights::*;

// The matrices of a block: all of its weights but norms and biases.
inline constexpr std::array<BlockMatrix, 4> kBlockMatrices = {
    &BlockWeights::qkv, &BlockWeights::attention_out, &BlockWeights::mlp_in, &BlockWeights::mlp_down};

inline bool is_block_matrix(BlockMatrix member) {
  return std::find(kBlockMatrices.begin(), kBlockMatrices.end(), member) != kBlockMatrices.end();
}

// One tensor of the file that belongs to a matrix of a block.
struct MatrixPart {
  Role role;
  std::int64_t row;       // of the matrix that it fills; -1: all that its role names
  WeightFilling filling;  // its target is set when the matrix is there
  std::size_t place;      // among the tensors of the checkpoint
};

// Holds one block: that which was read last. Any thread may call any method.
class BlockReader {
 public:
  // parts[l]: the tensors of block l's matrices. `tensors`: the type of the weights, on the CPU.
  BlockReader(std::shared_ptr<const TensorFile> file, const ModelConfig& config,
              std::vector<std::vector<MatrixPart>> parts, const at::TensorOptions& tensors, int threads);

  // Fills those matrices of a kept block that have no memory. They are bit for bit what loading makes of
  // them, and stay as they are for as long as somebody holds them; when nobody does, the next block is read
  // into the same memory.
  void lend(int block, BlockWeights& kept);

  int blocks() const { return static_cast<int>(parts_.size()); }  // the lowest ones

  // Whether this is a matrix of the block that is held now.
  bool is_lent(const at::Tensor& matrix) const;
  // A matrix of a block.
  at::Tensor matrix(int block, BlockMatrix which);

  // Reads a block for the first time: digests of its tensors go to their places. Throws Error(kModel) naming
  // a tensor that holds NaN or infinite values.
  void check(int block, std::vector<std::string>& digests);

  // Wall-clock seconds that reading a block took so far, on average.
  double seconds_a_block() const;

 private:
  void hold(int block, Digests digests);
  std::vector<WeightFilling> fillings(int block);
  bool fits(int block) const;
  void ask_for_next(int block);

  std::shared_ptr<const TensorFile> file_;
  ModelConfig config_;
  std::vector<std::vector<MatrixPart>> parts_;
  at::TensorOptions tensors_;
  int threads_;

  mutable std::mutex mutex_;
  BlockWeights held_;                 // its matrices alone
  int number_ = -1;                   // -1: none
  std::vector<std::string> digests_;  // of the block that is held, if they were asked for
  double seconds_ = 0;
  std::int64_t readings_ = 0;
};

}  // namespace emend
