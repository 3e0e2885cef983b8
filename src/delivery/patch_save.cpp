#include <ATen/ATen.h>
#include <fmt/format.h>

#include <set>
#include <string>

#include "base/strings.h"
#include "delivery/patch_digest.h"
#include "delivery/patch_metadata.h"
#include "delivery/patch_tensors.h"
#include "emend/error.h"
#include "emend/patch.h"
#include "emend/tensor_file.h"

namespace emend {
namespace {

// Tensors on their way into a file; holds their bytes.
class TensorList {
 public:
  explicit TensorList(const std::filesystem::path& file) : file_(file) {}

  void add(const std::string& name, const at::Tensor& tensor) {
    const at::Tensor bytes = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
    if (!at::isfinite(bytes).all().item<bool>())
      throw Error(ErrorKind::kNumeric,
                  fmt::format("cannot write {}: tensor {} holds a number that is not finite", file_.string(),
                              quote(name)));
    add_as_is(name, "F32", bytes);
  }

  void add_ids(const std::string& list, const std::vector<std::vector<std::int64_t>>& rows) {
    std::vector<std::int64_t> ids;
    std::vector<std::int64_t> lengths;
    for (const auto& row : rows) {
      ids.insert(ids.end(), row.begin(), row.end());
      lengths.push_back(static_cast<std::int64_t>(row.size()));
    }
    add_as_is(patch_tensors::ids(list), "I64", at::tensor(ids, at::kLong));
    add_as_is(patch_tensors::lengths(list), "I64", at::tensor(lengths, at::kLong));
  }

  const std::vector<TensorToWrite>& tensors() const { return tensors_; }

 private:
  void add_as_is(const std::string& name, const std::string& dtype, const at::Tensor& tensor) {
    held_.push_back(tensor);
    const auto* const data = static_cast<const std::byte*>(tensor.data_ptr());
    tensors_.push_back({name, dtype, tensor.sizes().vec(), {data, tensor.nbytes()}});
  }

  const std::filesystem::path& file_;
  std::vector<at::Tensor> held_;
  std::vector<TensorToWrite> tensors_;
};

void add_change(TensorList& list, const WeightChange& change) {
  if (change.is_dense()) {
    list.add(patch_tensors::of(change.weight, "D"), change.D);
    return;
  }
  list.add(patch_tensors::of(change.weight, "A"), change.A);
  list.add(patch_tensors::of(change.weight, "B"), change.B);
}

// What the edited facts hold of one weight, one after the other.
void add_parts(TensorList& list, const WeightRef& weight, const std::vector<FactRecord>& facts) {
  std::vector<at::Tensor> keys, answers, residuals, slacks;
  bool any_slack = false;
  for (const FactRecord& fact : facts) {
    const FactPart* const part = fact.part_at(weight);
    if (part == nullptr || !fact.is_edited()) continue;
    keys.push_back(part->keys);
    answers.push_back(part->answers);
    residuals.push_back(part->residual);
    any_slack = any_slack || part->slack.defined();
    slacks.push_back(part->slack.defined() ? part->slack : at::zeros_like(part->answers));
  }
  if (keys.empty()) return;
  list.add(patch_tensors::of(weight, "keys"), at::cat(keys, 0));
  list.add(patch_tensors::of(weight, "answers"), at::cat(answers, 0));
  list.add(patch_tensors::of(weight, "residuals"), at::stack(residuals, 0));
  if (any_slack) list.add(patch_tensors::of(weight, "slack"), at::cat(slacks, 0));
}

// What load_patch would refuse: a change that nothing says how to solve again, or a solve of no change.
void require_solves(const Edit& edit, const std::filesystem::path& file) {
  const auto refuse = [&](const WeightRef& weight, const std::string& what) {
    throw Error(ErrorKind::kModel,
                fmt::format("cannot write {}: the {} {}", file.string(), weight_name(weight), what));
  };
  for (const WeightSolve& solve : edit.solves)
    if (edit.change_of(solve.weight) == nullptr)
      refuse(solve.weight, "is among the solves of the edit, but no change of the edit is of this weight");
  for (const WeightChange& change : edit.changes)
    if (edit.solve_of(change.weight) == nullptr)
      refuse(change.weight, "is changed, but no solve of the edit says how");
  for (std::size_t i = 0; i < edit.solves.size(); ++i)
    if (i >= edit.changes.size() || edit.solves[i].weight != edit.changes[i].weight)
      refuse(edit.solves[i].weight,
             "is not where its change is: the solves of an edit must be one for each change, in their order");
}

// An edited fact holds keys, and names rows of the factor A; a dense change has none.
template <typename Refuse>
void require_rows(const WeightChange& change, const FactPart& part, const Refuse& refuse) {
  const std::string where = " at the " + weight_name(change.weight);
  if (!part.answers.defined() || part.answers.numel() == 0) refuse("was edited without a key" + where);
  const std::int64_t count = change.is_dense() ? 0 : change.A.size(0);
  if (part.rows.empty() && !change.is_dense()) refuse("names no row of the factor A" + where);
  for (const std::int64_t row : part.rows)
    if (row < 0 || row >= count)
      refuse(fmt::format("names row {} of the factor A{}, which has {} rows", row, where, count));
}

// What load_patch would refuse, too: an edit without changes, two facts with one id, and changes and edited
// facts that do not belong to each other.
void require_facts(const Edit& edit, const std::filesystem::path& file) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorKind::kModel, fmt::format("cannot write {}: {}", file.string(), what));
  };
  if (edit.changes.empty()) refuse("the edit changes nothing, so there is nothing to save");
  std::set<std::string> ids;
  std::set<WeightRef> asked;
  for (const FactRecord& fact : edit.facts) {
    const std::string id = quote(fact.request.id);
    if (!ids.insert(fact.request.id).second)
      refuse(fmt::format("two facts of the edit have the id {}; give each one of its own", id));
    if (!fact.is_edited()) continue;
    if (fact.parts.empty()) refuse(fmt::format("{} was edited, but no weight says where", id));
    const WeightRef* before = nullptr;
    for (const FactPart& part : fact.parts) {
      asked.insert(part.weight);
      const WeightChange* const change = edit.change_of(part.weight);
      if (change == nullptr)
        refuse(fmt::format("{} was edited at the {}, which no change of the edit is of", id,
                           weight_name(part.weight)));
      if (before != nullptr && !(*before < part.weight))
        refuse(fmt::format("the weights of {} must be different ones in the order of their blocks", id));
      before = &part.weight;
      require_rows(*change, part, [&](const std::string& what) { refuse(id + " " + what); });
    }
  }
  for (const WeightChange& change : edit.changes) {
    if (change.weight.role != Role::kMlpDown || change.weight.expert >= 0)
      refuse(fmt::format("the {} cannot be named in a patch: patches hold changes of down projections",
                         weight_name(change.weight)));
    if (!asked.contains(change.weight))
      refuse(fmt::format("the {} is changed, but no fact of the edit was edited there",
                         weight_name(change.weight)));
  }
}

}  // namespace

void save_patch(const Patch& patch, const std::filesystem::path& file) {
  require_solves(patch.edit, file);
  require_facts(patch.edit, file);
  TensorList list(file);
  for (const WeightChange& change : patch.edit.changes) {
    add_change(list, change);
    add_parts(list, change.weight, patch.edit.facts);
  }
  list.add_ids("contexts", patch.edit.context_ids);
  list.add_ids("held_text", patch.held_text);
  std::map<std::string, std::string> metadata = patch_metadata(patch);
  metadata[kDigestKey] = patch_digest(metadata, list.tensors());
  write_safetensors(file, list.tensors(), metadata);
}

}  // namespace emend
