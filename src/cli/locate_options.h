// What `emend locate` is asked.
#pragma once

#include <string>
#include <vector>

#include "cli/options.h"
#include "emend/locate_run.h"

namespace emend {

struct LocateArguments {
  CommonOptions common;
  LocateOptions run;
  std::string trial_layers;  // a list, read once the model is there; empty: chosen
  std::string report, svg;   // pages and pictures
};

Parsed parse_locate(const std::vector<std::string>& arguments, LocateArguments& asked);

}  // namespace emend
