// Counts of cells that are active at the same token, as a visitor of a text.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "analysis/text_visitor.h"
#include "emend/memory_id.h"

namespace emend {

// When a cell is active: where `sign` times what is read at `site` is above `threshold`.
struct ActivityRule {
  MemoryId cell;
  float sign = 1, threshold = 0;
};

class CoactiveVisitor : public TextVisitor {
 public:
  // `rules` by address, each cell once. `site`: kGate or kKey, of all of them.
  CoactiveVisitor(std::vector<ActivityRule> rules, Site site);

  const std::vector<int>& layers() const override { return layers_; }
  std::vector<Site> sites() const override { return {site_}; }
  void visit(const TextPortion& portion) override;
  bool end_block() override;
  void save(FileWriter& writer) const override;
  // Adds the counts of the file. Throws Error(kFormat) also for a file of other cells.
  void load(const TensorFile& file) override;
  void reduce(ShardGroup& group) override;

  const std::vector<ActivityRule>& rules() const { return rules_; }
  std::int64_t tokens() const { return tokens_; }
  // [K, K] float64, symmetric: tokens where both are active; the diagonal is of single cells.
  const at::Tensor& counts() const { return counts_; }

 private:
  struct LayerCells {
    at::Tensor index, sign, threshold;  // [k]
  };

  std::vector<ActivityRule> rules_;
  Site site_;
  std::vector<int> layers_;
  std::vector<LayerCells> cells_;
  std::vector<std::vector<at::Tensor>> block_;  // [layer]: activity [n, k] uint8 of the portions of a block
  at::Tensor counts_;
  std::int64_t tokens_ = 0;
};

}  // namespace emend
