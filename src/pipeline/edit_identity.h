// All that the searched values of an edit depend on, as its run file keeps it: two runs that agree in it find
// the same values.
#pragma once

#include "emend/edit_run.h"
#include "pipeline/edit_job.h"
#include "pipeline/run_file.h"

namespace emend {

// All but the statistics, which are not loaded yet (kStatisticsIdentity). Throws as RunFile::identify does.
void identify_edit(RunFile& file, const EditJob& job, const EditRunOptions& options);

inline constexpr const char* kStatisticsIdentity = "statistics";

}  // namespace emend
