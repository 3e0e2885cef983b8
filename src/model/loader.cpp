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
#include "model/weights.h"

namespace emend {

namespace {

namespace fs = std::filesystem;

std::string with_block(std::string pattern, int block) {
  const auto at = pattern.find("{l}");
  if (at != std::string::npos) pattern.replace(at, 3, std::to_string(block));
  return pattern;
}

// One tensor of the file and the weight that it fills.
struct Assignment {
  RoleEntry entry;
  const TensorInfo* tensor;
};

// Matches the family's table with the file's tensors. Everything that does
// not fit is gathered into one message.
std::vector<Assignment> assign_roles(const TensorFile& file, const Family& family, const ModelConfig& config,
                                     ModelWeights& weights) {
  const bool gguf = file.format() == TensorFile::Format::kGguf;
  // Some hub files leave the family's prefix out; either all tensors have it or none has.
  const bool bare = !gguf && !family.optional_prefix.empty() &&
                    std::none_of(file.tensors().begin(), file.tensors().end(), [&](const TensorInfo& tensor) {
                      return tensor.name.starts_with(family.optional_prefix);
                    });
  std::vector<Assignment> assignments;
  std::set<std::string> used;
  std::vector<std::string> missing, misshaped, unexpected;
  for (const TensorName& rule : family.tensors) {
    const int blocks = is_block_role(rule.role) ? config.layers : 1;
    for (int l = 0; l < blocks; ++l) {
      const at::Tensor target = weight_view(weights, config, rule.role, l);
      std::string name = with_block(gguf ? rule.gguf : rule.safetensors, l);
      if (bare && name.starts_with(family.optional_prefix)) name = name.substr(family.optional_prefix.size());
      const TensorInfo* tensor = file.find(name);
      if (tensor) used.insert(name);  // a stored head of a tied model is dead data
      if (!target.defined()) continue;
      if (!tensor) {
        missing.push_back(name);
        continue;
      }
      const bool transposed = rule.conv1d && !gguf;
      std::vector<std::int64_t> expected = target.sizes().vec();
      if (transposed) std::reverse(expected.begin(), expected.end());
      if (tensor->shape != expected) {
        misshaped.push_back(
            fmt::format("{} is {}, expected {}", name, shape_text(tensor->shape), shape_text(expected)));
        continue;
      }
      if (tensor->dtype == DType::kOpaque)
        throw Error(ErrorKind::kModel, fmt::format("{}: tensor {} is of type {}, which emend does not read; "
                                                   "known: F32, F16, BF16, F64, Q4_0, Q4_1, Q8_0",
                                                   file.path().string(), name, tensor->dtype_name));
      assignments.push_back({{rule.role, is_block_role(rule.role) ? l : -1, name, tensor->dtype_name,
                              tensor->shape, transposed, ""},
                             tensor});
    }
  }
  for (const TensorInfo& tensor : file.tensors()) {
    const bool ignored =
        std::any_of(family.ignored.begin(), family.ignored.end(),
                    [&](const std::string& ending) { return tensor.name.ends_with(ending); });
    if (!used.contains(tensor.name) && !ignored) unexpected.push_back(tensor.name);
  }
  if (!missing.empty() || !misshaped.empty() || !unexpected.empty()) {
    const auto list = [](const std::string& what, const std::vector<std::string>& names) {
      if (names.empty()) return std::string();
      const std::vector<std::string> first(names.begin(),
                                           names.begin() + std::min<std::size_t>(names.size(), 8));
      const std::string more = names.size() > 8 ? fmt::format(", and {} more", names.size() - 8) : "";
      return fmt::format("\n  {}: {}{}", what, join(first), more);
    };
    throw Error(ErrorKind::kModel,
                fmt::format("{}: the tensors do not fit the {} family{}{}{}", file.path().string(),
                            family.name, list("missing", missing), list("wrong shape", misshaped),
                            list("unexpected", unexpected)));
  }
  return assignments;
}

void fill(const at::Tensor& target, const TensorFile& file, const Assignment& from, int threads) {
  const auto count = static_cast<std::size_t>(from.tensor->elements());
  const bool direct = target.is_cpu() && target.scalar_type() == at::kFloat && !from.entry.stored_transposed;
  const at::Tensor staged = direct ? target : at::empty(from.tensor->shape, at::kFloat);
  read_as_float32(file, *from.tensor, {staged.data_ptr<float>(), count}, threads);
  if (!direct) target.copy_(from.entry.stored_transposed ? staged.t() : staged);
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
  source.chat_template_jinja = text_of("additional_chat_templates/default.jinja");
  if (source.chat_template_jinja.empty()) source.chat_template_jinja = text_of("chat_template.jinja");
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

LoadedModel load_checkpoint(const fs::path& path, const at::TensorOptions& options,
                            const std::vector<at::Device>& devices, int threads, Progress& progress) {
  const std::unique_ptr<TensorFile> file = open_checkpoint(path);
  const bool gguf = file->format() == TensorFile::Format::kGguf;
  const fs::path folder = fs::is_directory(path) ? path : path.parent_path();
  const ConfigValues values = gguf ? ConfigValues::from_gguf(*file)
                                   : ConfigValues::from_json(read_text_file(folder / "config.json"),
                                                             (folder / "config.json").string());
  const Family& family = find_family(values);

  LoadedModel model;
  model.config = family.read_config(values, *file);
  if (model.config.vocab == 0)  // GGUF need not say: the embedding table does
    if (const TensorInfo* table = file->find(family.tensors.front().gguf); table && !table->shape.empty())
      model.config.vocab = table->shape.front();
  check_config(model.config, values.where());
  // A small file must not make us allocate a large model.
  std::uint64_t stored = 0;
  for (const TensorInfo& tensor : file->tensors()) stored += static_cast<std::uint64_t>(tensor.elements());
  const ModelConfig& c = model.config;
  const double block_rows =
      static_cast<double>(c.d_ff) + static_cast<double>(c.heads + c.kv_heads) * c.head_dim;
  const double table_rows =
      static_cast<double>(c.vocab) + (c.positions == PositionKind::kLearned ? c.max_positions : 0);
  if ((c.layers * block_rows + table_rows) * c.d_model > 2.0 * stored + 1e6)
    throw Error(ErrorKind::kModel, fmt::format("{}: describes a model far larger than the tensors in {}",
                                               values.where(), file->path().string()));
  model.weights = allocate_weights(model.config, options, place_blocks(model.config, devices));
  std::vector<Assignment> assignments = assign_roles(*file, family, model.config, model.weights);

  progress.begin("loading " + path.filename().string(), static_cast<std::int64_t>(assignments.size()),
                 "tensors");
  std::int64_t done = 0;
  for (Assignment& assignment : assignments) {
    fill(weight_view(model.weights, model.config, assignment.entry.role, std::max(assignment.entry.block, 0)),
         *file, assignment, threads);
    assignment.entry.digest = xxh3_128_hex(file->bytes(*assignment.tensor));
    model.roles.push_back(assignment.entry);
    progress.update(++done, "");
  }
  progress.end();
  model.tokenizer = gguf ? gguf_tokenizer(*file) : folder_tokenizer(folder);
  if (model.tokenizer && model.tokenizer->size() > model.config.vocab)
    throw Error(ErrorKind::kModel,
                fmt::format("{}: the tokenizer has {} ids, the model only {} embedding rows", path.string(),
                            model.tokenizer->size(), model.config.vocab));
  return model;
}

}  // namespace emend
