// Edits as low-rank adapters, for programs that load them beside the base: y += B (A k), with exactly the
// A and B of the patches. docs/formats.md describes the formats.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emend/model.h"
#include "emend/patch.h"

namespace emend {

// What an adapter does to one weight.
struct AdapterModule {
  int block = 0;
  std::string name;  // PEFT: the module's path in the model class; GGUF: the tensor's name
  at::Tensor A;      // [r, F] float32: the rows of all patches, in their order
  at::Tensor B;      // [D, r] float32
};

// One for each changed weight, by block. Throws Error(kModel) for changes that do not fit the model.
std::vector<AdapterModule> peft_modules(const Model& base, const std::vector<Patch>& patches);
std::vector<AdapterModule> gguf_modules(const Model& base, const std::vector<Patch>& patches);

// Writes a folder for the Python package PEFT: adapter_config.json and adapter_model.safetensors (float32).
// lora_alpha is r for every module, so that the scale is 1; rank_pattern and alpha_pattern name the blocks of
// another rank. `base_name` is what the config names as its base. The folder must not exist, or be empty. The
// folder appears whole or not at all. Throws Error(kIo).
void write_peft_adapter(const Model& base, const std::vector<AdapterModule>& modules,
                        const std::string& base_name, const std::filesystem::path& folder);

// Writes a GGUF file for llama.cpp (its option --lora FILE), float32. adapter.lora.alpha is r where all
// blocks have the same rank, else 0: both stand for a scale of 1. Throws Error(kIo).
void write_gguf_adapter(const Model& base, const std::vector<AdapterModule>& modules,
                        const std::filesystem::path& file);

// ---- adapters of other programs

// One pair of matrices of a LoRA adapter: y += B (A x) at one matrix of the model.
struct LoraModule {
  std::string name;  // the module's path in the model class: "model.layers.3.self_attn.q_proj"
  at::Tensor A;      // [r, in] float32
  at::Tensor B;      // [out, r] float32, times the adapter's scale
};

struct LoraAdapter {
  std::filesystem::path folder;
  std::string base_name;            // what the configuration names as its base; may be empty
  std::vector<LoraModule> modules;  // in the order of the file
};

// Reads a folder of the Python package PEFT: adapter_config.json and adapter_model.safetensors. The scale of
// a module is lora_alpha / r, or lora_alpha / sqrt(r) with use_rslora; rank_pattern and alpha_pattern are
// regular expressions for the end of a module's path, as in PEFT. Throws Error: kIo and kFormat (files that
// cannot be read, a half of a pair that is missing, a rank other than the configuration's, two patterns for
// one module, values that are not finite, also times the scale; the key or tensor is named); kModel (no LoRA,
// or one that is more than these products: DoRA, biases, embeddings, whole modules saved, bases that are
// changed when it is made or loaded; the key or tensor is named).
LoraAdapter read_lora_adapter(const std::filesystem::path& folder);

// Throws Error(kModel) for an adapter without modules, for two modules of one matrix, and unless every module
// is a matrix of a block of this model, of the same sizes: the module, and what the model has in its place,
// are named.
void require_fit(const LoraAdapter& adapter, const Model& model);

// ---- the whole run: an adapter is made from patches, written and read back

enum class AdapterFormat { kPeft, kGguf };
struct AdapterOptions {
  AdapterFormat format = AdapterFormat::kPeft;
  std::filesystem::path out;  // kPeft: the folder; kGguf: the file
  // kPeft: what the config names as its base; empty: the whole path of the model's folder, or the repository
  // that a GGUF file names as its source.
  std::string base_name;
};
struct ExportedModule {
  std::string name;
  int block = 0;
  std::int64_t rank = 0;
  double norm = 0;        // of the product B A
  double difference = 0;  // largest one of the product in the file from that of the patches
};
// The subjects of the edited facts, each once, in their order. The rows of an update are made of
// their keys, so whoever has the update can tell them from other names.
std::vector<std::string> subjects_of(const std::vector<Patch>& patches);

struct AdapterOutcome {
  std::filesystem::path written;
  std::vector<ExportedModule> modules;
  bool exact = false;                 // no difference anywhere
  std::vector<std::string> subjects;  // of the patches
  std::vector<std::string> warnings;  // for the caller, such as those of require_usable
};
// Throws what the functions above throw, Error(kUsage) if no patch changes anything or the name of `out` ends
// as that of a file of another form, and Error(kIo) if `out` lies in the base's folder.
AdapterOutcome export_adapter(const Model& base, const std::vector<Patch>& patches,
                              const AdapterOptions& options);

}  // namespace emend
