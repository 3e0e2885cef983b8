#include "cli/process_group_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "console/hints.h"
#include "model/placement.h"
#include "pipeline/failure.h"

namespace emend {

bool is_first(const ProcessGroup* group) {
  return group == nullptr || group->rank() == 0;
}

std::string own_device(const std::string& device, const ProcessGroup* group) {
  if (group == nullptr || device != "cuda") return device;
  return fmt::format("cuda:{}", group->local_rank() % std::max(count_gpus(), 1));
}

int run_in_group(CommonOptions& common, const std::function<int(ProcessGroup*, std::string&)>& run) {
  std::string what_stays;
  const std::unique_ptr<ProcessGroup> group = ProcessGroup::join();
  if (!group || group->size() == 1) return run(nullptr, what_stays);
  if (!is_first(group.get())) {
    common.quiet = true;
    common.json.clear();
  }
  try {
    return run(group.get(), what_stays);
  } catch (...) {
    const Failure failure = describe_failure(std::current_exception());
    const std::string place = fmt::format("{} of {}", group->rank(), group->size());
    // In one piece, since others may be writing, too.
    std::cerr << fmt::format("emend: process {}: {}\nemend: all processes end{}\n", place,
                             with_hints(failure.message), what_stays.empty() ? "" : "; " + what_stays)
              << std::flush;
    group->abort(failure.exit_code);
    return failure.exit_code;  // never: for compilers that do not see it in a virtual function
  }
}

}  // namespace emend
