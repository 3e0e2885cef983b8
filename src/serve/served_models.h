// The models of a server by name: the base, and the base with each patch on it, all on one set of weights.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "emend/model.h"
#include "emend/patch_run.h"

namespace emend {

// The names of a base and its patches by their files, the base first. The base is called like its file or
// folder, a patch like its file without ".safetensors"; patches whose files have one name are called by their
// paths. Throws Error(kUsage) for a file that is given twice, two equal names, and a name with "+" in it.
std::vector<std::string> served_names(const std::string& model, const std::vector<std::string>& patches);

class ServedModels {
 public:
  // Factors of dense changes are made here, once. Throws Error(kModel) for a patch of another base and as
  // served_names() does. `model` outlives this.
  ServedModels(const Model& model, const std::vector<NamedPatch>& patches);

  // The base first, then the patches in the order given.
  const std::vector<std::string>& names() const { return names_; }

  // What the model of this name lays on the base: y += B (A k) at down projections, on all rows of a pass.
  // "A+B" is the base with the patches A and B on it, and so is "BASE+A+B". Empty: the base. Throws ApiError:
  // 404 for an unknown name, 400 for patches that do not stack, because they are one or write the same key.
  std::vector<Overlay> overlays(const std::string& name) const;

 private:
  std::size_t patch_of(const std::string& name) const;
  void require_stack(std::size_t first, std::size_t second) const;

  std::vector<std::string> names_;
  std::vector<std::vector<Overlay>> overlays_;  // of each patch
  std::map<std::pair<std::size_t, std::size_t>, std::string> conflicts_;
};

}  // namespace emend
