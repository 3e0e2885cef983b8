#include "io/output_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "base/files.h"
#include "emend/error.h"
#include "io/companion_files.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

bool is_checkpoint_part(const fs::path& file) {
  const std::string name = file.filename().string();
  return file.extension() == ".json" ||
         (file.extension() == ".safetensors" && name.compare(0, 5, "model") == 0);
}

bool is_inside(const fs::path& file, const fs::path& folder) {
  if (fs::exists(folder) && !fs::is_directory(folder)) return false;
  const fs::path relative = file.lexically_relative(true_path(folder));
  return !relative.empty() && *relative.begin() != ".." && *relative.begin() != ".";
}

// Files that a single-file model takes from its own folder.
bool lies_beside_model(const fs::path& file, const fs::path& model) {
  const fs::path folder = true_path(model).parent_path();
  const std::vector<std::string>& names = companion_names();
  return file == folder / kIndexFile || std::any_of(names.begin(), names.end(), [&](const std::string& name) {
           return file == folder / name;
         });
}

}  // namespace

void require_not_among(const fs::path& file, const std::vector<fs::path>& inputs) {
  if (!fs::exists(file)) return;
  const fs::path target = fs::canonical(file);
  for (const fs::path& input : inputs) {
    std::error_code missing;
    const fs::path source = fs::canonical(input, missing);
    if (missing) continue;
    if (target == source || (target.parent_path() == source && is_checkpoint_part(target)))
      throw Error(ErrorKind::kIo,
                  fmt::format("cannot write {}: it belongs to the input {}", file.string(), input.string()));
  }
}

void require_output_apart(const std::string& option, const fs::path& output, const OtherFiles& others) {
  if (output.empty()) return;
  const auto fail = [&](const fs::path& other) {
    throw Error(ErrorKind::kUsage, fmt::format("{} {} would overwrite an input or output of this command: {}",
                                               option, output.string(), other.string()));
  };
  const fs::path target = true_path(output);
  std::error_code ignored;
  for (const fs::path& file : others.files) {
    if (file.empty()) continue;
    if (target == true_path(file) || fs::equivalent(output, file, ignored) || is_inside(target, file))
      fail(file);
  }
  const fs::path& model = others.model;
  if (!model.empty() && (target == true_path(model) || fs::equivalent(output, model, ignored) ||
                         is_inside(target, model) || lies_beside_model(target, model)))
    fail(model);
  for (const fs::path& folder : others.statistics)
    if (!folder.empty() && target.extension() == ".safetensors" && target.parent_path() == true_path(folder))
      fail(folder);
}

void require_ending(const fs::path& output, OutputForm form) {
  constexpr std::array kForms = {"a folder", "a GGUF file", "a safetensors file"};
  constexpr std::array kOwn = {"", ".gguf", ".safetensors"};
  constexpr std::array kKnown = {".gguf", ".safetensors", ".bin", ".pt", ".pth", ".npz"};
  const auto place = static_cast<std::size_t>(form);
  const fs::path name = output.has_filename() ? output.filename() : output.parent_path().filename();
  std::string ending = name.extension().string();
  std::ranges::transform(ending, ending.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  if (ending == kOwn.at(place) || std::find(kKnown.begin(), kKnown.end(), ending) == kKnown.end()) return;
  throw Error(ErrorKind::kUsage,
              fmt::format("cannot write {}: what is written here is {}, and the name ends in "
                          "{}; give it another name",
                          output.string(), kForms.at(place), name.extension().string()));
}

}  // namespace emend
