// A command that mpirun may have started in many processes: one device each, and one error ends them all.
#pragma once

#include <functional>
#include <string>

#include "base/process_group.h"
#include "console/options.h"

namespace emend {

// Calls `run` with the processes that mpirun started together, or with nullptr when this one is alone, and
// returns what it returns. All but the first are quiet and write no --json. In a group an error ends all
// processes, since the others would wait for this one: it is told with the rank and with `what_stays`. `run`
// fills that when its work begins, with a sentence on what an error leaves of it.
int run_in_group(CommonOptions& common,
                 const std::function<int(ProcessGroup* group, std::string& what_stays)>& run);

// Who prints and writes what comes once: rank 0, or a process that is alone.
bool is_first(const ProcessGroup* group);

// --device for this process: "cuda" means the GPU that its rank on this host takes, in turn where there are
// more processes than GPUs (or each process sees its own only); all else is as asked.
std::string own_device(const std::string& device, const ProcessGroup* group);

}  // namespace emend
