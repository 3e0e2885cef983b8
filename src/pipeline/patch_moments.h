// C of the layers that a run over patches needs, from a folder of statistics.
#pragma once

#include <filesystem>
#include <vector>

#include "emend/model.h"
#include "emend/patch_algebra.h"
#include "emend/patch_run.h"
#include "emend/progress.h"

namespace emend {

// To solve `layers` again. An empty folder is the one beside the model, of any name, that holds the
// statistics which the patches were made with, else the default one. Throws Error(kIo) naming a layer that
// has none there, and Error(kModel) for other statistics than those that the first patch of the layer was
// made with.
LayerMoments moments_to_solve(const Model& model, const std::vector<NamedPatch>& patches,
                              const std::vector<int>& layers, const std::filesystem::path& folder,
                              Progress& progress);

// To round the down projections that the patches change; nothing if no folder is named. With an importance
// matrix layers may be missing, otherwise Error(kIo) names the first one that is.
LayerMoments moments_to_round(const Model& base, const std::vector<NamedPatch>& patches,
                              const ApplyOptions& options);

}  // namespace emend
