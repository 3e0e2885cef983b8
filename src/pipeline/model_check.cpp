#include "emend/model_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/first_names.h"
#include "base/strings.h"
#include "io/quantised_checkpoint.h"
#include "model/checkpoint_outline.h"
#include "model/checkpoint_tokenizer.h"
#include "pipeline/role_lines.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNamed = 3;  // how many tensors or blocks a sentence names

std::map<std::string, StoredTypeUse> types_of(const TensorFile& file) {
  std::map<std::string, StoredTypeUse> types;
  for (const TensorInfo& tensor : file.tensors()) {
    StoredTypeUse& use = types[std::string(tensor.type->name)];
    ++use.tensors;
    use.bytes += static_cast<std::int64_t>(tensor.bytes);
    use.can_read = tensor.type->read != nullptr;
    use.can_write = tensor.type->write != nullptr;
  }
  return types;
}

// What config.json or the metadata call the model; empty where they do not.
std::string architecture_of(const ConfigValues& values) {
  return values.text({"model_type", "general.architecture"}, "");
}

// Elements of the largest tensor that is turned into float32 apart from its place in memory.
std::int64_t staged_elements(const std::vector<Assignment>& assignments, ComputeType type) {
  std::int64_t most = 0;
  for (const Assignment& assignment : assignments)
    if (type != ComputeType::kFloat32 || assignment.form != StoredForm::kPlain)
      most = std::max(most, assignment.tensor->elements());
  return most;
}

// --- what does not work

void add_type_limits(const std::vector<RoleLine>& roles, std::vector<Unsupported>& unsupported) {
  for (const RoleLine& line : roles) {
    const ElementType* type = find_element_type(line.type);
    if (line.role != Role::kMlpDown || type == nullptr || type->write != nullptr) continue;
    unsupported.push_back(
        {fmt::format("edits in type {} (blocks {})", line.type, ranges_text(line.blocks)),
         "emend reads this type but does not write it; `patch apply` and `export` store an edited down "
         "projection in another one"});
  }
}

void add_unread_tensors(const std::vector<const TensorInfo*>& unread, std::vector<Unsupported>& unsupported) {
  if (unread.empty()) return;
  std::vector<std::string> names;
  std::uint64_t bytes = 0;
  for (const TensorInfo* tensor : unread) {
    names.push_back(tensor->name);
    bytes += tensor->bytes;
  }
  unsupported.push_back(
      {fmt::format("{} tensors of {} that play no role ({})", unread.size(), human_bytes(bytes),
                   first_names(names, kNamed)),
       "buffers or other parts of a larger model: carried into new files as they are, and not "
       "run"});
}

void add_tokenizer_limits(const Tokenizer& tokenizer, const TokenizerSummary& summary, std::int64_t vocab,
                          std::vector<Unsupported>& unsupported) {
  if (summary.chat_template == "none")
    unsupported.push_back(
        {"prompts through a chat template (form: chat)", "the tokenizer has no chat template"});
  else if (summary.chat_template.starts_with("unusable"))
    unsupported.push_back({"prompts through the chat template (form: chat)", summary.chat_template});
  if (summary.size > vocab)
    unsupported.push_back(
        {fmt::format("texts with a token from {} on", vocab),
         fmt::format("the tokenizer has {} ids, the model only {} embedding rows", summary.size, vocab)});
  for (const std::string& warning : tokenizer.warnings())
    unsupported.push_back({"a part of the tokenizer", warning});
}

void add_tokenizer(const Tokenizer* tokenizer, const fs::path& path, ModelCheck& check) {
  if (tokenizer == nullptr) {
    check.unsupported.push_back(
        {"everything that reads text: edits, statistics, traces, generation", no_tokenizer_text(path)});
    return;
  }
  check.tokenizer = summarize_tokenizer(*tokenizer);
  add_tokenizer_limits(*tokenizer, *check.tokenizer, check.config->vocab, check.unsupported);
}

void describe(const ModelConfig& config, const std::vector<RoleEntry>& entries, ComputeType type,
              std::int64_t staged, ModelCheck& check) {
  check.config = config;
  check.roles = role_lines(entries);
  check.norms = norm_lines(config);
  check.ffn = ffn_share(check.roles);
  check.memory = memory_needs(config, type, staged);
  add_type_limits(check.roles, check.unsupported);
}

void describe_file(const CheckpointOutline& outline, ComputeType type, ModelCheck& check) {
  std::vector<RoleEntry> entries;
  for (const Assignment& assignment : outline.assignments) entries.push_back(assignment.entry);
  describe(outline.config, entries, type, staged_elements(outline.assignments, type), check);
  add_unread_tensors(outline.unread, check.unsupported);
}

// A tokenizer that cannot be used refuses the model as a whole, as loading does.
void describe_tokenizer(const CheckpointOutline& outline, ModelCheck& check) {
  const auto tokenizer = read_tokenizer(*outline.file, outline.values, check.path);
  add_tokenizer(tokenizer.get(), check.path, check);
}

// The reasons that a refused file gives, beside the first one.
void add_further_reasons(const TensorFile& file, ModelCheck& check) {
  check.unsupported.push_back({"this model", check.refusal->what()});
  for (const auto& [name, use] : check.types)
    if (!use.can_read)
      check.unsupported.push_back(
          {fmt::format("{} tensors of type {}", use.tensors, name), "emend cannot turn them into numbers"});
  const auto layout = find_quantised_layout(file, checkpoint_folder(check.path));
  const std::string text = layout ? quantised_layout_text(*layout) : "";
  if (layout && std::string(check.refusal->what()).find(text) == std::string::npos)
    check.unsupported.push_back({"the storage of the weights", text});
}

}  // namespace

ModelCheck check_model_file(const fs::path& path, ComputeType type) {
  ModelCheck check;
  check.path = path;
  const std::unique_ptr<TensorFile> file = open_checkpoint(path);
  const ConfigValues values = checkpoint_values(*file, path);
  check.format = file->format() == TensorFile::Format::kGguf ? "GGUF" : "safetensors";
  check.architecture = architecture_of(values);
  check.types = types_of(*file);
  check.tensors = static_cast<std::int64_t>(file->tensors().size());
  try {
    const CheckpointOutline outline = read_outline(path);
    describe_file(outline, type, check);
    describe_tokenizer(outline, check);
  } catch (const Error& error) {
    check.refusal = error;
    add_further_reasons(*file, check);
  }
  return check;
}

ModelCheck check_model(const Model& model) {
  ModelCheck check;
  check.path = model.path();
  describe(model.config(), model.roles(), model.compute_type(), 0, check);
  add_tokenizer(model.has_tokenizer() ? &model.tokenizer() : nullptr, model.path(), check);
  return check;
}

}  // namespace emend
