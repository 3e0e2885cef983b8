#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <set>

#include "base/strings.h"
#include "delivery/patch_digest.h"
#include "delivery/patch_metadata.h"
#include "delivery/patch_tensors.h"
#include "emend/error.h"
#include "emend/patch.h"
#include "emend/tensor_file.h"
#include "io/element_types.h"

namespace emend {
namespace {

constexpr std::int64_t kAny = -1;  // in an expected size: whatever is there, but not 0

// Takes tensors out of a patch file by name, checks them, and remembers which it took.
class TensorReader {
 public:
  explicit TensorReader(const TensorFile& file) : file_(file) {}

  at::Tensor floats(const std::string& name, const std::vector<std::int64_t>& expected) {
    const TensorInfo& info = find(name, "F32");
    check_shape(info, expected);
    at::Tensor tensor = copy(info, at::kFloat);
    if (!at::isfinite(tensor).all().item<bool>()) fail(name, "it holds a number that is not finite");
    return tensor;
  }

  std::vector<std::vector<std::int64_t>> id_lists(const std::string& list) {
    const std::vector<std::int64_t> ids = integers(patch_tensors::ids(list));
    const std::string lengths_name = patch_tensors::lengths(list);
    std::vector<std::vector<std::int64_t>> rows;
    std::size_t at = 0;
    for (const std::int64_t length : integers(lengths_name)) {
      if (static_cast<std::uint64_t>(length) > ids.size() - at)
        fail(lengths_name, "the lengths exceed the " + std::to_string(ids.size()) + " ids");
      const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(at);
      rows.emplace_back(begin, begin + length);
      at += static_cast<std::size_t>(length);
    }
    if (at != ids.size())
      fail(lengths_name,
           "the lengths are those of " + std::to_string(at) + " ids, not " + std::to_string(ids.size()));
    return rows;
  }

  void refuse_the_rest() const {
    for (const TensorInfo& info : file_.tensors())
      if (taken_.count(info.name) == 0) fail(info.name, "a patch has no such tensor");
  }

  [[noreturn]] void fail(const std::string& tensor, const std::string& what) const {
    throw Error(ErrorKind::kFormat, file_.path().string() + ": tensor " + quote(tensor) + ": " + what);
  }

 private:
  const TensorInfo& find(const std::string& name, const std::string& dtype) {
    const TensorInfo* const info = file_.find(name);
    if (info == nullptr)
      throw Error(ErrorKind::kFormat, file_.path().string() + ": the tensor " + quote(name) + " is missing");
    if (info->dtype_name != dtype) fail(name, "expected type " + dtype + ", found " + info->dtype_name);
    taken_.insert(name);
    return *info;
  }

  void check_shape(const TensorInfo& info, const std::vector<std::int64_t>& expected) const {
    bool fits = info.shape.size() == expected.size();
    std::vector<std::string> wanted;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      wanted.push_back(expected[i] == kAny ? "at least 1" : std::to_string(expected[i]));
      fits = fits && (expected[i] == kAny ? info.shape[i] > 0 : info.shape[i] == expected[i]);
    }
    if (!fits) fail(info.name, "expected shape [" + join(wanted) + "], found " + shape_text(info.shape));
  }

  at::Tensor copy(const TensorInfo& info, at::ScalarType type) const {
    at::Tensor tensor = at::empty(info.shape, type);
    const auto bytes = file_.bytes(info);
    if (!bytes.empty()) std::memcpy(tensor.data_ptr(), bytes.data(), bytes.size());
    return tensor;
  }

  std::vector<std::int64_t> integers(const std::string& name) {
    const TensorInfo& info = find(name, "I64");
    if (info.shape.size() != 1)
      fail(name, "expected one dimension, found " + std::to_string(info.shape.size()));
    const at::Tensor tensor = copy(info, at::kLong);
    const auto* const data = tensor.const_data_ptr<std::int64_t>();
    std::vector<std::int64_t> values(data, data + tensor.numel());
    for (const std::int64_t value : values)
      if (value < 0) fail(name, "it holds the negative number " + std::to_string(value));
    return values;
  }

  const TensorFile& file_;
  std::set<std::string> taken_;
};

// l of "model.layers.<l>.mlp_down.A"; nothing for other names.
std::optional<int> block_of(const std::string& name) {
  const std::string front = "model.layers.";
  if (name.compare(0, front.size(), front) != 0) return std::nullopt;
  int block = 0;
  for (std::size_t at = front.size(); at < name.size() && name[at] >= '0' && name[at] <= '9'; ++at) {
    if (block > std::numeric_limits<int>::max() / 10 - 1) return std::nullopt;
    block = 10 * block + (name[at] - '0');
  }
  if (name != patch_tensors::change(block, "A")) return std::nullopt;
  return block;
}

// In the order of blocks.
std::vector<WeightChange> read_changes(const TensorFile& file, TensorReader& reader) {
  std::set<int> blocks;
  for (const TensorInfo& info : file.tensors())
    if (const auto block = block_of(info.name)) blocks.insert(*block);
  std::vector<WeightChange> changes;
  for (const int block : blocks) {
    WeightChange change;
    change.block = block;
    change.A = reader.floats(patch_tensors::change(block, "A"),
                             {kAny, changes.empty() ? kAny : changes[0].A.size(1)});
    change.B = reader.floats(patch_tensors::change(block, "B"),
                             {changes.empty() ? kAny : changes[0].B.size(0), change.A.size(0)});
    changes.push_back(change);
  }
  if (changes.empty())
    throw Error(ErrorKind::kFormat,
                file.path().string() + ": no tensor " + quote("model.layers.<l>.mlp_down.A"));
  return changes;
}

void read_fact_tensors(TensorReader& reader, const std::vector<WeightChange>& changes,
                       std::vector<EditedFact>& facts) {
  const std::int64_t d_ff = changes[0].A.size(1);
  const std::int64_t d_model = changes[0].B.size(0);
  for (std::size_t i = 0; i < facts.size(); ++i) {
    if (facts[i].status != "edited") continue;
    const bool changed = std::any_of(changes.begin(), changes.end(), [&](const WeightChange& change) {
      return change.block == facts[i].layer;
    });
    if (!changed)
      reader.fail(patch_tensors::change(facts[i].layer, "A"),
                  "it is missing, but " + quote(facts[i].request.id) + " was edited at layer " +
                      std::to_string(facts[i].layer));
    facts[i].keys = reader.floats(patch_tensors::fact(i, "keys"), {kAny, d_ff});
    facts[i].answers = reader.floats(patch_tensors::fact(i, "answers"), {facts[i].keys.size(0)});
    facts[i].residual = reader.floats(patch_tensors::fact(i, "residual"), {d_model});
  }
}

}  // namespace

Patch load_patch(const std::filesystem::path& file) {
  const std::unique_ptr<TensorFile> tensors = open_safetensors(file);
  Patch patch = read_patch_metadata(tensors->metadata(), file.string());
  TensorReader reader(*tensors);
  patch.edit.changes = read_changes(*tensors, reader);
  read_fact_tensors(reader, patch.edit.changes, patch.edit.facts);
  patch.edit.context_ids = reader.id_lists("contexts");
  patch.held_text = reader.id_lists("held_text");
  reader.refuse_the_rest();
  require_digest(*tensors);
  return patch;
}

}  // namespace emend
