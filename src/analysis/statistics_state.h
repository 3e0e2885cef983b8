// A collection while it runs: what it is made of, what a pass over the text gives, and what of it a folder
// already holds (statistics_resume.cpp). The run as a whole: statistics_run.cpp.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analysis/statistics_visitor.h"
#include "analysis/text_source.h"
#include "analysis/text_walk.h"
#include "emend/model.h"
#include "emend/statistics_run.h"

namespace emend {

struct StatisticsRun::State {
  const Model* model;
  StatisticsOptions options;  // settled
  std::unique_ptr<TextSource> text;
  std::string fingerprint;
  std::string text_fingerprint;
  std::string settings;
  StatisticsPlan plan;

  // What one pass over the text gives.
  struct Pass {
    StatisticsVisitor visitor;
    Walk walk;
  };

  // Where the sums go. Of a group, rank 0 alone writes layers.
  struct Target {
    const StatisticsFolder* folder;
    ShardGroup* group;  // null: this process is alone
    bool parts;         // float64 sums are written
    bool layers;        // finished layers are written
  };

  // --- what is run
  RunIdentity identity() const;
  Pass run_pass(const std::vector<int>& layers, const StatisticsFolder* folder, Progress& progress) const;
  // One pass, or what the folder already holds of it.
  void pass_into(const std::vector<int>& layers, const Target& target, Progress& progress,
                 StatisticsReport& report) const;
  void require_same_passes(ShardGroup& group) const;
  void reduce(Pass& pass, ShardGroup& group) const;

  // --- what is written
  VisitedText visited_text(const Walk& walk) const;
  void write_layers(const Pass& pass, const std::filesystem::path& folder, StatisticsReport& report) const;
  void write_part(const Pass& pass, const std::filesystem::path& folder, StatisticsReport& report) const;

  // --- what a folder already holds
  std::filesystem::path checkpoint(const std::vector<int>& layers, const std::filesystem::path& folder) const;
  std::filesystem::path part(const std::vector<int>& layers, const std::filesystem::path& folder) const;
  void require_no_checkpoint(const std::filesystem::path& folder) const;
  void refuse_other_checkpoints(const std::filesystem::path& folder) const;
  bool knows_its_text(const std::filesystem::path& folder) const;
  // Adds layers, or the part of this shard, to the report if they are there and whole. Returns whether they
  // are.
  bool take_layers(const std::vector<int>& layers, const std::filesystem::path& folder,
                   StatisticsReport& report) const;
  bool take_part(const std::vector<int>& layers, const std::filesystem::path& folder,
                 StatisticsReport& report) const;
};

// Removes the temporary files (base/atomic_file.h) of processes that were killed while they wrote.
void remove_left_temporaries(const std::filesystem::path& folder);

}  // namespace emend
