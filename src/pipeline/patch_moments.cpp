#include "pipeline/patch_moments.h"

#include <fmt/format.h>

#include <functional>
#include <set>
#include <string>

#include "analysis/statistics_place.h"
#include "emend/error.h"
#include "emend/statistics.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// C of each layer, in this order, for rows that begin as those of the patches. `require` throws for
// statistics that do not serve; those without the layer are left out if it does not.
LayerMoments load_moments(const Model& model, const std::vector<NamedPatch>& patches,
                          const std::set<int>& layers, const fs::path& folder,
                          const std::function<void(int, const Statistics&)>& require) {
  LayerMoments moments;
  for (const int layer : layers) {
    const Statistics statistics = load_statistics(model, {layer}, patches.front().patch.prefix, folder);
    require(layer, statistics);
    if (!statistics.layers.empty()) moments[layer] = statistics.layers.at(layer).C;
  }
  return moments;
}

// Of the first patch that changes the layer; merge_patches refuses others that differ.
std::string made_with(const std::vector<NamedPatch>& patches, int layer) {
  for (const NamedPatch& named : patches)
    if (const WeightSolve* const solve = named.patch.edit.solve_of({layer, Role::kMlpDown}))
      return solve->statistics_fingerprint;
  return "";
}

// Earlier versions named one fingerprint for all layers of a patch, that of the last one.
std::string remark_on_names(const std::vector<NamedPatch>& patches, int layer) {
  for (const NamedPatch& named : patches) {
    const Edit& edit = named.patch.edit;
    if (edit.solve_of({layer, Role::kMlpDown}) == nullptr) continue;
    std::set<std::string> names;
    for (const WeightSolve& solve : edit.solves) names.insert(solve.statistics_fingerprint);
    if (edit.solves.size() < 2 || names.size() > 1) return "";
    return " (an earlier emend named one for all layers of a patch, also where its folder had been filled in "
           "steps: such a patch has to be made anew)";
  }
  return "";
}

}  // namespace

LayerMoments moments_to_solve(const Model& model, const std::vector<NamedPatch>& patches,
                              const std::vector<int>& layers, const fs::path& given, Progress& progress) {
  StatisticsPlace place{given, ""};
  if (given.empty()) {
    WantedStatistics of_patches;
    for (const int layer : layers) of_patches[layer] = made_with(patches, layer);
    place = find_statistics(model, patches.front().patch.prefix, of_patches);
  }
  if (!place.note.empty()) progress.note(place.note);
  const fs::path& folder = place.folder;
  const auto require = [&](int layer, const Statistics& statistics) {
    if (statistics.layers.empty())
      throw Error(ErrorKind::kIo, fmt::format("no statistics of layer {} in {}: the other edits are solved "
                                              "again with them; name their folder with the option statistics",
                                              layer, folder.string()));
    const std::string wanted = made_with(patches, layer);
    const std::string found = statistics.layers.at(layer).origin.fingerprint;
    if (found != wanted)
      throw Error(
          ErrorKind::kModel,
          fmt::format("{}: the statistics of layer {} have the fingerprint {}, and the patch names {} "
                      "for this layer; name the folder that it was made with{}",
                      folder.string(), layer, found, wanted, remark_on_names(patches, layer)));
  };
  return load_moments(model, patches, {layers.begin(), layers.end()}, folder, require);
}

LayerMoments moments_to_round(const Model& base, const std::vector<NamedPatch>& patches,
                              const ApplyOptions& options) {
  const fs::path& folder = options.statistics;
  if (folder.empty()) return {};
  std::set<int> layers;
  for (const WeightChange& change : changes_of(patches))
    if (change.weight.role == Role::kMlpDown) layers.insert(change.weight.block);
  const auto require = [&](int layer, const Statistics& statistics) {
    if (statistics.layers.empty() && options.imatrix.empty())
      throw Error(ErrorKind::kIo,
                  fmt::format("{}: no statistics of layer {}; collect statistics of the layer, "
                              "or leave the option statistics out to round without them",
                              folder.string(), layer));
  };
  return load_moments(base, patches, layers, folder, require);
}

}  // namespace emend
