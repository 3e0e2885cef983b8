// The scan as a visitor of a text.
#pragma once

#include <string>
#include <vector>

#include "analysis/text_visitor.h"
#include "memories/index_files.h"
#include "memories/layer_state.h"
#include "memories/scan_draw.h"

namespace emend {

class ScanVisitor : public TextVisitor {
 public:
  // `head` is kept in every file of the state, so that parts are joined without the model.
  ScanVisitor(const Model& model, const ScanOptions& options, std::string head);

  const std::vector<int>& layers() const override { return layers_; }
  std::vector<Site> sites() const override;
  bool takes_first() const override { return true; }
  void visit(const TextPortion& portion) override;
  void save(FileWriter& writer) const override;
  void load(const TensorFile& file) override;
  void reduce(ShardGroup& group) override;

  // The layers as an index has them; they point into this visitor.
  std::vector<FinishedLayer> finish() const;
  const std::vector<LayerState>& states() const { return states_; }
  std::int64_t tokens() const { return states_.front().counts.tokens; }

 private:
  std::vector<int> layers_;
  bool include_first_;
  std::string head_;
  std::vector<LayerState> states_;  // one a layer
  std::vector<std::vector<float>> value_norms_;
  std::vector<ScanDraw> draws_;
};

// The lengths of values that a visitor saved. Throws Error(kFormat).
std::vector<float> stored_value_norms(const TensorFile& file, int layer, std::int64_t cells);

}  // namespace emend
