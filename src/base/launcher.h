// What mpirun and similar launchers set in the environment of the processes that they start.
#pragma once

#include <cstdlib>
#include <string>

namespace emend {

// Whether several processes were started together.
inline bool launched_with_others() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    const char* const size = std::getenv(name);
    if (size != nullptr && std::string(size) != "1") return true;
  }
  return false;
}

}  // namespace emend
