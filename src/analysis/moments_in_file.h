// Second moments that stay in their files: mapped, so that they take memory only while they are read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "emend/statistics.h"
#include "emend/tensor_file.h"

namespace emend {

// As load_statistics, but C [F, F] is float32 as the file has it, in the file's memory: 4 F^2 bytes that
// count once they are read, until let_go_of(C).
Statistics load_statistics_in_file(const Model& model, const std::vector<int>& layers,
                                   const std::vector<std::int64_t>& prefix,
                                   const std::filesystem::path& folder);

// A tensor of F32 or F64 in the memory of its file, which lives as long as the tensor.
at::Tensor tensor_in_file(std::shared_ptr<const TensorFile> file, const std::string& name);

// Gives back the memory that reading a tensor_in_file took; it is read again when it is needed. Other tensors
// stay as they are.
void let_go_of(const at::Tensor& C);

}  // namespace emend
