// A model in GGUF as a folder that `transformers` opens: config.json, model.safetensors and the tokenizer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

struct ExportModelOptions {
  std::filesystem::path out;  // a folder that is not there yet, or is empty
  // "F32", "F16" or "BF16": of all tensors. F32 holds what any GGUF type stands for exactly; the others round
  // to nearest even.
  std::string type = "F32";
};

struct ExportModelOutcome {
  std::filesystem::path written;
  std::string architecture;  // the class of transformers: "LlamaForCausalLM"
  std::string type;
  std::int64_t tensors = 0;
  std::int64_t bytes = 0;  // of model.safetensors
  // Largest difference of a written number from the model's, as a share of the largest number of its tensor;
  // 0 for F32.
  double rounding = 0;
  bool has_tokenizer = false;
  std::vector<std::string> warnings;
};

// Writes the model as it is now, with the edits that are laid on it. The base is a GGUF file, computed in
// float32; the names of tensors, the order of their rows and the settings become those of transformers (for
// Llama the converter of llama.cpp had put rows of queries and keys in another order). The folder is read
// again before it gets its name: its config must give the same model and its tokenizer.json the same ids
// (rare texts that get others are warned of). Memory: the model, and until the file is written a
// copy of every tensor that is stored in another form: all of them in a 16-bit type (half of the model
// again), in F32 those that are transposed, grouped by head or put into another order.
//
// Throws Error: kUsage for an unknown type, a folder named as a file, a base that is no GGUF file or is
// computed in 16 bits; kModel for a family, a setting or a tokenizer that cannot be written, by name, and for
// a number beyond the type's range; kIo. Nothing is left behind then.
ExportModelOutcome export_model(const Model& model, const ExportModelOptions& options,
                                Progress& progress = no_progress());

// What export_model refuses of this file by its headers alone, before it is loaded. Throws as export_model
// does, but for what only the tokenizer, the type of the computation and the numbers tell.
void require_exportable_model(const std::filesystem::path& model, const ExportModelOptions& options);

}  // namespace emend
