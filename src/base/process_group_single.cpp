// A build without MPI: every process is alone.
#include "base/launcher.h"
#include "base/process_group.h"
#include "emend/error.h"

namespace emend {

std::unique_ptr<ProcessGroup> ProcessGroup::join() {
  if (launched_with_others())
    throw Error(ErrorKind::kConfig,
                "this emend was built without MPI; build it where MPI is installed, or start the shards by "
                "hand with --shard i/N (those of statistics are joined with emend stats merge)");
  return nullptr;
}

}  // namespace emend
