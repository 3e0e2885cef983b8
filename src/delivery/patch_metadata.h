// All of a patch that is text, as the metadata of its safetensors file. Keys begin with "emend.";
// docs/formats.md lists them.
#pragma once

#include <map>
#include <string>

#include "emend/patch.h"

namespace emend {

// Same patch, same map.
std::map<std::string, std::string> patch_metadata(const Patch& patch);

// A patch without its tensors and id lists, and the format in which they are to be looked for.
struct PatchText {
  int format = kPatchFormat;
  Patch patch;
};

// Throws Error(kFormat) naming `file` and the key that is missing or broken. Keys of others are let through.
PatchText read_patch_metadata(const std::map<std::string, std::string>& metadata, const std::string& file);

}  // namespace emend
