// A scan while it runs: what it is made of. The run as a whole: scan_run.cpp.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "analysis/text_source.h"
#include "analysis/text_walk.h"
#include "emend/memory_scan.h"
#include "memories/index_files.h"
#include "memories/scan_visitor.h"

namespace emend {

// The options with everything that follows from others. Throws Error(kConfig), which names the option.
ScanOptions settle_scan_options(const Model& model, ScanOptions options);
// What coefficients must share to stand in one table, and by which rules they got there.
std::string scan_settings(const Model& model, const ScanOptions& options);
// The plan for settled options and this text.
ScanPlan plan_scan(const Model& model, const ScanOptions& options, const TextSource& text);

// The lengths of the values of a layer's cells [F]: columns of the down projection, behind the gain of the
// norm that follows it, where there is one.
std::vector<float> value_norms(const Model& model, int layer);

struct MemoryScan::State {
  const Model* model;
  ScanOptions options;  // settled
  std::unique_ptr<TextSource> text;
  std::string text_fingerprint, fingerprint, settings;
  ScanPlan plan;

  RunIdentity identity() const;
  MemoryIndexHead head() const;  // without tokens
  ScanVisitor visitor() const;

  // Refuses what stands in the way. Returns whether the folder holds the result of this scan already; then
  // `outcome` tells it.
  bool look_at(const ScanFolder& folder, ScanOutcome& outcome) const;
  Walk walk(const ScanFolder& folder, ScanVisitor& visitor, Progress& progress) const;
  void write_part(const std::filesystem::path& folder, const ScanVisitor& visitor, const Walk& walk,
                  ScanOutcome& outcome) const;
};

// Writes layers, text and head of an index, in this order, and tells what is in them.
struct IndexContent {
  MemoryIndexHead head;
  std::vector<FinishedLayer> layers;
};
void write_index(const std::filesystem::path& folder, const IndexContent& content, Progress& progress,
                 ScanOutcome& outcome);

}  // namespace emend
