// A build without MPI: every process is alone.
#include "base/process_group.h"
#include "emend/error.h"

namespace emend {

std::unique_ptr<ProcessGroup> ProcessGroup::join() {
  if (launched_with_others())
    throw Error(ErrorKind::kConfig,
                "this emend was built without MPI; build it where MPI is installed, or start the shards one "
                "by one with the option shard (those of statistics are joined by stats merge)");
  return nullptr;
}

}  // namespace emend
