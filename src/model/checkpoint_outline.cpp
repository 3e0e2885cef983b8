#include "model/checkpoint_outline.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/files.h"
#include "base/first_names.h"
#include "base/strings.h"
#include "emend/error.h"
#include "io/adapter_files.h"
#include "io/element_types.h"
#include "io/quantised_checkpoint.h"
#include "model/role_table.h"
#include "model/tensor_names.h"
#include "model/weights.h"

namespace emend {

namespace {

namespace fs = std::filesystem;

// What does not fit between a file and a family, gathered for one message.
struct Misfits {
  std::vector<std::string> missing, misshaped, unexpected;

  void require_none(const TensorFile& file, const Family& family) const {
    if (missing.empty() && misshaped.empty() && unexpected.empty()) return;
    throw Error(ErrorKind::kModel,
                fmt::format("{}: the tensors do not fit the {} family{}{}{}", file.path().string(),
                            family.name, list("missing", missing), list("wrong shape", misshaped),
                            list("unexpected", unexpected)));
  }

 private:
  static std::string list(const std::string& what, const std::vector<std::string>& names) {
    if (names.empty()) return "";
    constexpr std::size_t kMostTold = 8;
    return fmt::format("\n  {}: {}", what, first_names(names, kMostTold));
  }
};

void require_readable(const TensorInfo& tensor) {
  if (tensor.type->read == nullptr)
    throw Error(ErrorKind::kModel, fmt::format("{}: tensor {} is of {}", tensor.file.string(), tensor.name,
                                               unreadable_type_text(*tensor.type)));
}

// Matches the family's table with the file's tensors.
class RoleAssigner {
 public:
  RoleAssigner(const TensorFile& file, const Family& family, const TensorNames& names,
               const ModelConfig& config, ModelWeights& weights)
      : file_(file), family_(family), names_(names), config_(config), weights_(weights) {}

  // What does not fit is told in one message. `unread`: tensors that play no role and may be there.
  std::vector<Assignment> assign(std::vector<const TensorInfo*>& unread) {
    for (const TensorName& rule : names_.rules()) {
      const int blocks = is_block_role(rule.role) ? config_.layers : 1;
      for (int l = 0; l < blocks; ++l) assign_weight(rule, l);
    }
    for (const TensorInfo& tensor : file_.tensors()) {
      if (used_.contains(tensor.name)) continue;
      if (names_.may_ignore(tensor.name))
        unread.push_back(&tensor);
      else
        misfits_.unexpected.push_back(tensor.name);
    }
    misfits_.require_none(file_, family_);
    return std::move(assignments_);
  }

 private:
  void assign_weight(const TensorName& rule, int block) {
    const at::Tensor target = weight_view(weights_, config_, rule.role, block);
    if (!target.defined()) {  // a stored head that equals the embedding is no part of the model
      const TensorInfo* tensor = rule.role == Role::kHead ? names_.find(rule, block) : nullptr;
      if (tensor) used_.insert(tensor->name);
      return;
    }
    if (!names_.is_by_row(rule)) return assign_tensor(rule, block, -1, target.sizes().vec());
    const std::vector<std::int64_t> row_sizes(target.sizes().begin() + 1, target.sizes().end());
    for (std::int64_t row = 0; row < target.size(0); ++row) assign_tensor(rule, block, row, row_sizes);
  }

  // `row` -1: the whole weight.
  void assign_tensor(const TensorName& rule, int block, std::int64_t row,
                     std::vector<std::int64_t> expected) {
    const TensorInfo* tensor = find(rule, block, std::max<std::int64_t>(row, 0));
    if (!tensor) {
      misfits_.missing.push_back(names_.expected(rule, block, std::max<std::int64_t>(row, 0)));
      return;
    }
    used_.insert(tensor->name);
    const StoredForm form = names_.is_gguf() ? StoredForm::kPlain : rule.form;
    const bool transposed = form == StoredForm::kConv1d;
    if (transposed) std::reverse(expected.begin(), expected.end());
    if (tensor->shape != expected) {
      misfits_.misshaped.push_back(fmt::format("{} is {}, expected {}", tensor->name,
                                               shape_text(tensor->shape), shape_text(expected)));
      return;
    }
    require_readable(*tensor);
    assignments_.push_back({{rule.role, is_block_role(rule.role) ? block : -1, tensor->name,
                             std::string(tensor->type->name), tensor->shape, transposed, ""},
                            tensor,
                            form,
                            row});
  }

  // A tied model may have stored its head alone, which is the embedding then.
  const TensorInfo* find(const TensorName& rule, int block, std::int64_t row) const {
    const TensorInfo* found = names_.find(rule, block, row);
    const bool may_be_head = rule.role == Role::kTokenEmbedding && config_.tied_head && !names_.is_gguf();
    return found || !may_be_head ? found : names_.find(Role::kHead);
  }

  const TensorFile& file_;
  const Family& family_;
  const TensorNames& names_;
  const ModelConfig& config_;
  ModelWeights& weights_;
  std::vector<Assignment> assignments_;
  std::set<std::string> used_;
  Misfits misfits_;
};

// A small file must not make us allocate a large model.
void require_tensors_for(const ModelConfig& c, const TensorFile& file, const ConfigValues& values) {
  std::uint64_t stored = 0;
  for (const TensorInfo& tensor : file.tensors()) stored += static_cast<std::uint64_t>(tensor.elements());
  const double block_rows =
      static_cast<double>(c.d_ff) + static_cast<double>(c.heads + c.kv_heads) * c.head_dim;
  const double table_rows = static_cast<double>(c.vocab) + (c.learned_positions ? c.max_positions : 0);
  if ((c.layers * block_rows + table_rows) * c.d_model > 2.0 * stored + 1e6)
    throw Error(ErrorKind::kModel, fmt::format("{}: describes a model far larger than the tensors in {}",
                                               values.where(), file.path().string()));
}

// Room for the weights that takes no memory: shapes only.
ModelWeights shapes_of_weights(const ModelConfig& config) {
  const std::vector<at::Device> nowhere(static_cast<std::size_t>(config.layers), at::Device(at::kMeta));
  return allocate_weights(config, at::TensorOptions(at::kFloat).device(at::kMeta), nowhere);
}

}  // namespace

fs::path checkpoint_folder(const fs::path& path) {
  return fs::is_directory(path) ? path : path.parent_path();
}

ConfigValues checkpoint_values(const TensorFile& file, const fs::path& path) {
  const fs::path folder = checkpoint_folder(path);
  if (file.format() == TensorFile::Format::kGguf) {
    require_gguf_model(file);
    return ConfigValues::from_gguf(file);
  }
  if (is_peft_adapter(folder)) refuse_peft_adapter(folder);
  return ConfigValues::from_json(read_text_file(folder / "config.json"), (folder / "config.json").string());
}

CheckpointOutline read_outline(const fs::path& path) {
  std::shared_ptr<const TensorFile> file = open_checkpoint(path);
  ConfigValues values = checkpoint_values(*file, path);
  find_family(values);  // an unknown one is told before anything else
  require_plain_weights(*file, checkpoint_folder(path));
  return outline_of(std::move(file), std::move(values));
}

CheckpointOutline outline_of(std::shared_ptr<const TensorFile> tensors, ConfigValues values) {
  CheckpointOutline outline;
  outline.file = std::move(tensors);
  outline.values = std::move(values);
  outline.family = &find_family(outline.values);
  const TensorFile& file = *outline.file;
  const TensorNames names(file, *outline.family);
  ModelConfig& config = outline.config;
  config = outline.family->read_config(outline.values, file);
  config.tied_head = has_tied_head(file, names, config.tied_head);
  if (config.vocab == 0)  // GGUF need not say: the embedding table does
    if (const TensorInfo* table = names.find(Role::kTokenEmbedding); table && !table->shape.empty())
      config.vocab = table->shape.front();
  check_config(config, outline.values.where());
  require_tensors_for(config, file, outline.values);
  ModelWeights shapes = shapes_of_weights(config);
  outline.assignments = RoleAssigner(file, *outline.family, names, config, shapes).assign(outline.unread);
  return outline;
}

}  // namespace emend
