// A build without MPI: every process is alone.
#include <cstdlib>
#include <string>

#include "base/process_group.h"
#include "emend/error.h"

namespace emend {

std::unique_ptr<ProcessGroup> ProcessGroup::join() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    const char* const size = std::getenv(name);
    if (size != nullptr && std::string(size) != "1")
      throw Error(ErrorKind::kConfig,
                  "this emend was built without MPI; build it where MPI is installed, or start the shards by "
                  "hand with --shard i/N (those of statistics are joined with emend stats merge)");
  }
  return nullptr;
}

}  // namespace emend
