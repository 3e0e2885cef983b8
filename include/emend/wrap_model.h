// A model over tensors that another program holds in memory, such as a module of PyTorch: nothing is read
// from a file, and no weight is kept twice.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "emend/model.h"

namespace emend {

// A tensor under the name that it has in a safetensors checkpoint of this model.
struct GivenTensor {
  std::string name;
  at::Tensor tensor;  // float32, bfloat16 or float16 (CUDA only); all of one type, on one device
};

struct WrapOptions {
  std::string config;                    // the text of config.json
  std::filesystem::path path = {};       // Model::path(): for messages and the default folder of statistics
  std::filesystem::path tokenizer = {};  // folder of the tokenizer's files; empty: the model has none
  // Called for each tensor that the pass needs in one block of memory with others (queries, keys and values;
  // gate and up). Its numbers were copied to `view`, which has its shape. The owner of the tensor can
  // replace it by the view, which frees its memory; otherwise its numbers are kept twice. Null: no call.
  std::function<void(const std::string& name, const at::Tensor& view)> moved = {};
};

// A later change of the tensors changes the model, which does not notice it: its fingerprints stay those of
// the numbers that it was given. They equal those of a checkpoint with the same bytes, so that patches and
// statistics of that checkpoint fit. The rows of grouped queries, keys and values (GPT-NeoX, Falcon) and
// norms that count from zero (Gemma) are copies. Memory beyond the tensors: the matrices of one block.
// Throws Error(kModel): an unknown architecture; missing, unexpected or mis-shaped tensors, all listed;
// quantised weights; tensors of different types or devices; NaN or infinite values, named.
Model wrap_model(std::vector<GivenTensor> tensors, const WrapOptions& options);

}  // namespace emend
