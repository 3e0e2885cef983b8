#include "io/gguf_split.h"

#include <fmt/format.h>

#include <map>
#include <optional>

#include "base/strings.h"
#include "emend/error.h"
#include "io/mapped_file.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostShards = 99'999;  // five digits in the names

[[noreturn]] void fail(const fs::path& file, const std::string& what) {
  throw Error(ErrorKind::kFormat, file.string() + ": " + what);
}

std::optional<std::int64_t> integer_key(const GgufHeader& header, const char* key) {
  const auto found = header.metadata.find(key);
  if (found == header.metadata.end()) return std::nullopt;
  const auto* const value = std::get_if<std::int64_t>(&found->second);
  return value == nullptr ? -1 : *value;
}

std::string name_ending(std::int64_t number, std::int64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", number, count);
}

// split.no, checked against `count`.
std::int64_t shard_number(const fs::path& file, const GgufHeader& header, std::int64_t count) {
  const std::int64_t number = integer_key(header, "split.no").value_or(-1);
  if (number < 0 || number >= count)
    fail(file,
         fmt::format("this is a part of a model in {} files (split.count), but split.no is no number from 0 "
                     "to {}; split the model anew",
                     count, count - 1));
  return number;
}

void require_part(const fs::path& file, const GgufHeader& header, std::int64_t number, std::int64_t count) {
  const std::int64_t found_count = integer_key(header, "split.count").value_or(1);
  const std::int64_t found = integer_key(header, "split.no").value_or(0);
  if (found_count == count && found == number) return;
  fail(file, fmt::format(
                 "expected part {} of {} of a split model, found part {} of {} (split.no, split.count): the "
                 "files belong to different models, or were renamed",
                 number + 1, count, found + 1, found_count));
}

void require_tensor_count(const fs::path& file, const GgufHeader& header, std::size_t tensors) {
  const auto count = integer_key(header, "split.tensors.count");
  if (!count || (*count >= 0 && static_cast<std::uint64_t>(*count) == tensors)) return;
  fail(file,
       fmt::format("the parts of this model hold {} tensors, but split.tensors.count says {}: a part is "
                   "damaged or belongs to another model",
                   tensors, *count));
}

}  // namespace

std::vector<fs::path> gguf_shards(const fs::path& file, const GgufHeader& header) {
  const std::int64_t count = integer_key(header, "split.count").value_or(1);
  if (count == 0 || count == 1) return {file};
  if (count < 0 || count > kMostShards)
    fail(file, fmt::format("split.count must be a number from 1 to {}", kMostShards));
  const std::int64_t number = shard_number(file, header, count);
  const std::string name = file.filename().string(), ending = name_ending(number + 1, count);
  if (!name.ends_with(ending))
    fail(file, fmt::format("this is part {} of {} of a split model, so its name must end with {}: rename it",
                           number + 1, count, ending));
  const std::string prefix = name.substr(0, name.size() - ending.size());
  std::vector<fs::path> shards;
  for (std::int64_t i = 1; i <= count; ++i) {
    shards.push_back(file.parent_path() / (prefix + name_ending(i, count)));
    std::error_code failed;
    if (!fs::exists(shards.back(), failed))
      throw Error(
          ErrorKind::kIo,
          fmt::format("{}: the shard {} of this split model is missing; all {} files must lie in one folder",
                      file.string(), shards.back().filename().string(), count));
  }
  return shards;
}

std::vector<fs::path> gguf_shards(const fs::path& file) {
  const MappedFile mapped(file);
  return gguf_shards(file, parse_gguf_header(mapped.bytes(), file));
}

GgufHeader join_shards(const std::vector<fs::path>& shards, std::vector<GgufHeader> headers) {
  const auto count = static_cast<std::int64_t>(shards.size());
  std::map<std::string, fs::path> places;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    require_part(shards[i], headers[i], static_cast<std::int64_t>(i), count);
    for (const TensorInfo& tensor : headers[i].tensors) {
      const auto [place, is_new] = places.emplace(tensor.name, tensor.file);
      if (!is_new)
        fail(shards[i], fmt::format("tensor {} is also in the shard {}", quote(tensor.name),
                                    place->second.filename().string()));
    }
  }
  for (std::size_t i = 0; i < shards.size(); ++i) require_tensor_count(shards[i], headers[i], places.size());
  GgufHeader joined = std::move(headers.front());
  for (std::size_t i = 1; i < headers.size(); ++i)
    std::move(headers[i].tensors.begin(), headers[i].tensors.end(), std::back_inserter(joined.tensors));
  return joined;
}

}  // namespace emend
