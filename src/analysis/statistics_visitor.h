// The statistics as a visitor of a text: sums of keys, and the curve of their stated error.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/sums_file.h"
#include "analysis/text_visitor.h"
#include "emend/statistics_run.h"

namespace emend {

class StatisticsVisitor : public TextVisitor {
 public:
  // `probes`: keys of held text by layer, for the stated error. With `until` no more text is needed once the
  // estimate of every layer is at most that.
  StatisticsVisitor(KeySums sums, std::map<int, at::Tensor> probes, std::optional<double> until);

  const std::vector<int>& layers() const override { return state_.sums.layers(); }
  std::vector<Site> sites() const override { return {Site::kKey}; }
  void visit(const TextPortion& portion) override;
  bool end_block() override;
  std::string note() const override;
  void save(FileWriter& writer) const override;
  void load(const TensorFile& file) override;
  void reduce(ShardGroup& group) override;

  const KeySums& sums() const { return state_.sums; }
  const std::vector<CurvePoint>& curve() const { return curve_; }
  bool reached_until() const { return reached_until_; }
  // C of layers()[index], with all that is known about it.
  LayerStatistics finish(std::size_t index, bool with_condition = true) const;

 private:
  std::optional<CurvePoint> worst_estimate() const;

  SumsState state_;
  std::optional<double> until_;
  std::vector<CurvePoint> curve_;
  bool reached_until_ = false;
};

}  // namespace emend
