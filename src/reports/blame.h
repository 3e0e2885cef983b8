// Which edits a failed check is due to.
#pragma once

#include <string>
#include <vector>

#include "emend/checks.h"
#include "emend/edit.h"

namespace emend {

struct Blame {
  std::string check;
  // Edits, the worst first: without them the check would pass, if the others stay as they are. For `drift`
  // and `bleed` the one that changes most.
  std::vector<std::string> ids;
  std::string worst;        // what is wrong with the first: "2 of its 3 neighbours are lost"
  bool leaves_any = false;  // whether other edits would be left without them
};

// One entry for each check that was measured and failed and that an edit can be named for, in their order.
std::vector<Blame> blame_of(const std::vector<FactRecord>& facts, const std::vector<CheckResult>& checks);

}  // namespace emend
