// What a checkpoint is and what emend can do with it, from its headers: no weight is loaded. Works for files
// that are refused, too, and then says what is known and why.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "emend/error.h"
#include "emend/memory_estimate.h"
#include "emend/model.h"
#include "emend/model_summary.h"

namespace emend {

// Tensors of one stored type.
struct StoredTypeUse {
  std::int64_t tensors = 0, bytes = 0;
  bool can_read = false,
       can_write = false;  // as numbers; tensors that no edit touches are carried as they are
};

// Tensors of one role that are stored alike in several blocks.
struct RoleLine {
  Role role = Role::kMlpDown;
  std::string tensor;       // "model.layers.{l}.mlp.down_proj.weight"; {h}: one for each row
  std::vector<int> blocks;  // ascending; empty outside blocks
  std::string type;
  std::vector<std::int64_t> shape;                      // as stored
  bool transposed = false;                              // stored [in, out]
  std::int64_t tensors = 0, parameters = 0, bytes = 0;  // of all of them
};

// Where the norms of these blocks stand: "none", "pre" (before the half), "post" (of what it puts out) or
// "sandwich" (both); and how a value of the down projection reaches the residual stream.
struct NormLine {
  std::vector<int> blocks;
  std::string kind;  // "RMSNorm", "LayerNorm"
  std::string attention, mlp;
  std::string value_path;
  bool direct = true;  // whether the value is added as it is
};

// The feed-forward networks' share of the model: of its numbers and of its stored bytes.
struct FfnShare {
  std::int64_t parameters = 0, all_parameters = 0, bytes = 0, all_bytes = 0;
  std::int64_t down_parameters = 0;  // of the down projections alone, which editors write
};

// Something that does not work with this file.
struct Unsupported {
  std::string what, why;
};

struct ModelCheck {
  // --- of the file; empty for a model in memory
  std::filesystem::path path;
  std::string format;        // "safetensors", "GGUF"
  std::string architecture;  // as the file names it; empty where it does not
  std::map<std::string, StoredTypeUse> types;
  std::int64_t tensors = 0;

  // The reason why emend cannot load the file: what Model::load throws for its headers and its tokenizer.
  // The members below are then filled as far as they are known.
  std::optional<Error> refusal;

  std::optional<ModelConfig> config;
  std::vector<RoleLine> roles;  // in the order of the forward pass
  std::vector<NormLine> norms;
  FfnShare ffn;
  std::vector<MemoryNeed> memory;
  std::optional<TokenizerSummary> tokenizer;
  std::vector<Unsupported> unsupported;
};

// Throws Error(kIo), Error(kFormat) where not even the headers can be read, Error(kModel) for files that
// accompany a model but are not models themselves, such as adapters.
ModelCheck check_model_file(const std::filesystem::path& path, ComputeType type = ComputeType::kFloat32);

// The same for a model in memory, as far as it can be known without its file.
ModelCheck check_model(const Model& model);

}  // namespace emend
