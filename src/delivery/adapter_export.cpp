#include <ATen/ATen.h>

#include <memory>

#include "emend/adapter.h"
#include "emend/tensor_file.h"

namespace emend {
namespace {

// How the tensors of a module are called in a file.
struct TensorNames {
  std::string prefix, a, b;
};

at::Tensor read_double(const TensorFile& file, const std::string& name) {
  const TensorInfo& info = *file.find(name);
  const at::Tensor tensor = at::empty(info.shape, at::kFloat);
  read_as_float32(file, info, {tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())});
  return tensor.to(at::kDouble);
}

ExportedModule read_back(const TensorFile& file, const AdapterModule& module, const TensorNames& names) {
  const std::string name = names.prefix + module.name;
  const at::Tensor wanted = at::matmul(module.B.to(at::kDouble), module.A.to(at::kDouble));
  const at::Tensor stored = at::matmul(read_double(file, name + names.b), read_double(file, name + names.a));
  return {module.name, module.block, module.A.size(0), at::matmul(module.B, module.A).norm().item<double>(),
          (stored - wanted).abs().max().item<double>()};
}

AdapterOutcome read_back(const std::filesystem::path& file, const std::vector<AdapterModule>& modules,
                         const TensorNames& names) {
  const std::unique_ptr<TensorFile> stored = open_checkpoint(file);
  AdapterOutcome outcome;
  outcome.exact = true;
  for (const AdapterModule& module : modules) {
    outcome.modules.push_back(read_back(*stored, module, names));
    outcome.exact = outcome.exact && outcome.modules.back().difference == 0;
  }
  return outcome;
}

AdapterOutcome export_peft(const Model& base, const std::vector<Patch>& patches,
                           const AdapterOptions& options) {
  const std::vector<AdapterModule> modules = peft_modules(base, patches);
  write_peft_adapter(base, modules, options.base_name.empty() ? patches.front().base_name : options.base_name,
                     options.out);
  return read_back(options.out / "adapter_model.safetensors", modules,
                   {"base_model.model.", ".lora_A.weight", ".lora_B.weight"});
}

AdapterOutcome export_gguf(const Model& base, const std::vector<Patch>& patches,
                           const AdapterOptions& options) {
  const std::vector<AdapterModule> modules = gguf_modules(base, patches);
  write_gguf_adapter(base, modules, options.out);
  return read_back(options.out, modules, {"", ".lora_a", ".lora_b"});
}

}  // namespace

AdapterOutcome export_adapter(const Model& base, const std::vector<Patch>& patches,
                              const AdapterOptions& options) {
  AdapterOutcome outcome = options.format == AdapterFormat::kPeft ? export_peft(base, patches, options)
                                                                  : export_gguf(base, patches, options);
  outcome.written = options.out;
  return outcome;
}

}  // namespace emend
