#include "io/imatrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <set>
#include <span>
#include <string_view>

#include "base/files.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/tensor_file.h"
#include "io/gguf_header.h"
#include "io/gguf_write.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";
constexpr const char *kDatasets = "imatrix.datasets", *kChunkCount = "imatrix.chunk_count",
                     *kChunkSize = "imatrix.chunk_size", *kSettings = "emend.settings";

[[noreturn]] void refuse(const fs::path& file, const std::string& what) {
  throw Error(ErrorKind::kFormat, fmt::format("{}: {}", file.string(), what));
}

std::string first_bytes(const fs::path& file, std::size_t count) {
  std::ifstream in(file, std::ios::binary);
  std::string bytes(count, '\0');
  if (!in || (!in.read(bytes.data(), static_cast<std::streamsize>(count)) && in.bad()))
    throw io_error("read", file, errno);
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  return bytes;
}

std::int32_t integer_at(const std::string& bytes, std::size_t at) {
  std::int32_t number = 0;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

// The old format: i32 number of entries, then for each an i32 length and a name such as
// "blk.0.attn_q.weight".
bool is_old_format(const std::string& bytes) {
  constexpr std::size_t kName = 8;
  constexpr std::int32_t kMostEntries = 1 << 20;
  if (bytes.size() < kName) return false;
  const std::int32_t entries = integer_at(bytes, 0), length = integer_at(bytes, 4);
  if (entries < 1 || entries > kMostEntries || length < 1 ||
      length > static_cast<std::int32_t>(kMostGgufNameBytes))
    return false;
  const std::string_view name = std::string_view(bytes).substr(kName, static_cast<std::size_t>(length));
  return name.size() == static_cast<std::size_t>(length) &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
}

constexpr std::size_t kBeginning = 8 + 63;

// The value of a key of this type; nullptr if there is no such key.
template <typename Value>
const Value* value_of(const TensorFile& file, const std::string& key, const char* kind) {
  const auto found = file.gguf_metadata().find(key);
  if (found == file.gguf_metadata().end()) return nullptr;
  const auto* const value = std::get_if<Value>(&found->second);
  if (value == nullptr) refuse(file.path(), fmt::format("the metadata key {} must be {}", key, kind));
  return value;
}

std::int64_t number_of(const TensorFile& file, const std::string& key) {
  const auto* const number = value_of<std::int64_t>(file, key, "an integer");
  if (number != nullptr && *number < 0)
    refuse(file.path(), fmt::format("the metadata key {} must be at least 0, found {}", key, *number));
  return number == nullptr ? 0 : *number;
}

void require_imatrix(const TensorFile& file) {
  const auto* const type = value_of<std::string>(file, "general.type", "a text");
  if (type == nullptr || *type != "imatrix")
    refuse(file.path(),
           fmt::format("this is no imatrix (general.type is {}); give a file that llama-imatrix wrote",
                       type == nullptr ? "missing" : quote(*type)));
}

std::vector<float> read_numbers(const TensorFile& file, const TensorInfo& tensor) {
  if (tensor.type->name != "F32")
    refuse(file.path(),
           fmt::format("tensor {} must be F32, found {}", quote(tensor.name), tensor.type->name));
  std::vector<float> numbers(static_cast<std::size_t>(tensor.elements()));
  read_as_float32(file, tensor, numbers);
  return numbers;
}

// The tensor `name` + `suffix`.
const TensorInfo& part_of(const TensorFile& file, const std::string& name, std::string_view suffix) {
  const std::string wanted = name + std::string(suffix);
  const TensorInfo* const tensor = file.find(wanted);
  if (tensor == nullptr)
    refuse(file.path(), fmt::format("the tensor {} is missing: the sums of squares and the counts of {} "
                                    "belong together",
                                    quote(wanted), quote(name)));
  return *tensor;
}

std::vector<std::int64_t> read_counts(const TensorFile& file, const TensorInfo& tensor) {
  constexpr float kMostRows = 1e15F;
  std::vector<std::int64_t> counts;
  for (const float number : read_numbers(file, tensor)) {
    if (!(number >= 0) || number > kMostRows || number != std::floor(number))
      refuse(file.path(),
             fmt::format("tensor {} must hold numbers of rows, found {}", quote(tensor.name), number));
    counts.push_back(static_cast<std::int64_t>(number));
  }
  if (std::all_of(counts.begin(), counts.end(), [](std::int64_t count) { return count == 0; }))
    refuse(file.path(),
           fmt::format("tensor {} says that nothing was summed (count 0): make the imatrix again "
                       "from more text",
                       quote(tensor.name)));
  return counts;
}

ImatrixEntry read_entry(const TensorFile& file, const std::string& name) {
  const TensorInfo &sums = part_of(file, name, kSums), &counts = part_of(file, name, kCounts);
  ImatrixEntry entry{read_numbers(file, sums), read_counts(file, counts)};
  if (entry.sums.empty() || entry.sums.size() % entry.counts.size() != 0)
    refuse(file.path(), fmt::format("tensor {} has {} elements, which {} counts do not divide",
                                    quote(sums.name), entry.sums.size(), entry.counts.size()));
  for (const float sum : entry.sums)
    if (!(sum >= 0) || std::isinf(sum))
      refuse(file.path(),
             fmt::format("tensor {} must hold sums of squares, found {}", quote(sums.name), sum));
  return entry;
}

// The weights that the tensors are of; others are passed over.
std::set<std::string> weights_of(const TensorFile& file) {
  std::set<std::string> names;
  for (const TensorInfo& tensor : file.tensors())
    for (const std::string_view suffix : {kSums, kCounts})
      if (tensor.name.ends_with(suffix))
        names.insert(tensor.name.substr(0, tensor.name.size() - suffix.size()));
  return names;
}

// N of "blk.N."; std::nullopt outside blocks.
std::optional<int> block_of(std::string_view name) {
  constexpr std::string_view kBlock = "blk.";
  if (!name.starts_with(kBlock)) return std::nullopt;
  int block = 0;
  const auto [end, error] = std::from_chars(name.data() + kBlock.size(), name.data() + name.size(), block);
  if (error != std::errc() || end == name.data() + name.size() || *end != '.') return std::nullopt;
  return block;
}

}  // namespace

bool may_be_imatrix(const fs::path& file) {
  const std::string bytes = first_bytes(file, kBeginning);
  return bytes.starts_with("GGUF") || is_old_format(bytes);
}

Imatrix read_imatrix(const fs::path& path) {
  const std::string bytes = first_bytes(path, kBeginning);
  if (!bytes.starts_with("GGUF") && is_old_format(bytes))
    refuse(path,
           "this is an imatrix in llama.cpp's old format, which does not say how many rows are in its sums; "
           "turn it into GGUF (llama-imatrix --in-file OLD.dat -o NEW.gguf) and give that file");
  const std::unique_ptr<TensorFile> file = open_gguf(path);
  require_imatrix(*file);
  Imatrix imatrix;
  imatrix.file = path;
  if (const auto* const datasets = value_of<std::vector<std::string>>(*file, kDatasets, "a list of texts"))
    imatrix.datasets = *datasets;
  imatrix.chunk_count = number_of(*file, kChunkCount);
  imatrix.chunk_size = number_of(*file, kChunkSize);
  if (const auto* const settings = value_of<std::string>(*file, kSettings, "a text"))
    imatrix.settings = *settings;
  for (const std::string& name : weights_of(*file)) imatrix.entries[name] = read_entry(*file, name);
  if (imatrix.entries.empty()) refuse(path, "this imatrix has no entry");
  return imatrix;
}

void require_imatrix_of(const Imatrix& imatrix, int blocks) {
  for (const auto& [name, entry] : imatrix.entries)
    if (const std::optional<int> block = block_of(name); block && (*block < 0 || *block >= blocks))
      throw Error(ErrorKind::kModel,
                  fmt::format("{}: there is an entry for {}, and the model has blocks 0 to "
                              "{}: this imatrix is of another model",
                              imatrix.file.string(), quote(name), blocks - 1));
}

std::vector<double> imatrix_diagonal(const Imatrix& imatrix, const std::string& tensor, std::int64_t width) {
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorKind::kModel, fmt::format("{}: {}", imatrix.file.string(), what));
  };
  const auto found = imatrix.entries.find(tensor);
  if (found == imatrix.entries.end())
    fail(fmt::format("there is no entry for {}; give an imatrix that was made with this model",
                     quote(tensor)));
  const ImatrixEntry& entry = found->second;
  if (entry.counts.size() != 1)
    fail(fmt::format("the entry for {} is of {} experts, and this weight has none", quote(tensor),
                     entry.counts.size()));
  if (entry.sums.size() != static_cast<std::size_t>(width))
    fail(fmt::format(
        "the entry for {} has {} channels, and the weight has {}: this imatrix is of another model",
        quote(tensor), entry.sums.size(), width));
  std::vector<double> diagonal;
  diagonal.reserve(entry.sums.size());
  for (const float sum : entry.sums)
    diagonal.push_back(static_cast<double>(sum) / static_cast<double>(entry.counts.front()));
  return diagonal;
}

void write_imatrix(const fs::path& file, const Imatrix& imatrix) {
  const auto limited = [](std::int64_t number) {
    return static_cast<std::uint32_t>(
        std::min<std::int64_t>(number, std::numeric_limits<std::uint32_t>::max()));
  };
  std::vector<GgufPair> pairs = {{"general.type", std::string("imatrix")},
                                 {kDatasets, imatrix.datasets},
                                 {kChunkCount, limited(imatrix.chunk_count)},
                                 {kChunkSize, limited(imatrix.chunk_size)}};
  if (imatrix.settings) pairs.emplace_back(kSettings, *imatrix.settings);
  std::map<std::string, std::vector<float>> counts;
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, entry] : imatrix.entries) {
    std::vector<float>& numbers = counts[name];
    numbers.assign(entry.counts.begin(), entry.counts.end());
    const auto experts = static_cast<std::int64_t>(numbers.size());
    const auto width = static_cast<std::int64_t>(entry.width());
    tensors.push_back(
        {name + std::string(kSums), "F32", {experts, width}, std::as_bytes(std::span(entry.sums))});
    tensors.push_back({name + std::string(kCounts), "F32", {experts, 1}, std::as_bytes(std::span(numbers))});
  }
  write_gguf(file, pairs, tensors);
}

}  // namespace emend
