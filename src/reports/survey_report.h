// Cells of two checkpoints compared, cells in clusters, cells audited, an index exported: on a terminal, as
// JSON, as a page.
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "emend/memory_audit.h"
#include "emend/memory_cluster.h"
#include "emend/memory_compare.h"
#include "emend/memory_export.h"

namespace emend {

std::string compare_text(const CompareOutcome& outcome, std::size_t columns);
ResultJson compare_json(const CompareOutcome& outcome, const Model& a, const Model& b);
std::string compare_page(const CompareOutcome& outcome, const Model& a, const Model& b);

std::string cluster_text(const ClusterOutcome& outcome, std::size_t columns);
// With the cluster of every cell.
ResultJson cluster_json(const ClusterOutcome& outcome, const Model& model, const ClusterOptions& options);
std::string cluster_page(const ClusterOutcome& outcome, const Model& model);

std::string audit_text(const AuditOutcome& outcome, std::size_t columns);
ResultJson audit_json(const AuditOutcome& outcome, const AuditOptions& options);
std::string audit_page(const AuditOutcome& outcome, const AuditOptions& options);

std::string export_text(const ExportOutcome& outcome, const ExportOptions& options);
ResultJson export_json(const ExportOutcome& outcome);

}  // namespace emend
