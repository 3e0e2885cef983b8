// The built program under mpirun, where emend was built with MPI.
#pragma once

#include <string>
#include <vector>

#include "program.h"

namespace emend {

inline bool has_mpi() {
  return !std::string(EMEND_MPIRUN).empty();
}

// So many processes on this machine. `before`: a shell command in front.
inline Finished run_emend_many(int processes, const std::vector<std::string>& arguments,
                               const std::string& before = "true") {
  return run_emend_after(
      "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_plm_rsh_agent=/bin/true "
      "OMPI_MCA_btl_vader_single_copy_mechanism=none; " +
          before + "; set -- " EMEND_MPIRUN " --oversubscribe -n " + std::to_string(processes) + " \"$@\"",
      arguments);
}

}  // namespace emend
