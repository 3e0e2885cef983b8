// How a checkpoint differs from a base: in which weights, by what rank, and which patches explain it.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <vector>

#include "emend/model.h"
#include "emend/patch.h"
#include "emend/progress.h"

namespace emend {

// A checkpoint's path and the parts that its tensors play (Model::roles()): all that a comparison needs.
struct CheckpointRoles {
  std::filesystem::path path;
  std::vector<RoleEntry> roles;
};

// A weight that differs. D = W' - W, W the base's.
struct WeightDifference {
  RoleEntry entry;        // in the inspected checkpoint
  std::string base_type;  // as stored there
  double relative = 0;    // ||D|| / ||W||
  // Singular values of D above what rounding to the checkpoint's stored type makes, 4 s (sqrt(m) + sqrt(n))
  // with s the root mean square of a rounding step / sqrt(12). For a vector 1 or 0.
  std::int64_t rank = 0;
  double largest = 0;   // the largest singular value
  double rounding = 0;  // that bound
  // Of a down projection: an orthonormal basis [F, rank] float64 of the row space of D above rounding.
  // Undefined where it was not asked for (InspectDirections), for rank 0, for a rank above F / 2, and where
  // the basis would take more than 128 MiB.
  at::Tensor directions = {};
};

// Coefficients c of D = sum c Delta over the patches, by least squares over the layers that they change.
struct PatchShare {
  std::size_t patch = 0;
  double share = 0;  // c: 1 when the patch is in it as it is
};

struct Inspection {
  std::vector<WeightDifference> weights;  // in the order of the roles
  std::vector<PatchShare> patches;        // one for each patch given, in order
  double unexplained = 0;  // ||D - sum c Delta|| / ||D|| over the down projections; 0 when nothing differs
  std::vector<std::string> missing;  // roles that only one of the two has
};

// Whether WeightDifference::directions are found: of each down projection that differs, eigenvectors beside
// the eigenvalues of an [m, m] matrix, m its shorter side.
enum class InspectDirections { kLeaveOut, kFind };

// Streams both files, one weight at a time. All patches must be of this base. Throws Error(kModel) for
// checkpoints of different shapes, Error(kIo), Error(kFormat).
Inspection inspect(const CheckpointRoles& checkpoint, const CheckpointRoles& base,
                   const std::vector<Patch>& patches, Progress& progress = no_progress(),
                   InspectDirections directions = InspectDirections::kLeaveOut);

}  // namespace emend
