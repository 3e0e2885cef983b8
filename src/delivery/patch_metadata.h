// All of a patch that is text, as the metadata of its safetensors file. Keys begin with "emend.";
// docs/formats.md lists them.
#pragma once

#include <map>
#include <string>

#include "emend/patch.h"
#include "emend/tensor_file.h"

namespace emend {

// Same patch, same map.
std::map<std::string, std::string> patch_metadata(const Patch& patch);

// A patch and the format that it was written in. read_patch_metadata leaves out tensors and lists of ids.
struct PatchText {
  int format = kPatchFormat;
  Patch patch;
};

// Throws Error(kFormat) if these are the metadata of a patch whose format is newer than kPatchFormat.
void refuse_newer_format(const std::map<std::string, std::string>& metadata, const std::string& file);

// Throws Error(kFormat) naming `file` and the key that is missing or broken. Keys of others are let through.
PatchText read_patch_metadata(const std::map<std::string, std::string>& metadata, const std::string& file);

// All of a patch, whether or not the file is still as it was written (require_digest, patch_digest.h). Throws
// Error(kFormat) as load_patch does.
PatchText read_patch(const TensorFile& file);

}  // namespace emend
