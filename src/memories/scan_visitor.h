// The scan as a visitor of a text.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/text_visitor.h"
#include "memories/device_sweep.h"
#include "memories/index_files.h"
#include "memories/kernel_sweep.h"
#include "memories/layer_state.h"
#include "memories/scan_draw.h"

namespace emend {

// Where the vectors of a pass are swept.
enum class SweepPlace {
  kByDevice,   // those on the CPU by sweep_portion, others as kByKernels
  kByTensors,  // all where they are, with operations of the tensor library (device_sweep.h)
  kByKernels,  // all where they are, by kernels where there are some (kernel_sweep.h)
};

class ScanVisitor : public TextVisitor {
 public:
  // Of a text of `tokens` tokens, which decides how large the sample is (scan_draw.h). `head` is kept in
  // every file of the state, so that parts are joined without the model.
  ScanVisitor(const Model& model, const ScanOptions& options, std::string head, std::int64_t tokens,
              SweepPlace place = SweepPlace::kByDevice);

  const std::vector<int>& layers() const override { return layers_; }
  std::vector<Site> sites() const override;
  bool takes_first() const override { return true; }
  bool takes_passes() const override { return in_place_; }
  // Kernels tell what is no number when the block ends, others at once.
  void visit(const TextPortion& portion) override;
  bool end_block() override;
  void save(FileWriter& writer) const override;
  void load(const TensorFile& file) override;
  void reduce(ShardGroup& group) override;

  // The layers as an index has them; they point into this visitor.
  std::vector<FinishedLayer> finish() const;
  const std::vector<LayerState>& states() const;
  std::int64_t tokens() const { return states().front().counts.tokens; }

  // Told after each part of a portion that kernels take, for measurements.
  void tell_parts(const KernelSweep::TellPart& tell);
  // Does the layer have kernels? Otherwise `why_not`, if given, receives the reason.
  bool has_kernels(const Model& model, std::size_t layer, std::string* why_not = nullptr) const;

 private:
  std::int64_t sweep_by_tensors(const PortionScores& scores, std::size_t layer);
  [[noreturn]] void refuse_bad(std::size_t layer, int cell, const TextToken& token,
                               const TextSource& text) const;

  std::vector<int> layers_;
  bool include_first_;
  std::string head_;
  std::vector<std::vector<float>> value_norms_;
  std::vector<ScanDraw> draws_;
  SweepPlace place_;
  bool in_place_;  // vectors are swept where they are
  // What was fetched from a device, or lies there, is added to the states when they are read.
  mutable std::vector<LayerState> states_;  // one a layer
  mutable std::vector<DeviceSweep> sweeps_;
  mutable std::vector<KernelSweep> kernel_sweeps_;
  // Of the block, for the message about a token that kernels name by its address.
  std::vector<TextToken> seen_;
  const TextSource* text_ = nullptr;
  std::optional<std::size_t> fetched_;  // the layer whose last portion is not in its tables yet
};

// The lengths of values that a visitor saved. Throws Error(kFormat).
std::vector<float> stored_value_norms(const TensorFile& file, int layer, std::int64_t cells);

}  // namespace emend
