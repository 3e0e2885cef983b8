// Patches that Python gives to a call, each with the name that messages give it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "emend/patch_run.h"

namespace emend::python {

using PatchPtr = std::shared_ptr<Patch>;
using Named = std::vector<std::pair<std::string, PatchPtr>>;

std::vector<NamedPatch> copies_of(const Named& given);
std::vector<std::string> names_of(const Named& given);

}  // namespace emend::python
