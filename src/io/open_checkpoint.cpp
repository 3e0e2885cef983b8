// One file of either format, and which format a path means.
#include <fmt/format.h>

#include <string_view>

#include "base/strings.h"
#include "emend/error.h"
#include "io/gguf_header.h"
#include "io/gguf_split.h"
#include "io/mapped_checkpoint.h"
#include "io/model_path.h"
#include "io/safetensors_header.h"

namespace emend {
namespace {

std::string_view first_bytes(const MappedFile& file, std::size_t most) {
  const auto bytes = file.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), most)};
}

// What a file that is not a checkpoint probably is.
std::string likely_cause(std::string_view begin) {
  if (begin.starts_with("version https://git-lfs")) {
    return "; it is a Git LFS pointer: fetch the real file with \"git lfs pull\"";
  }
  if (begin.starts_with("PK\x03\x04") || begin.starts_with("\x80\x02")) {
    return "; it looks like a PyTorch pickle, which emend does not read: convert it to safetensors";
  }
  if (begin.starts_with("<!DOCTYPE") || begin.starts_with("<html")) {
    return "; it is a web page: the download went wrong";
  }
  return "; it begins with " + quote(begin.substr(0, 8));
}

}  // namespace

void require_model_path(const std::filesystem::path& path, const std::string& where) {
  std::error_code failed;
  if (path.empty() || std::filesystem::exists(path, failed) || failed) return;
  const std::string whole =
      path.is_relative() ? fmt::format(" ({})", std::filesystem::absolute(path).string()) : "";
  throw Error(ErrorKind::kIo,
              fmt::format("{}cannot read {}: no such file or folder{}; a model is a path on this machine, "
                          "nothing is downloaded",
                          where.empty() ? "" : where + ": ", path.string(), whole));
}

std::unique_ptr<TensorFile> open_gguf(const std::filesystem::path& file) {
  auto mappings = std::make_shared<Mappings>();
  const auto map_and_parse = [&](const std::filesystem::path& path) {
    return parse_gguf_header(mappings->emplace(path, MappedFile(path)).first->second.bytes(), path);
  };
  GgufHeader header = map_and_parse(file);
  const std::vector<std::filesystem::path> shards = gguf_shards(file, header);
  if (shards.size() > 1) {
    std::vector<GgufHeader> headers;
    headers.reserve(shards.size());
    for (const std::filesystem::path& shard : shards) headers.push_back(map_and_parse(shard));
    header = join_shards(shards, std::move(headers));
  }
  return make_mapped_checkpoint({TensorFile::Format::kGguf,
                                 file,
                                 std::move(header.tensors),
                                 std::move(mappings),
                                 {},
                                 std::move(header.metadata)});
}

std::unique_ptr<TensorFile> open_safetensors(const std::filesystem::path& file) {
  auto mappings = std::make_shared<Mappings>();
  const MappedFile& mapped = mappings->emplace(file, MappedFile(file)).first->second;
  SafetensorsHeader header = parse_safetensors_header(mapped.bytes(), file);
  return make_mapped_checkpoint({TensorFile::Format::kSafetensors,
                                 file,
                                 std::move(header.tensors),
                                 std::move(mappings),
                                 std::move(header.metadata),
                                 {}});
}

std::unique_ptr<TensorFile> open_checkpoint(const std::filesystem::path& path) {
  std::error_code failed;
  if (std::filesystem::is_directory(path, failed)) return open_safetensors_folder(path);
  require_model_path(path);
  const MappedFile file(path);
  const std::string_view begin = first_bytes(file, 64);
  if (begin.starts_with("GGUF")) return open_gguf(path);
  // A safetensors header begins behind its length, which so far never took all eight bytes.
  if (begin.size() > 8 && begin[8] == '{' && begin[7] == '\0') return open_safetensors(path);
  if (begin.size() <= 8 && path.extension() == ".safetensors") return open_safetensors(path);
  throw Error(ErrorKind::kFormat,
              fmt::format("{}: neither a safetensors nor a GGUF file{}", path.string(), likely_cause(begin)));
}

}  // namespace emend
