#include "model/block_reader.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <chrono>
#include <utility>

#include "emend/error.h"
#include "emend/progress.h"
#include "io/mapped_file.h"
#include "model/role_table.h"
#include "model/weights.h"

namespace emend {
namespace {

const RoleInfo& whole_role(BlockMatrix member) {
  const auto& table = role_table();
  return *std::find_if(table.begin(), table.end(),
                       [&](const RoleInfo& info) { return info.in_block == member && info.is_whole(); });
}

std::vector<std::int64_t> shape_of(BlockMatrix member, const ModelConfig& config, int block) {
  return whole_role(member).shape(config, config.spec(block));
}

bool is_held_elsewhere(const at::Tensor& tensor) {
  return tensor.use_count() > 1 || tensor.storage().use_count() > 1;
}

}  // namespace

BlockReader::BlockReader(std::shared_ptr<const TensorFile> file, const ModelConfig& config,
                         std::vector<std::vector<MatrixPart>> parts, const at::TensorOptions& tensors,
                         int threads)
    : file_(std::move(file)),
      config_(config),
      parts_(std::move(parts)),
      tensors_(tensors),
      threads_(threads) {}

// Whether the block can be read into the memory of the one that is held.
bool BlockReader::fits(int block) const {
  return std::all_of(kBlockMatrices.begin(), kBlockMatrices.end(), [&](BlockMatrix member) {
    const at::Tensor& matrix = held_.*member;
    return matrix.defined() && !is_held_elsewhere(matrix) &&
           matrix.sizes() == at::IntArrayRef(shape_of(member, config_, block));
  });
}

std::vector<WeightFilling> BlockReader::fillings(int block) {
  std::vector<WeightFilling> all;
  for (const MatrixPart& part : parts_[static_cast<std::size_t>(block)]) {
    WeightFilling filling = part.filling;
    filling.target = block_view(held_, config_, part.role, block);
    if (part.row >= 0) filling.target = filling.target.select(0, part.row);
    all.push_back(std::move(filling));
  }
  return all;
}

// The bytes of the block that comes next, upwards or downwards as the last two did: the system reads them
// while this one is used.
void BlockReader::ask_for_next(int block) {
  const int next = block >= number_ ? block + 1 : block - 1;
  if (next < 0 || next >= static_cast<int>(parts_.size())) return;
  for (const MatrixPart& part : parts_[static_cast<std::size_t>(next)])
    ask_for_pages(file_->bytes(*part.filling.tensor));
}

void BlockReader::hold(int block, Digests digests) {
  if (block == number_) return;
  const c10::NoGradGuard no_gradients;
  if (!fits(block)) {
    held_ = {};
    for (const BlockMatrix member : kBlockMatrices)
      held_.*member = at::empty(shape_of(member, config_, block), tensors_);
  }
  ask_for_next(block);
  number_ = -1;  // until it is whole
  const auto began = std::chrono::steady_clock::now();
  digests_ = fill_weights(*file_, fillings(block), config_, threads_, no_progress(), digests);
  seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  ++readings_;
  number_ = block;
}

void BlockReader::lend(int block, BlockWeights& kept) {
  const std::lock_guard lock(mutex_);
  for (const BlockMatrix member : kBlockMatrices) {
    if (!(kept.*member).is_meta()) continue;
    hold(block, Digests::kSkip);
    kept.*member = held_.*member;
  }
}

bool BlockReader::is_lent(const at::Tensor& matrix) const {
  const std::lock_guard lock(mutex_);
  return std::any_of(kBlockMatrices.begin(), kBlockMatrices.end(),
                     [&](BlockMatrix member) { return (held_.*member).is_same(matrix); });
}

at::Tensor BlockReader::matrix(int block, BlockMatrix which) {
  const std::lock_guard lock(mutex_);
  hold(block, Digests::kSkip);
  return held_.*which;
}

void BlockReader::check(int block, std::vector<std::string>& digests) {
  const std::lock_guard lock(mutex_);
  number_ = -1;
  hold(block, Digests::kTake);
  const std::vector<MatrixPart>& parts = parts_[static_cast<std::size_t>(block)];
  for (std::size_t i = 0; i < parts.size(); ++i) digests[parts[i].place] = digests_[i];
}

double BlockReader::seconds_a_block() const {
  const std::lock_guard lock(mutex_);
  return readings_ == 0 ? 0 : seconds_ / static_cast<double>(readings_);
}

}  // namespace emend
