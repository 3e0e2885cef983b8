#include "serve/served_models.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/nearest.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/patch_algebra.h"
#include "serve/api_error.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// The path without its last ending, if that is `ending`.
std::string without_ending(const std::string& path, const std::string& ending) {
  return path.ends_with(ending) ? path.substr(0, path.size() - ending.size()) : path;
}

std::string base_name_of(const fs::path& path) {
  if (path.empty()) return "model";
  const fs::path whole = fs::absolute(path / "").lexically_normal();
  return without_ending(whole.parent_path().filename().string(), ".gguf");
}

std::vector<Overlay> overlays_of(const Edit& edit, const at::TensorOptions& options) {
  std::vector<Overlay> overlays;
  for (const WeightChange& change : edit.changes) {
    const auto [A, B] = change.factors();
    overlays.push_back({change.weight.block, A.to(options.device()), B.to(options.device()), {}});
  }
  return overlays;
}

// A name is asked for by itself, and + stands between the names of a stack.
void require_tellable(const std::vector<std::string>& names, const std::vector<std::string>& files) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].find('+') != std::string::npos)
      throw Error(ErrorKind::kUsage,
                  fmt::format("{} would be served as {}, and + stands between the names of patches that are "
                              "asked for together: give the file another name, without +",
                              quote(files[i]), quote(names[i])));
    const auto other =
        static_cast<std::size_t>(std::find(names.begin(), names.end(), names[i]) - names.begin());
    if (other < i)
      throw Error(ErrorKind::kUsage,
                  fmt::format("{} and {} would both be served as {}: give one of the files "
                              "another name",
                              quote(files[other]), quote(files[i]), quote(names[i])));
  }
}

}  // namespace

std::vector<std::string> served_names(const std::string& model, const std::vector<std::string>& patches) {
  std::vector<std::string> files{model}, paths, stems{base_name_of(model)}, names{stems};
  for (const std::string& patch : patches) {
    files.push_back(patch);
    paths.push_back(without_ending(patch, ".safetensors"));
    stems.push_back(fs::path(paths.back()).filename().string());
    if (std::count(paths.begin(), paths.end(), paths.back()) > 1)
      throw Error(ErrorKind::kUsage, "the patch " + quote(patch) + " is given twice");
  }
  for (std::size_t p = 0; p < paths.size(); ++p)
    names.push_back(std::count(stems.begin(), stems.end(), stems[p + 1]) > 1 ? paths[p] : stems[p + 1]);
  require_tellable(names, files);
  return names;
}

ServedModels::ServedModels(const Model& model, const std::vector<NamedPatch>& patches) {
  std::vector<std::string> files;
  for (const NamedPatch& named : patches) {
    require_base(named.patch, model, named.name);
    files.push_back(named.name);
  }
  names_ = served_names(model.path().string(), files);
  for (const NamedPatch& named : patches) overlays_.push_back(overlays_of(named.patch.edit, model.options()));
  for (const KeyConflict& conflict : key_conflicts(without_names(patches), kSameKey))
    conflicts_.emplace(std::minmax(conflict.first_patch, conflict.second_patch),
                       fmt::format("the edits {} and {} write the same key at layer {}",
                                   quote(conflict.first_id), quote(conflict.second_id), conflict.layer));
}

std::vector<Overlay> ServedModels::overlays(const std::string& name) const {
  const auto exact = std::find(names_.begin(), names_.end(), name) - names_.begin();
  if (exact == 0) return {};
  if (static_cast<std::size_t>(exact) < names_.size()) return overlays_[static_cast<std::size_t>(exact) - 1];
  std::vector<std::size_t> stack;
  for (const std::string& part : split_at(name, '+')) {
    if (part == names_.front()) continue;
    const std::size_t patch = patch_of(part);
    for (const std::size_t below : stack) require_stack(below, patch);
    stack.push_back(patch);
  }
  std::vector<Overlay> all;
  for (const std::size_t patch : stack)
    all.insert(all.end(), overlays_[patch].begin(), overlays_[patch].end());
  return all;
}

std::size_t ServedModels::patch_of(const std::string& name) const {
  const auto found = std::find(names_.begin() + 1, names_.end(), name);
  if (found == names_.end())
    throw ApiError(404,
                   fmt::format("the model {} is not served here{}", quote(name), did_you_mean(name, names_)),
                   "model", "model_not_found");
  return static_cast<std::size_t>(found - names_.begin()) - 1;
}

void ServedModels::require_stack(std::size_t first, std::size_t second) const {
  const auto conflict = conflicts_.find(std::minmax(first, second));
  if (first != second && conflict == conflicts_.end()) return;
  const std::string why = first == second ? "they are the same patch" : conflict->second;
  throw ApiError(
      400, fmt::format("the patches {} and {} do not stack: {}", names_[first + 1], names_[second + 1], why),
      "model", "patches_do_not_stack");
}

}  // namespace emend
