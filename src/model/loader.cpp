#include "model/loader.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/fingerprint.h"
#include "base/strings.h"
#include "base/text_file.h"
#include "emend/error.h"
#include "io/element_types.h"
#include "model/families/family.h"
#include "model/placement.h"
#include "model/tensor_names.h"
#include "model/weights.h"

namespace emend {

namespace {

namespace fs = std::filesystem;

// One tensor of the file and the weight that it fills.
struct Assignment {
  RoleEntry entry;
  const TensorInfo* tensor;
  StoredForm form;
};

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
    const std::vector<std::string> first(names.begin(),
                                         names.begin() + std::min<std::size_t>(names.size(), 8));
    const std::string more = names.size() > 8 ? fmt::format(", and {} more", names.size() - 8) : "";
    return fmt::format("\n  {}: {}{}", what, join(first), more);
  }
};

void require_readable(const TensorFile& file, const TensorInfo& tensor) {
  if (tensor.dtype == DType::kOpaque)
    throw Error(ErrorKind::kModel, fmt::format("{}: tensor {} is of type {}, which emend does not read; "
                                               "known: F32, F16, BF16, F64, Q4_0, Q4_1, Q8_0",
                                               file.path().string(), tensor.name, tensor.dtype_name));
}

// The tensor of a role; a tied model may have stored its head alone, which is the embedding then.
const TensorInfo* find_tensor(const TensorNames& names, const ModelConfig& config, const TensorName& rule,
                              int block) {
  const TensorInfo* found = names.find(rule, block);
  const bool may_be_head = rule.role == Role::kTokenEmbedding && config.tied_head && !names.is_gguf();
  return found || !may_be_head ? found : names.find(Role::kHead);
}

// Matches the family's table with the file's tensors.
std::vector<Assignment> assign_roles(const TensorFile& file, const Family& family, const TensorNames& names,
                                     const ModelConfig& config, ModelWeights& weights) {
  std::vector<Assignment> assignments;
  std::set<std::string> used;
  Misfits misfits;
  for (const TensorName& rule : names.rules()) {
    const bool in_block = is_block_role(rule.role);
    for (int l = 0; l < (in_block ? config.layers : 1); ++l) {
      const at::Tensor target = weight_view(weights, config, rule.role, l);
      const TensorInfo* tensor = find_tensor(names, config, rule, l);
      if (!target.defined()) {
        if (tensor && rule.role == Role::kHead) used.insert(tensor->name);  // equal to the embedding
        continue;
      }
      if (!tensor) {
        misfits.missing.push_back(names.expected(rule, l));
        continue;
      }
      used.insert(tensor->name);
      const bool transposed = rule.form == StoredForm::kConv1d && !names.is_gguf();
      std::vector<std::int64_t> expected = target.sizes().vec();
      if (transposed) std::reverse(expected.begin(), expected.end());
      if (tensor->shape != expected) {
        misfits.misshaped.push_back(fmt::format("{} is {}, expected {}", tensor->name,
                                                shape_text(tensor->shape), shape_text(expected)));
        continue;
      }
      require_readable(file, *tensor);
      assignments.push_back(
          {{rule.role, in_block ? l : -1, tensor->name, tensor->dtype_name, tensor->shape, transposed, ""},
           tensor,
           names.is_gguf() ? StoredForm::kPlain : rule.form});
    }
  }
  for (const TensorInfo& tensor : file.tensors())
    if (!used.contains(tensor.name) && !names.may_ignore(tensor.name))
      misfits.unexpected.push_back(tensor.name);
  misfits.require_none(file, family);
  return assignments;
}

// Rows by key/value head (its queries, its key, its value) as all queries, all keys, all values.
at::Tensor ungrouped(const at::Tensor& rows, const ModelConfig& c) {
  const std::int64_t group = c.heads / c.kv_heads;
  std::vector<std::int64_t> sizes = rows.sizes().vec(), grouped = {c.kv_heads, group + 2, c.head_dim};
  sizes[0] = -1;
  grouped.insert(grouped.end(), sizes.begin() + 1, sizes.end());
  const auto parts = rows.view(grouped).split_with_sizes({group, 1, 1}, 1);
  return at::cat({parts[0].reshape(sizes), parts[1].reshape(sizes), parts[2].reshape(sizes)}, 0);
}

at::Tensor in_order_of_pass(const at::Tensor& stored, StoredForm form, const ModelConfig& config) {
  switch (form) {
    case StoredForm::kPlain:
      return stored;
    case StoredForm::kConv1d:
      return stored.t();
    case StoredForm::kGroupedQkv:
      return ungrouped(stored, config);
  }
  return stored;
}

// `from_zero`: the file has what is added to 1.
void fill(const at::Tensor& target, const TensorFile& file, const Assignment& from, const ModelConfig& config,
          bool from_zero, int threads) {
  const auto count = static_cast<std::size_t>(from.tensor->elements());
  const bool direct =
      target.is_cpu() && target.scalar_type() == at::kFloat && from.form == StoredForm::kPlain;
  at::Tensor staged = direct ? target : at::empty(from.tensor->shape, at::kFloat);
  read_as_float32(file, *from.tensor, {staged.data_ptr<float>(), count}, threads);
  if (from_zero) staged.add_(1.0);
  if (!direct) target.copy_(in_order_of_pass(staged, from.form, config));
  // A sum is finite unless an element is not, or the sum itself overflows:
  // only then every element is looked at.
  if (!std::isfinite(staged.sum().item<float>()) && !at::isfinite(staged).all().item<bool>())
    throw Error(ErrorKind::kModel,
                fmt::format("{}: tensor {} holds NaN or infinite values; the model is damaged",
                            from.tensor->file.string(), from.tensor->name));
}

std::unique_ptr<Tokenizer> folder_tokenizer(const fs::path& folder) {
  const fs::path file = folder / "tokenizer.json";
  if (!fs::exists(file)) return nullptr;
  const auto text_of = [&](const char* name) {
    return fs::exists(folder / name) ? read_text_file(folder / name) : std::string();
  };
  TokenizerJson source;
  source.tokenizer_json = read_text_file(file);
  source.tokenizer_config_json = text_of("tokenizer_config.json");
  source.chat_template_jinja = text_of("chat_template.jinja");
  source.where = file.string();
  return make_tokenizer(source);
}

std::unique_ptr<Tokenizer> gguf_tokenizer(const TensorFile& file) {
  const auto& metadata = file.gguf_metadata();
  const auto get = [&]<typename T>(const std::string& key, T& out) {
    const auto it = metadata.find("tokenizer." + key);
    if (it == metadata.end()) return;
    if (const T* value = std::get_if<T>(&it->second))
      out = *value;
    else
      throw Error(ErrorKind::kFormat, fmt::format("{}: tokenizer.{} is of another type than expected",
                                                  file.path().string(), key));
  };
  const auto get_optional = [&]<typename T>(const std::string& key, std::optional<T>& out) {
    if (!metadata.contains("tokenizer." + key)) return;
    T value{};
    get(key, value);
    out = value;
  };
  if (!metadata.contains("tokenizer.ggml.model")) return nullptr;
  TokenizerGguf source;
  get("ggml.model", source.model);
  get("ggml.pre", source.pre);
  get("ggml.tokens", source.tokens);
  get("ggml.token_type", source.token_type);
  get("ggml.merges", source.merges);
  get_optional("ggml.bos_token_id", source.bos_id);
  get_optional("ggml.eos_token_id", source.eos_id);
  get_optional("ggml.add_bos_token", source.add_bos);
  get("chat_template", source.chat_template);
  get("huggingface.json", source.huggingface_json);
  source.where = file.path().string();
  return make_tokenizer(source);
}

}  // namespace

namespace {

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

}  // namespace

LoadedModel load_checkpoint(const fs::path& path, const at::TensorOptions& options,
                            const std::vector<at::Device>& devices, int threads, Progress& progress) {
  const std::unique_ptr<TensorFile> file = open_checkpoint(path);
  const bool gguf = file->format() == TensorFile::Format::kGguf;
  const fs::path folder = fs::is_directory(path) ? path : path.parent_path();
  const ConfigValues values = gguf ? ConfigValues::from_gguf(*file)
                                   : ConfigValues::from_json(read_text_file(folder / "config.json"),
                                                             (folder / "config.json").string());
  const Family& family = find_family(values);

  const TensorNames names(*file, family);

  LoadedModel model;
  model.config = family.read_config(values, *file);
  model.config.tied_head = has_tied_head(*file, names, model.config.tied_head);
  if (model.config.vocab == 0)  // GGUF need not say: the embedding table does
    if (const TensorInfo* table = names.find(Role::kTokenEmbedding); table && !table->shape.empty())
      model.config.vocab = table->shape.front();
  check_config(model.config, values.where());
  require_tensors_for(model.config, *file, values);
  model.weights = allocate_weights(model.config, options, place_blocks(model.config, devices));
  std::vector<Assignment> assignments = assign_roles(*file, family, names, model.config, model.weights);

  progress.begin("loading " + path.filename().string(), static_cast<std::int64_t>(assignments.size()),
                 "tensors");
  std::int64_t done = 0;
  for (Assignment& assignment : assignments) {
    const Role role = assignment.entry.role;
    fill(weight_view(model.weights, model.config, role, std::max(assignment.entry.block, 0)), *file,
         assignment, model.config, !gguf && family.norms_from_zero && is_norm_factor(role), threads);
    assignment.entry.digest = xxh3_128_hex(file->bytes(*assignment.tensor));
    model.roles.push_back(assignment.entry);
    progress.update(++done, "");
  }
  progress.end();
  model.tokenizer = gguf ? gguf_tokenizer(*file) : folder_tokenizer(folder);
  return model;
}

}  // namespace emend
