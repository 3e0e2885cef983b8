// The scan as a visitor of a text.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/text_visitor.h"
#include "memories/device_sweep.h"
#include "memories/index_files.h"
#include "memories/layer_state.h"
#include "memories/scan_draw.h"

namespace emend {

// Where the vectors of a pass are swept.
enum class SweepPlace {
  kByDevice,   // those on the CPU by sweep_portion, others where they are
  kByTensors,  // all where they are, with operations of the tensor library (device_sweep.h)
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
  bool takes_passes() const override { return by_tensors_; }
  void visit(const TextPortion& portion) override;
  void save(FileWriter& writer) const override;
  void load(const TensorFile& file) override;
  void reduce(ShardGroup& group) override;

  // The layers as an index has them; they point into this visitor.
  std::vector<FinishedLayer> finish() const;
  const std::vector<LayerState>& states() const;
  std::int64_t tokens() const { return states().front().counts.tokens; }

 private:
  std::vector<int> layers_;
  bool include_first_;
  std::string head_;
  std::vector<std::vector<float>> value_norms_;
  std::vector<ScanDraw> draws_;
  bool by_tensors_;
  // What was fetched from a device, or lies there, is added to the states when they are read.
  mutable std::vector<LayerState> states_;  // one a layer
  mutable std::vector<DeviceSweep> sweeps_;
  std::optional<std::size_t> fetched_;  // the layer whose last portion is not in its tables yet
};

// The lengths of values that a visitor saved. Throws Error(kFormat).
std::vector<float> stored_value_norms(const TensorFile& file, int layer, std::int64_t cells);

}  // namespace emend
