// Models and patches that are small and exact: a patch that writes a known residual at a known key.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <string>
#include <vector>

#include "emend/patch.h"
#include "support/gguf_checkpoint.h"

namespace emend::test {

// Folders of these tests lie in memory where the system has such a place: they sync thousands of files, and a
// disk takes up to a second for each.
inline const int memory_backed = [] {
  return std::filesystem::is_directory("/dev/shm") ? ::setenv("TMPDIR", "/dev/shm", 0) : 0;
}();

inline Model load_quietly(const std::filesystem::path& path) {
  SilentProgress silent;
  return Model::load(path, {}, silent);
}

inline at::Tensor waves(const std::vector<std::int64_t>& shape, double seed, double size) {
  std::int64_t count = 1;
  for (const std::int64_t n : shape) count *= n;
  return (at::sin(at::arange(count, at::kDouble) * (1.3 + 0.01 * seed) + seed) * size)
      .to(at::kFloat)
      .reshape(shape);
}

// B A of one block with one fact: A k = 1 on the first key and 0 on the second, B the residual of length
// `size`.
inline Patch tiny_patch(const Model& base, int block, double seed, double size) {
  const ModelConfig& config = base.config();
  const at::Tensor a = waves({config.d_ff}, seed, 1);
  const at::Tensor other = waves({config.d_ff}, seed + 5, 1);
  const at::Tensor squared = a.dot(a);
  const WeightRef weight{block, Role::kMlpDown};
  FactRecord fact;
  fact.request.id = "fact-" + std::to_string(block);
  fact.request.prompt = "Zurich lies in";
  fact.request.subject = "Zurich";
  fact.request.target = "Spain";
  fact.request.was = "Switzerland";
  FactPart part;
  part.weight = weight;
  part.keys = at::stack({a / squared, other - a * (other.dot(a) / squared)});
  part.answers = at::tensor({1.0F, 0.0F});
  part.residual = waves({config.d_model}, seed + 9, 1);
  part.residual = part.residual * (size / part.residual.norm());
  part.rows = {0};
  part.update_norm = part.residual.norm().item<double>() * a.norm().item<double>();
  fact.parts = {part};
  Patch patch;
  patch.edit.method = "rome";
  patch.edit.objective = Objective::kWritten;
  patch.edit.base_fingerprint = base.fingerprint();
  patch.edit.changes = {WeightChange::low_rank(weight, a.unsqueeze(0), part.residual.unsqueeze(1))};
  patch.edit.solves.resize(1);
  patch.edit.solves.front().weight = weight;
  patch.edit.facts = {fact};
  patch.emend_version = "0.1.0";
  patch.base_name = "tiny";
  patch.bos = "none";
  patch.passed = true;
  return patch;
}

// One fact that is written to both blocks of a base of two.
inline Patch two_layer_patch(const Model& base) {
  Patch patch = tiny_patch(base, 0, 2, 1);
  const Patch above = tiny_patch(base, 1, 3, 1);
  patch.edit.changes.push_back(above.edit.changes[0]);
  patch.edit.solves.push_back(above.edit.solves[0]);
  patch.edit.facts[0].parts.push_back(above.edit.facts[0].parts[0]);
  return patch;
}

// tiny_patch() with its change as one matrix.
inline Patch dense_patch(const Model& base, int block, double seed, double size) {
  Patch patch = tiny_patch(base, block, seed, size);
  WeightChange& change = patch.edit.changes[0];
  change = WeightChange::dense(change.weight, change.delta(at::TensorOptions(at::kFloat)));
  patch.edit.facts[0].parts[0].rows.clear();
  patch.edit.solves[0].rule = SolveRule::kLeastSquares;
  patch.edit.solves[0].lambda = 15000;
  return patch;
}

// Names and bytes of all files of a folder (or of one file), temporary ones of emend left out.
inline std::map<std::string, std::string> snapshot(const std::filesystem::path& path) {
  std::map<std::string, std::string> files;
  if (!std::filesystem::is_directory(path)) {
    if (std::filesystem::exists(path)) files[path.filename().string()] = read_all(path);
    return files;
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path))
    if (entry.is_regular_file() && entry.path().extension() != ".tmp")
      files[entry.path().lexically_relative(path).string()] = read_all(entry.path());
  return files;
}

inline void copy_folder(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

}  // namespace emend::test
