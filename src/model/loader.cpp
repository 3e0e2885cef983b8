#include "model/loader.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/files.h"
#include "base/fingerprint.h"
#include "base/strings.h"
#include "emend/error.h"
#include "io/adapter_files.h"
#include "io/element_types.h"
#include "model/families/family.h"
#include "model/placement.h"
#include "model/tensor_names.h"
#include "model/weight_filling.h"
#include "model/weights.h"

namespace emend {

namespace {

namespace fs = std::filesystem;

// One tensor of the file and the weight that it fills.
struct Assignment {
  RoleEntry entry;
  const TensorInfo* tensor;
  StoredForm form;
  std::int64_t row;  // of the weight that it fills; -1: all of it
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

  // What does not fit is told in one message.
  std::vector<Assignment> assign() {
    for (const TensorName& rule : names_.rules()) {
      const int blocks = is_block_role(rule.role) ? config_.layers : 1;
      for (int l = 0; l < blocks; ++l) assign_weight(rule, l);
    }
    for (const TensorInfo& tensor : file_.tensors())
      if (!used_.contains(tensor.name) && !names_.may_ignore(tensor.name))
        misfits_.unexpected.push_back(tensor.name);
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

std::unique_ptr<Tokenizer> folder_tokenizer(const fs::path& folder, const std::string& model_type) {
  const auto text_of = [&](const char* name) {
    return fs::exists(folder / name) ? read_text_file(folder / name) : std::string();
  };
  TokenizerJson source;
  source.tokenizer_json = text_of("tokenizer.json");
  source.where = (folder / "tokenizer.json").string();
  if (source.tokenizer_json.empty()) {
    source.vocab_json = text_of("vocab.json");
    source.merges_txt = text_of("merges.txt");
    source.where = (folder / "vocab.json").string();
    if (source.vocab_json.empty()) return nullptr;
  }
  source.tokenizer_config_json = text_of("tokenizer_config.json");
  source.chat_template_jinja = text_of("additional_chat_templates/default.jinja");
  if (source.chat_template_jinja.empty()) source.chat_template_jinja = text_of("chat_template.jinja");
  source.special_tokens_map_json = text_of("special_tokens_map.json");
  source.added_tokens_json = text_of("added_tokens.json");
  source.model_type = model_type;
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
  get("ggml.scores", source.scores);
  get_optional("ggml.bos_token_id", source.bos_id);
  get_optional("ggml.eos_token_id", source.eos_id);
  get_optional("ggml.unknown_token_id", source.unknown_id);
  get_optional("ggml.add_bos_token", source.add_bos);
  get_optional("ggml.add_eos_token", source.add_eos);
  get_optional("ggml.add_space_prefix", source.add_space_prefix);
  get("chat_template", source.chat_template);
  get("huggingface.json", source.huggingface_json);
  source.where = file.path().string();
  return make_tokenizer(source);
}

// What a user should know of a tokenizer that works.
void note_tokenizer(const Tokenizer& tokenizer, std::int64_t embedding_rows, Progress& progress) {
  for (const std::string& warning : tokenizer.warnings()) progress.note(warning);
  if (tokenizer.size() > embedding_rows)
    progress.note(
        fmt::format("The tokenizer has {} ids, the model only {} embedding rows: texts with a token "
                    "from {} on are refused.",
                    tokenizer.size(), embedding_rows, embedding_rows));
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

ModelWeights room_for(const ModelConfig& config, const LoadingOptions& options) {
  if (options.loading == Loading::kWeights)
    return allocate_weights(config, options.tensors, place_blocks(config, options.devices));
  const std::vector<at::Device> nowhere(static_cast<std::size_t>(config.layers), at::kMeta);
  return allocate_weights(config, options.tensors.device(at::kMeta), nowhere);
}

void load_weights(const std::vector<Assignment>& assignments, const TensorFile& file, bool norms_from_zero,
                  const LoadingOptions& options, Progress& progress, LoadedModel& model) {
  std::vector<WeightFilling> fillings;
  for (const Assignment& from : assignments) {
    const Role role = from.entry.role;
    at::Tensor target = weight_view(model.weights, model.config, role, std::max(from.entry.block, 0));
    if (from.row >= 0) target = target.select(0, from.row);
    fillings.push_back({target, from.tensor, from.form, norms_from_zero && is_norm_factor(role)});
  }
  const auto count = static_cast<std::int64_t>(fillings.size());
  progress.begin("loading " + file.path().filename().string(), count, "tensors");
  const auto digests = fill_weights(file, fillings, model.config, options.threads, progress);
  progress.end();
  for (std::size_t i = 0; i < digests.size(); ++i) model.roles[i].digest = digests[i];
}

bool is_small(const TensorFile& file) {
  std::uint64_t bytes = 0;
  for (const TensorInfo& tensor : file.tensors()) bytes += tensor.bytes;
  return bytes <= kSmallFileBytes;
}

void take_digests(const std::vector<Assignment>& assignments, const TensorFile& file, LoadedModel& model) {
  for (std::size_t i = 0; i < assignments.size(); ++i)
    model.roles[i].digest = xxh3_128_hex(file.bytes(*assignments[i].tensor));
}

}  // namespace

LoadedModel load_checkpoint(const fs::path& path, const LoadingOptions& options, Progress& progress) {
  const std::unique_ptr<TensorFile> file = open_checkpoint(path);
  const bool gguf = file->format() == TensorFile::Format::kGguf;
  const fs::path folder = fs::is_directory(path) ? path : path.parent_path();
  if (gguf)
    require_gguf_model(*file);
  else if (is_peft_adapter(folder))
    refuse_peft_adapter(folder);
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
  model.weights = room_for(model.config, options);
  const std::vector<Assignment> assignments =
      RoleAssigner(*file, family, names, model.config, model.weights).assign();

  for (const Assignment& from : assignments) model.roles.push_back(from.entry);
  if (options.loading == Loading::kWeights)
    load_weights(assignments, *file, !gguf && family.norms_from_zero, options, progress, model);
  else if (is_small(*file))
    take_digests(assignments, *file, model);
  model.tokenizer =
      gguf ? gguf_tokenizer(*file) : folder_tokenizer(folder, values.text({"model_type", ""}, ""));
  if (model.tokenizer) note_tokenizer(*model.tokenizer, model.config.vocab, progress);
  return model;
}

}  // namespace emend
