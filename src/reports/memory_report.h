// What scans and indexes of memories know (emend/memory_scan.h, memory_index.h): on a terminal, and as JSON.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "emend/memory_index.h"
#include "emend/statistics_job.h"

namespace emend {

// The plan in a line: layers, cells, text, memory, time.
std::string scan_plan_text(const ScanPlan& plan, const ScanOptions& options);
ResultJson scan_plan_json(const ScanPlan& plan, const Model& model);

// What the corpus and the options mean for the result.
std::vector<PlanRemark> remarks_on(const ScanPlan& plan, const ScanOptions& options);

// What was written into `folder`. `model`: null for a merge, which needs none.
std::string scan_text(const ScanOutcome& outcome, const std::filesystem::path& folder, std::size_t columns);
ResultJson scan_json(const ScanOutcome& outcome, const Model* model);

// One cell, with at most `examples` of each list.
std::string cell_text(const MemoryRecord& record, const MemoryIndexHead& head, std::size_t examples,
                      std::size_t columns);
ResultJson cell_json(const MemoryRecord& record, const MemoryIndexHead& head);

// "0.001", "0.5": the shares of quantile_shares() as text.
std::string quantile_name(double share);
// What a cell is like in a sentence or two.
std::string cell_summary(const MemoryRecord& record, const MemoryIndexHead& head);

}  // namespace emend
