// One collection on its way: what it is made of, what a pass over the text gives, and what of it may lie in a
// folder already. The passes: statistics_pass.cpp; taking up again: statistics_resume.cpp; the run as a
// whole: statistics_run.cpp.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analysis/key_sums.h"
#include "analysis/statistics_plan.h"
#include "analysis/sums_file.h"
#include "analysis/text_source.h"
#include "emend/model.h"
#include "emend/statistics.h"

namespace emend {

struct StatisticsRun::State {
  const Model* model;
  StatisticsOptions options;
  std::vector<int> layers;
  std::unique_ptr<TextSource> text;
  std::string fingerprint;
  std::string text_fingerprint;
  std::string settings;
  StatisticsPlan plan;

  // What one pass over the text gives.
  struct PassResult {
    KeySums sums;
    std::map<int, at::Tensor> probes;
    std::vector<CurvePoint> curve;
    std::vector<std::uint64_t> documents;  // of the blocks that are summed, sorted
    std::int64_t resumed_blocks = 0;
    bool reached_until = false;
    double next_point = 0;  // keys at which the curve is looked at again
  };

  RunIdentity identity() const;
  SumsFile sums_file(const PassResult& pass, std::int64_t blocks_done) const;
  PassResult begin_pass(const std::vector<int>& pass_layers, const StatisticsFolder* folder,
                        std::int64_t& blocks_done) const;
  PassResult run_pass(const std::vector<int>& pass_layers, const StatisticsFolder* folder,
                      Progress& progress) const;
  void add_point(PassResult& pass) const;
  void reduce(PassResult& pass, ShardGroup& group) const;
  void require_same_passes(ShardGroup& group) const;
  LayerStatistics finish_layer(PassResult& pass, std::size_t index) const;
  Statistics held_and_documents(const std::vector<std::uint64_t>& documents) const;
  bool is_finished(const std::vector<int>& pass_layers, const std::filesystem::path& folder) const;
  void write_layers(PassResult& pass, const std::filesystem::path& folder, StatisticsReport& report) const;
  void write_part(PassResult& pass, const std::filesystem::path& folder, StatisticsReport& report) const;
  std::optional<std::string> difference(const LoadedSums& found, const std::vector<int>& pass_layers) const;
  void refuse_other_checkpoints(const std::filesystem::path& folder) const;
  // Of this shard.
  std::filesystem::path checkpoint(const std::vector<int>& pass_layers,
                                   const std::filesystem::path& folder) const;
  bool take_part(const std::vector<int>& pass_layers, const std::filesystem::path& folder,
                 StatisticsReport& report) const;
};

// A process that is killed while it writes leaves a temporary file (base/atomic_file.h): nobody else takes it
// away.
void remove_left_temporaries(const std::filesystem::path& folder);

}  // namespace emend
