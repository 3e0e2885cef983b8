#include "delivery/checkpoint_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/files.h"
#include "base/fingerprint.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/tensor_file.h"
#include "io/companion_files.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

bool lies_in(const fs::path& inner, const fs::path& outer) {
  const fs::path relative = inner.lexically_relative(outer);
  return !relative.empty() && *relative.begin() != "..";
}

std::int64_t size_change(const WritePlan& plan, const TensorFile& file) {
  std::int64_t change = 0;
  for (const PlannedTensor& tensor : plan.tensors)
    if (const TensorInfo* const info = file.find(tensor.name))
      change += static_cast<std::int64_t>(tensor.bytes.size()) - static_cast<std::int64_t>(info->bytes);
  return change;
}

// Whether the base is a folder of shards; its index names them.
bool is_sharded_folder(const fs::path& base) {
  return fs::exists(base / kIndexFile) && !fs::exists(base / kSingleFile);
}

std::vector<std::unique_ptr<TensorFile>> open_each_shard(const fs::path& base) {
  std::vector<std::unique_ptr<TensorFile>> shards;
  if (!is_sharded_folder(base)) return shards;
  const auto index = nlohmann::json::parse(read_text_file(base / kIndexFile));
  std::set<std::string> names;
  for (const auto& shard : index.at("weight_map")) names.insert(shard.get<std::string>());
  for (const std::string& name : names) shards.push_back(open_safetensors(base / name));
  return shards;
}

// What each file gets. A tensor that several shards store must stay the same in all of them.
std::map<fs::path, std::vector<NewTensor>> tensors_by_file(const WritePlan& plan) {
  const std::vector<std::unique_ptr<TensorFile>> shards = open_each_shard(plan.base);
  std::map<fs::path, std::vector<NewTensor>> files;
  for (const PlannedTensor& planned : plan.tensors) {
    std::set<fs::path> holders = {planned.file};
    for (const auto& shard : shards)
      if (shard->find(planned.name) != nullptr) holders.insert(shard->path());
    for (const fs::path& file : holders)
      files[file].push_back({planned.name, &element_type(planned.new_type), planned.bytes});
  }
  return files;
}

// The index with another total_size; its other members stay as they are, in their order.
void add_index(const WritePlan& plan, std::int64_t change, std::vector<FileRewrite>& rewrites) {
  const fs::path index = plan.base / kIndexFile;
  if (change == 0 || !is_sharded_folder(plan.base)) return;
  auto document = nlohmann::ordered_json::parse(read_text_file(index));
  if (!document.contains("metadata") || !document["metadata"].contains("total_size")) return;
  auto& total = document["metadata"]["total_size"];
  if (!total.is_number_integer()) return;
  total = total.get<std::int64_t>() + change;
  const std::string text = document.dump(2) + "\n";
  const auto bytes = std::as_bytes(std::span(text));
  FileRewrite rewrite(index);
  rewrite.put({bytes.begin(), bytes.end()});
  rewrites.push_back(std::move(rewrite));
}

bool is_ours(const fs::path& name) {
  const std::string text = name.string();
  return text.starts_with(".") || text == "emend.undo" || text.starts_with("emend.undo.");
}

}  // namespace

void require_apart(const fs::path& base, const fs::path& out, const std::string& remedy) {
  if (out.empty()) throw Error(ErrorKind::kIo, "cannot write: the path is empty");
  const fs::path source = true_path(base), target = true_path(out);
  if (target == source || (fs::is_directory(source) && lies_in(target, source)) || lies_in(source, target))
    throw Error(ErrorKind::kIo, fmt::format("cannot write {}: it belongs to the base {}; {}", out.string(),
                                            base.string(), remedy));
}

void require_unchanged(const TensorFile& file, const TensorInfo& tensor, const std::string& digest) {
  if (xxh3_128_hex(file.bytes(tensor)) != digest)
    throw Error(ErrorKind::kModel,
                fmt::format("{}: the tensor {} is not what was loaded: the file changed while it was in use",
                            file.path().string(), quote(tensor.name)));
}

std::vector<FileRewrite> rewrite_files(const WritePlan& plan) {
  const std::unique_ptr<TensorFile> checkpoint = open_checkpoint(plan.base);
  for (const PlannedTensor& tensor : plan.tensors)
    if (const TensorInfo* const info = checkpoint->find(tensor.name))
      require_unchanged(*checkpoint, *info, tensor.old_digest);
  const bool gguf = checkpoint->format() == TensorFile::Format::kGguf;
  std::vector<FileRewrite> rewrites;
  for (const auto& [file, tensors] : tensors_by_file(plan))
    rewrites.push_back(gguf ? rewrite_gguf(file, tensors) : rewrite_safetensors(file, tensors));
  if (!gguf) add_index(plan, size_change(plan, *checkpoint), rewrites);
  return rewrites;
}

std::vector<fs::path> other_shards(const std::vector<fs::path>& shards,
                                   const std::vector<FileRewrite>& rewritten) {
  std::vector<fs::path> files;
  for (const fs::path& shard : shards) {
    const bool anew = std::any_of(rewritten.begin(), rewritten.end(),
                                  [&](const FileRewrite& rewrite) { return rewrite.file() == shard; });
    if (!anew) files.push_back(shard.filename());
  }
  return files;
}

std::vector<fs::path> companion_files(const fs::path& base, const std::vector<FileRewrite>& rewritten) {
  std::vector<fs::path> files;
  if (!fs::is_directory(base)) {
    for (const std::string& name : companion_names())
      if (fs::is_regular_file(base.parent_path() / name)) files.emplace_back(name);
    return files;
  }
  for (auto entry = fs::recursive_directory_iterator(base); entry != fs::recursive_directory_iterator();
       ++entry) {
    if (is_ours(entry->path().filename())) {
      entry.disable_recursion_pending();
      continue;
    }
    const bool anew = std::any_of(rewritten.begin(), rewritten.end(), [&](const FileRewrite& rewrite) {
      return rewrite.file() == entry->path();
    });
    if (entry->is_regular_file() && !anew) files.push_back(entry->path().lexically_relative(base));
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace emend
