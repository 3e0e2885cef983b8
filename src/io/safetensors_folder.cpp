#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <span>

#include "base/json.h"
#include "base/strings.h"
#include "emend/error.h"
#include "io/adapter_files.h"
#include "io/companion_files.h"
#include "io/mapped_checkpoint.h"
#include "io/safetensors_header.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// Tensor name to shard name.
using WeightMap = std::map<std::string, std::string>;

// A shard lies beside its index: a name with a path in it could point anywhere.
bool is_plain_file_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
}

WeightMap read_index(const fs::path& index) {
  const Json document = read_json_file(index);
  const JsonView map = JsonView(document, index.string()).at("weight_map");
  WeightMap weight_map;
  for (const std::string& name : map.keys()) {
    const std::string& shard = map.at(name).as_string();
    if (!is_plain_file_name(shard)) {
      throw Error(
          ErrorKind::kFormat,
          fmt::format("{}: the shard of {} must be the plain name of a file in the same folder, found {}",
                      index.string(), quote(name), quote(shard)));
    }
    weight_map.emplace(name, shard);
  }
  if (weight_map.empty())
    throw Error(ErrorKind::kFormat, index.string() + ": \"weight_map\" names no tensor");
  return weight_map;
}

[[noreturn]] void fail_twice(const TensorInfo& first, const TensorInfo& second) {
  throw Error(ErrorKind::kFormat,
              fmt::format("{}: tensor {} is also in the shard {}, with other bytes", second.file.string(),
                          quote(second.name), first.file.filename().string()));
}

std::span<const std::byte> bytes_of(const TensorInfo& tensor, const Mappings& mappings) {
  return mappings.at(tensor.file).bytes().subspan(tensor.offset, tensor.bytes);
}

// The tensors of all shards. As transformers does, they are taken from the shard that holds them, whatever
// the index says of it; a tensor that the index names and no shard holds is missed by whoever needs it. One
// that is stored twice must be the same both times; the first place counts.
std::vector<TensorInfo> without_repeats(std::vector<TensorInfo> tensors, const Mappings& mappings) {
  std::map<std::string, TensorInfo> found;
  std::vector<TensorInfo> kept;
  for (TensorInfo& tensor : tensors) {
    const auto [place, is_new] = found.emplace(tensor.name, tensor);
    if (is_new) {
      kept.push_back(std::move(tensor));
      continue;
    }
    const auto once = bytes_of(place->second, mappings), again = bytes_of(tensor, mappings);
    const bool same = place->second.type == tensor.type && place->second.shape == tensor.shape &&
                      std::equal(once.begin(), once.end(), again.begin(), again.end());
    if (!same) fail_twice(place->second, tensor);
  }
  return kept;
}

std::unique_ptr<TensorFile> open_shards(const fs::path& folder) {
  const fs::path index = folder / kIndexFile;
  const WeightMap weight_map = read_index(index);
  std::set<std::string> shards;
  for (const auto& [name, shard] : weight_map) shards.insert(shard);

  auto mappings = std::make_shared<Mappings>();
  std::vector<TensorInfo> tensors;
  std::map<std::string, std::string> metadata;
  for (const std::string& shard : shards) {
    const fs::path file = folder / shard;
    if (!fs::exists(file)) {
      throw Error(ErrorKind::kIo,
                  fmt::format("{}: the shard {} is missing in {}", index.string(), shard, folder.string()));
    }
    const MappedFile& mapped = mappings->emplace(file, MappedFile(file)).first->second;
    SafetensorsHeader header = parse_safetensors_header(mapped.bytes(), file);
    if (shard == *shards.begin()) metadata = std::move(header.metadata);
    std::move(header.tensors.begin(), header.tensors.end(), std::back_inserter(tensors));
  }
  tensors = without_repeats(std::move(tensors), *mappings);
  return make_mapped_checkpoint({TensorFile::Format::kSafetensors,
                                 folder,
                                 std::move(tensors),
                                 std::move(mappings),
                                 std::move(metadata),
                                 {}});
}

// What there is instead, for the error text.
std::string what_else_is_in(const fs::path& folder) {
  std::vector<std::string> candidates;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string extension = entry.path().extension();
    if (extension == ".safetensors" || extension == ".gguf") candidates.push_back(entry.path().filename());
    if (extension == ".bin" || extension == ".pt" || extension == ".pth") {
      return fmt::format(
          "; {} looks like a PyTorch pickle, which emend does not read: convert it to safetensors",
          entry.path().filename().string());
    }
  }
  std::sort(candidates.begin(), candidates.end());
  return candidates.empty() ? std::string() : "; name the file itself to open " + join(candidates, " or ");
}

}  // namespace

std::unique_ptr<TensorFile> open_safetensors_folder(const fs::path& folder) {
  std::error_code failed;
  if (!fs::is_directory(folder, failed)) {
    throw Error(ErrorKind::kIo, fmt::format("cannot read {}: there is no such folder", folder.string()));
  }
  if (fs::exists(folder / kSingleFile, failed)) return open_safetensors(folder / kSingleFile);
  if (fs::exists(folder / kIndexFile, failed)) return open_shards(folder);
  if (is_peft_adapter(folder)) refuse_peft_adapter(folder);
  try {
    throw Error(ErrorKind::kIo, fmt::format("{}: there is neither {} nor {}{}", folder.string(), kSingleFile,
                                            kIndexFile, what_else_is_in(folder)));
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorKind::kIo, fmt::format("cannot read {}: {}", folder.string(), error.code().message()));
  }
}

}  // namespace emend
