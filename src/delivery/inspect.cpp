#include "emend/inspect.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

#include "base/strings.h"
#include "delivery/stored_weight.h"
#include "emend/error.h"
#include "emend/tensor_file.h"
#include "io/block_format.h"
#include "io/element_types.h"

namespace emend {
namespace {

// The role, the block, and which of the tensors of that role it is there: norms of heads may have one each.
using Place = std::tuple<Role, int, int>;

// The place of each entry, in the order of the entries.
std::vector<Place> places_of(const std::vector<RoleEntry>& roles) {
  std::map<std::pair<Role, int>, int> count;
  std::vector<Place> places;
  for (const RoleEntry& entry : roles)
    places.emplace_back(entry.role, entry.block, count[{entry.role, entry.block}]++);
  return places;
}

std::map<Place, const RoleEntry*> by_place(const std::vector<RoleEntry>& roles) {
  const std::vector<Place> order = places_of(roles);
  std::map<Place, const RoleEntry*> places;
  for (std::size_t i = 0; i < roles.size(); ++i) places[order[i]] = &roles[i];
  return places;
}

std::string place_name(const RoleEntry& entry) {
  return role_name(entry.role) + (entry.block < 0 ? "" : fmt::format(" of block {}", entry.block));
}

const TensorInfo& tensor_of(const TensorFile& file, const RoleEntry& entry) {
  const TensorInfo* const info = file.find(entry.tensor);
  if (info == nullptr)
    throw Error(ErrorKind::kModel,
                fmt::format("{}: the tensor {} is gone", file.path().string(), quote(entry.tensor)));
  return *info;
}

bool same_bytes(const TensorFile& a, const TensorInfo& x, const TensorFile& b, const TensorInfo& y) {
  if (x.type != y.type || x.shape != y.shape) return false;
  const auto one = a.bytes(x), other = b.bytes(y);
  return std::equal(one.begin(), one.end(), other.begin(), other.end());
}

at::Tensor as_double(const TensorFile& file, const RoleEntry& entry) {
  const TensorInfo& info = tensor_of(file, entry);
  const bool transposed = entry.stored_transposed && info.shape.size() == 2;
  return read_weight(file, info, transposed).to(at::kDouble);
}

// Mean square of the step between neighbouring stored values.
double mean_square_step(const at::Tensor& W, const TensorFile& file, const TensorInfo& info) {
  if (info.type->format != nullptr)
    return mean_square_step(*info.type->format, info.type->block_bytes, file.bytes(info));
  const double mean_square = W.pow(2).mean().item<double>();
  if (info.type->name == "F16") return mean_square * 0x1p-20;
  return mean_square * (info.type->name == "BF16" ? 0x1p-14 : 0x1p-46);
}

// D D^T or D^T D, the smaller: its eigenvalues are the squares of D's singular values, smallest first.
at::Tensor gram_of(const at::Tensor& D) {
  return D.size(0) <= D.size(1) ? at::matmul(D, D.t()) : at::matmul(D.t(), D);
}

// The leading `rank` right singular vectors of D [m, n], [n, rank], from the eigenvectors of its Gram matrix.
at::Tensor row_space(const at::Tensor& D, const at::Tensor& vectors, std::int64_t rank) {
  const at::Tensor leading = vectors.narrow(1, vectors.size(1) - rank, rank);
  if (D.size(0) > D.size(1)) return leading.contiguous();
  const at::Tensor scaled = at::matmul(D.t(), leading);  // D^T u = s v
  return scaled / scaled.norm(2, 0, true);
}

// The rank of D, and its directions where they are asked for and their number tells something.
void measure_rank(const at::Tensor& D, double mean_square, bool with_directions,
                  WeightDifference& difference) {
  constexpr double kMargin = 4;  // steps follow the size of the entries, which an edit makes uneven
  const double sides =
      D.dim() == 2 ? std::sqrt(static_cast<double>(D.size(0))) + std::sqrt(static_cast<double>(D.size(1)))
                   : std::sqrt(static_cast<double>(D.numel()));
  difference.rounding = kMargin * std::sqrt(mean_square / 12) * sides;
  if (D.dim() != 2) {
    difference.largest = D.norm().item<double>();
    difference.rank = difference.largest > difference.rounding ? 1 : 0;
    return;
  }
  at::Tensor squares, vectors;
  if (with_directions)
    std::tie(squares, vectors) = at::linalg_eigh(gram_of(D));
  else
    squares = at::linalg_eigvalsh(gram_of(D));
  const at::Tensor values = squares.clamp_min(0).sqrt();
  difference.largest = values[-1].item<double>();
  difference.rank = (values > difference.rounding).sum().item<std::int64_t>();
  constexpr std::int64_t kMostNumbers = (std::int64_t{1} << 27) / sizeof(double);
  const std::int64_t rank = difference.rank;
  if (with_directions && rank > 0 && 2 * rank <= D.size(1) && rank * D.size(1) <= kMostNumbers)
    difference.directions = row_space(D, vectors, rank);
}

// Least squares of the differences by the patches' changes, without forming a change.
class Explanation {
 public:
  explicit Explanation(const std::vector<Patch>& patches)
      : patches_(patches),
        gram_(at::zeros({count(), count()}, at::kDouble)),
        right_(at::zeros({count()}, at::kDouble)) {}

  // D is undefined where the block does not differ.
  void add(int block, const at::Tensor& D) {
    if (D.defined()) square_ += D.pow(2).sum().item<double>();
    for (std::int64_t p = 0; p < count(); ++p)
      for (const WeightChange& one : changes(p, block)) {
        if (D.defined()) right_[p] += (at::matmul(one.B.t(), D) * one.A).sum();
        for (std::int64_t q = 0; q < count(); ++q)
          for (const WeightChange& other : changes(q, block))
            gram_[p][q] += (at::matmul(one.B.t(), other.B) * at::matmul(one.A, other.A.t())).sum();
      }
  }

  void finish(Inspection& result) const {
    if (count() == 0) {
      result.unexplained = square_ > 0 ? 1 : 0;
      return;
    }
    // The least of all solutions: a patch given twice gets half from each.
    const at::Tensor shares = at::matmul(at::linalg_pinv(gram_, 1e-10, /*hermitian=*/true), right_);
    for (std::int64_t p = 0; p < count(); ++p)
      result.patches.push_back({static_cast<std::size_t>(p), shares[p].item<double>()});
    const double explained = shares.dot(right_).item<double>();
    result.unexplained = square_ > 0 ? std::sqrt(std::max(square_ - explained, 0.0) / square_) : 0;
  }

 private:
  std::int64_t count() const { return static_cast<std::int64_t>(patches_.size()); }
  // In factors of float64.
  std::vector<WeightChange> changes(std::int64_t patch, int block) const {
    std::vector<WeightChange> found;
    for (const WeightChange& change : patches_[static_cast<std::size_t>(patch)].edit.changes)
      if (change.weight.block == block) {
        const auto [A, B] = change.factors();
        found.push_back(WeightChange::low_rank(change.weight, A.to(at::kDouble), B.to(at::kDouble)));
      }
    return found;
  }

  const std::vector<Patch>& patches_;
  at::Tensor gram_, right_;
  double square_ = 0;
};

}  // namespace

Inspection inspect(const CheckpointRoles& checkpoint, const CheckpointRoles& base,
                   const std::vector<Patch>& patches, Progress& progress, InspectDirections directions) {
  const c10::NoGradGuard no_grad;
  const std::unique_ptr<TensorFile> file = open_checkpoint(checkpoint.path),
                                    base_file = open_checkpoint(base.path);
  const auto base_places = by_place(base.roles), places = by_place(checkpoint.roles);
  Inspection result;
  for (const auto& [place, entry] : base_places)
    if (!places.contains(place)) result.missing.push_back(place_name(*entry) + " (only in the base)");
  Explanation explanation(patches);
  progress.begin("comparing", static_cast<std::int64_t>(checkpoint.roles.size()), "tensors");
  const std::vector<Place> order = places_of(checkpoint.roles);
  std::size_t done = 0;
  for (const RoleEntry& entry : checkpoint.roles) {
    const auto found = base_places.find(order[done]);
    progress.update(static_cast<std::int64_t>(++done), "");
    if (found == base_places.end()) {
      result.missing.push_back(place_name(entry) + " (not in the base)");
      continue;
    }
    const RoleEntry& old = *found->second;
    const TensorInfo& now = tensor_of(*file, entry);
    const TensorInfo& was = tensor_of(*base_file, old);
    at::Tensor D;
    if (!same_bytes(*file, now, *base_file, was) || entry.stored_transposed != old.stored_transposed) {
      const at::Tensor W = as_double(*base_file, old), written = as_double(*file, entry);
      if (W.sizes() != written.sizes())
        throw Error(
            ErrorKind::kModel,
            fmt::format("{}: {} is {}, in the base {}: these are different models", checkpoint.path.string(),
                        place_name(entry), shape_text(written.sizes().vec()), shape_text(W.sizes().vec())));
      const at::Tensor difference = written - W;
      if (difference.count_nonzero().item<std::int64_t>() > 0) {
        WeightDifference found_difference{entry, old.stored_type, 0, 0, 0, 0};
        found_difference.relative = (difference.norm() / W.norm()).item<double>();
        measure_rank(difference, mean_square_step(written, *file, now),
                     directions == InspectDirections::kFind && entry.role == Role::kMlpDown,
                     found_difference);
        result.weights.push_back(std::move(found_difference));
        D = difference;
      }
    }
    if (entry.role == Role::kMlpDown) explanation.add(entry.block, D);
  }
  progress.end();
  explanation.finish(result);
  return result;
}

}  // namespace emend
