// ROME (Meng et al. 2022, Locating and Editing Factual Associations in GPT), with the repairs of Gupta et al.
// 2024 (r-ROME) and Yang et al. 2024, and a search on the loss of the model as it will be written.
// docs/rome.md has the derivation and the measurements behind every default.
//
//   Delta = r a^T,   a = C^-1 K (K^T C^-1 K)^-1 y,   r = argmin loss(W + r a^T)
#pragma once

#include <map>
#include <memory>
#include <string>

#include "emend/editor.h"

namespace emend::editors {

EditorHelp rome_help();

// Throws Error(kConfig) for unknown options and bad values, with the option's place.
std::unique_ptr<Editor> make_rome(const std::map<std::string, OptionText>& options);

}  // namespace emend::editors
