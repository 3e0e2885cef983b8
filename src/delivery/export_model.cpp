#include "emend/export_model.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <deque>
#include <stdexcept>

#include "base/atomic_file.h"
#include "base/atomic_folder.h"
#include "base/files.h"
#include "base/json.h"
#include "base/strings.h"
#include "delivery/checkpoint_files.h"
#include "emend/error.h"
#include "emend/tensor_file.h"
#include "io/gguf_header.h"
#include "io/output_check.h"
#include "model/checkpoint_outline.h"
#include "model/checkpoint_tokenizer.h"
#include "model/families/write_config.h"
#include "model/role_table.h"
#include "model/weights.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

struct ExportType {
  const char* name;
  at::ScalarType type;
  const char* torch_name;  // in config.json
};

const std::vector<ExportType>& export_types() {
  static const std::vector<ExportType> all = {
      {"F32", at::kFloat, "float32"}, {"F16", at::kHalf, "float16"}, {"BF16", at::kBFloat16, "bfloat16"}};
  return all;
}

const ExportType& find_type(const std::string& name) {
  std::string upper = name;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  for (const ExportType& type : export_types())
    if (upper == type.name) return type;
  throw Error(
      ErrorKind::kUsage,
      fmt::format("a checkpoint of transformers is written as F32, F16 or BF16, not as {}", quote(name)));
}

void require_gguf(const fs::path& model) {
  if (!model.empty() && !fs::exists(model)) throw io_error("read", model, ENOENT);
  if (model.empty() || !is_gguf_file(model))
    throw Error(ErrorKind::kUsage,
                fmt::format("{} is no GGUF file: transformers opens a checkpoint in safetensors as it is; "
                            "patches are written into one by applying them",
                            model.empty() ? "a model made in memory" : model.string()));
}

void require_whole_numbers(const Model& model) {
  if (model.compute_type() != ComputeType::kFloat32)
    throw Error(ErrorKind::kUsage,
                "the model is computed in 16 bits, which has rounded its numbers; load it in float32");
}

// ---- tensors

// Rows by key/value head: its queries, its key, its value (the reverse of StoredForm::kGroupedQkv).
at::Tensor grouped(const at::Tensor& rows, const ModelConfig& c) {
  const std::int64_t group = c.heads / c.kv_heads;
  std::vector<std::int64_t> sizes = rows.sizes().vec();
  const auto by_head = [&](const at::Tensor& part, std::int64_t heads) {
    std::vector<std::int64_t> split = {c.kv_heads, heads, c.head_dim};
    split.insert(split.end(), sizes.begin() + 1, sizes.end());
    return part.reshape(split);
  };
  const auto parts =
      rows.split_with_sizes({c.heads * c.head_dim, c.kv_heads * c.head_dim, c.kv_heads * c.head_dim}, 0);
  return at::cat({by_head(parts[0], group), by_head(parts[1], 1), by_head(parts[2], 1)}, 1).reshape(sizes);
}

// The pairs of neighbours that turn together in each head become the two halves of what turns.
at::Tensor half_split(const at::Tensor& rows, std::int64_t head_dim, std::int64_t turned) {
  std::vector<std::int64_t> sizes = rows.sizes().vec(), split = {-1, head_dim};
  split.insert(split.end(), sizes.begin() + 1, sizes.end());
  const at::Tensor heads = rows.reshape(split);
  const at::Tensor first = heads.slice(1, 0, turned, 2), second = heads.slice(1, 1, turned, 2);
  return at::cat({first, second, heads.slice(1, turned)}, 1).reshape(sizes);
}

bool is_query_or_key(Role role) {
  return role == Role::kQuery || role == Role::kQueryBias || role == Role::kKey || role == Role::kKeyBias;
}

bool turns_neighbours(const ModelConfig& config) {
  return !config.rotary.empty() && config.rotary.front().pairs == RotaryPairs::kInterleaved;
}

// A weight as a safetensors file of the family stores it.
at::Tensor as_stored(const at::Tensor& weight, const TensorName& rule, const Family& family,
                     const ModelConfig& config) {
  at::Tensor stored = weight;
  if (rule.form == StoredForm::kConv1d) stored = stored.t();
  if (rule.form == StoredForm::kGroupedQkv) stored = grouped(stored, config);
  if (is_query_or_key(rule.role) && turns_neighbours(config))
    stored = half_split(stored, config.head_dim,
                        2 * static_cast<std::int64_t>(config.rotary.front().frequencies.size()));
  if (family.norms_from_zero && is_norm_factor(rule.role)) stored = stored - 1;
  return stored;
}

std::string with_number(std::string pattern, const std::string& place, std::int64_t number) {
  const auto at = pattern.find(place);
  if (at != std::string::npos) pattern.replace(at, place.size(), std::to_string(number));
  return pattern;
}

// The tensors of a file, rounded to its type.
class StoredTensors {
 public:
  StoredTensors(const ExportType& type, const std::string& where) : type_(type), where_(where) {}

  void add(const std::string& name, const at::Tensor& exact) {
    const at::Tensor& stored = kept_.emplace_back(exact.to(at::kCPU, type_.type).contiguous());
    if (type_.type != at::kFloat) note_rounding(name, exact.to(at::kCPU), stored);
    const auto* const data = static_cast<const std::byte*>(stored.const_data_ptr());
    tensors_.push_back({name, type_.name, stored.sizes().vec(), {data, stored.nbytes()}});
    bytes_ += static_cast<std::int64_t>(stored.nbytes());
  }
  const std::vector<TensorToWrite>& tensors() const { return tensors_; }
  std::int64_t bytes() const { return bytes_; }
  double rounding() const { return rounding_; }

 private:
  void note_rounding(const std::string& name, const at::Tensor& exact, const at::Tensor& stored) {
    const double largest = exact.abs().max().item<double>();
    const double off = (stored.to(at::kFloat) - exact).abs().max().item<double>();
    if (!std::isfinite(off))
      throw Error(ErrorKind::kModel, fmt::format("{}: {} holds {}, which {} cannot hold; write F32 or BF16",
                                                 where_, name, largest, type_.name));
    if (largest > 0) rounding_ = std::max(rounding_, off / largest);
  }

  const ExportType& type_;
  std::string where_;
  std::deque<at::Tensor> kept_;
  std::vector<TensorToWrite> tensors_;
  std::int64_t bytes_ = 0;
  double rounding_ = 0;
};

void add_weight(const TensorName& rule, const at::Tensor& weight, int block, const Family& family,
                const ModelConfig& config, StoredTensors& tensors) {
  if (!weight.defined()) return;
  const at::Tensor stored = as_stored(weight, rule, family, config);
  const std::string name = with_number(written_name(rule, config), "{l}", block);
  if (name.find("{h}") == std::string::npos) return tensors.add(name, stored);
  for (std::int64_t row = 0; row < stored.size(0); ++row)
    tensors.add(with_number(name, "{h}", row), stored.select(0, row));
}

void gather_tensors(const Model& model, const Family& family, StoredTensors& tensors, Progress& progress) {
  const ModelConfig& config = model.config();
  ModelWeights weights = model.weights();  // the same tensors
  progress.begin("writing the checkpoint", config.layers, "blocks");
  for (const TensorName& rule : family.tensors)
    if (!rule.safetensors.empty() && !is_block_role(rule.role))
      add_weight(rule, weight_view(weights, config, rule.role, 0), 0, family, config, tensors);
  for (int l = 0; l < config.layers; ++l) {
    BlockWeights block = weights.block(l);
    for (const TensorName& rule : family.tensors)
      if (!rule.safetensors.empty() && is_block_role(rule.role))
        add_weight(rule, block_view(block, config, rule.role, l), l, family, config, tensors);
    progress.update(l + 1, "");
  }
  progress.end();
}

// ---- the files beside them

// The family whose names the file gets: that of its config.json.
const Family& family_written(const ResultJson& config, const fs::path& where) {
  return find_family(ConfigValues::from_json(config.dump(), where.string()));
}

ResultJson config_of(const CheckpointOutline& outline, const Tokenizer* tokenizer, const ExportType& type) {
  ResultJson config = write_config(outline.config, outline.values, *outline.file);
  config["torch_dtype"] = type.torch_name;
  // Classes have ids of their own vocabulary where the file names none.
  config["bos_token_id"] = tokenizer == nullptr ? ResultJson(nullptr) : or_null(tokenizer->bos());
  config["eos_token_id"] = tokenizer == nullptr ? ResultJson(nullptr) : or_null(tokenizer->eos());
  config["pad_token_id"] = nullptr;
  return config;
}

// Before any work: what cannot be said in config.json.
void require_same_model(const ResultJson& config, const CheckpointOutline& outline) {
  const ConfigValues values = ConfigValues::from_json(config.dump(), outline.file->path().string());
  const Family& family = find_family(values);
  ModelConfig read = family.read_config(values, *outline.file);
  const std::string difference = config_difference(outline.config, read);
  if (!difference.empty())
    throw Error(ErrorKind::kModel,
                fmt::format("{}: config.json of the family {} cannot say what this model does: it would be "
                            "read as {}",
                            outline.file->path().string(), family.name, difference));
}

void write_tokenizer(const fs::path& folder, const TensorFile& gguf, ExportModelOutcome& outcome) {
  const std::optional<text::TokenizerFiles> files = gguf_tokenizer_files(gguf);
  if (!files) {
    outcome.warnings.emplace_back("The GGUF file has no tokenizer, so the folder has none.");
    return;
  }
  write_file_atomically(folder / "tokenizer.json", files->tokenizer_json);
  write_file_atomically(folder / "tokenizer_config.json", files->tokenizer_config_json);
  outcome.warnings.insert(outcome.warnings.end(), files->warnings.begin(), files->warnings.end());
  outcome.has_tokenizer = true;
}

// The folder as emend reads it.
void require_readable(const fs::path& folder, const ModelConfig& config) {
  const std::string difference = config_difference(config, read_outline(folder).config);
  if (!difference.empty())
    throw std::logic_error("export_model: the folder that was written reads as " + difference);
}

}  // namespace

void require_exportable_model(const fs::path& model, const ExportModelOptions& options) {
  const ExportType& type = find_type(options.type);
  require_gguf(model);
  require_ending(options.out, OutputForm::kFolder);
  const CheckpointOutline outline = read_outline(model);
  require_same_model(config_of(outline, nullptr, type), outline);
}

ExportModelOutcome export_model(const Model& model, const ExportModelOptions& options, Progress& progress) {
  const c10::NoGradGuard no_grad;
  const ExportType& type = find_type(options.type);
  require_gguf(model.path());
  require_whole_numbers(model);
  require_apart(model.path(), options.out, "name another place");
  require_ending(options.out, OutputForm::kFolder);
  const CheckpointOutline outline = read_outline(model.path());
  const ResultJson config = config_of(outline, model.has_tokenizer() ? &model.tokenizer() : nullptr, type);
  require_same_model(config, outline);
  AtomicFolder made(options.out);
  ExportModelOutcome outcome;
  write_tokenizer(made.path(), *outline.file, outcome);
  write_file_atomically(made.path() / "config.json", config.dump(2) + "\n");
  StoredTensors tensors(type, model.path().string());
  gather_tensors(model, family_written(config, made.path() / "config.json"), tensors, progress);
  write_safetensors(made.path() / "model.safetensors", tensors.tensors(), {});
  require_readable(made.path(), model.config());
  made.commit();
  outcome.written = options.out;
  outcome.architecture = config.at("architectures").at(0).get<std::string>();
  outcome.type = type.name;
  outcome.tensors = static_cast<std::int64_t>(tensors.tensors().size());
  outcome.bytes = tensors.bytes();
  outcome.rounding = tensors.rounding();
  return outcome;
}

}  // namespace emend
