// The processes that mpirun started together, where emend was built with MPI.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "emend/shard_group.h"

namespace emend {

// Whether several processes were started together.
inline bool launched_with_others() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    const char* const size = std::getenv(name);
    if (size != nullptr && std::string(size) != "1") return true;
  }
  return false;
}

class ProcessGroup : public ShardGroup {
 public:
  // Joins the others. Returns nullptr if this process was started alone. Call it once in a process. Throws
  // Error(kConfig) if mpirun started this process with others but this build has no MPI (the message says
  // what to do instead), or if the mpirun is another MPI's, which leaves each process by itself.
  static std::unique_ptr<ProcessGroup> join();

  // Rank among the processes of this host: which of its devices belongs to this process.
  virtual int local_rank() const = 0;
  // The least of all processes' numbers, in every one of them.
  virtual std::int64_t least(std::int64_t number) = 0;
  // Ends all processes of the group: after an error here the others would wait for ever.
  [[noreturn]] virtual void abort(int exit_code) = 0;
};

}  // namespace emend
