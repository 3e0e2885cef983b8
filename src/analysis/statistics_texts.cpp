#include "analysis/statistics_texts.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <span>

#include "analysis/text_file.h"
#include "base/files.h"
#include "base/xxh3_stream.h"
#include "emend/error.h"
#include "emend/tensor_file.h"
#include "emend/version.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTextsFormat = "1";
constexpr const char* kContexts = "contexts";
constexpr const char* kBase = "base";

fs::path base_file(const fs::path& folder, int block) {
  return folder / fmt::format("{}_{}.safetensors", kBase, block);
}

fs::path contexts_file(const fs::path& folder, const std::string& identity) {
  return folder / fmt::format("{}.safetensors", identity.substr(0, identity.find(' ')));
}

std::string digest_of_rows(const std::vector<TokenIds>& rows) {
  Xxh3Stream digest;
  for (const TokenIds& row : rows) {
    const auto size = static_cast<std::int64_t>(row.size());
    digest.update(std::as_bytes(std::span(&size, 1)));
    digest.update(std::as_bytes(std::span(row)));
  }
  return digest.hex();
}

// Calls read(file) if the file is of this kind, version and identity; std::nullopt if not, or if it is
// broken.
template <typename Result, typename Read>
std::optional<Result> read_text_file_of(const fs::path& path, const char* kind, const std::string& identity,
                                        Read read) {
  if (!fs::exists(path)) return std::nullopt;
  try {
    const std::unique_ptr<TensorFile> file = open_safetensors(path);
    const bool same = metadata_of(*file, "format") == kTextsFormat && metadata_of(*file, "kind") == kind &&
                      metadata_of(*file, "identity") == identity;
    return same ? read(*file) : std::nullopt;
  } catch (const Error&) {
    return std::nullopt;
  }
}

FileWriter begin_text_file(const char* kind, const std::string& identity) {
  FileWriter writer;
  writer.set("format", kTextsFormat);
  writer.set("kind", kind);
  writer.set("identity", identity);
  return writer;
}

void write_if_there_is_room(const FileWriter& writer, const fs::path& path, std::uint64_t bytes) {
  if (!fs::is_directory(path.parent_path())) return;
  try {
    require_writable_file(path);
    require_space(path.parent_path(), 2 * bytes);
    writer.write(path);
  } catch (const Error&) {
    return;  // the next program makes it again
  }
}

}  // namespace

std::string text_identity(const Model& model, const std::vector<TokenIds>& texts, std::int64_t token_budget) {
  return fmt::format("{} {} {} {} {} {} {} {} {}", emend_version(), TORCH_VERSION, at::get_cpu_capability(),
                     model.fingerprint(), c10::toString(at::typeMetaToScalarType(model.options().dtype())),
                     model.devices(), at::get_num_threads(), token_budget, digest_of_rows(texts));
}

std::optional<std::vector<TokenIds>> StatisticsTexts::load_contexts(const std::string& identity) const {
  using Found = std::optional<std::vector<TokenIds>>;
  return read_text_file_of<std::vector<TokenIds>>(
      contexts_file(folder_, identity), kContexts, identity, [&](const TensorFile& file) {
        std::vector<TokenIds> rows = read_rows(file, "ids", "lengths");
        return metadata_of(file, "digest") == digest_of_rows(rows) ? Found(std::move(rows)) : Found();
      });
}

void StatisticsTexts::save_contexts(const std::string& identity,
                                    const std::vector<TokenIds>& contexts) const {
  FileWriter writer = begin_text_file(kContexts, identity);
  add_rows(writer, "ids", "lengths", contexts);
  writer.set("digest", digest_of_rows(contexts));
  std::uint64_t bytes = 0;
  for (const TokenIds& row : contexts) bytes += (row.size() + 1) * sizeof(std::int64_t);
  write_if_there_is_room(writer, contexts_file(folder_, identity), bytes);
}

std::optional<BaseOnText> StatisticsTexts::load_base(int block, const std::string& identity,
                                                     std::int64_t tokens, std::int64_t width) const {
  using Found = std::optional<BaseOnText>;
  return read_text_file_of<BaseOnText>(
      base_file(folder_, block), kBase, identity, [&](const TensorFile& file) -> Found {
        const at::Tensor nll = stored_tensor(file, "nll", "F64");
        if (nll.numel() != 1) return std::nullopt;
        BaseOnText base{nll.item<double>(), {}};
        if (!std::isfinite(base.nll)) return std::nullopt;
        if (block == 0) return base;
        base.hidden = stored_tensor(file, "hidden", "F32").clone();
        const bool fits = base.hidden.dim() == 2 && base.hidden.size(0) == tokens &&
                          base.hidden.size(1) == width && at::isfinite(base.hidden).all().item<bool>();
        return fits ? Found(std::move(base)) : Found();
      });
}

void StatisticsTexts::save_base(int block, const std::string& identity, const BaseOnText& base) const {
  FileWriter writer = begin_text_file(kBase, identity);
  writer.set("block", std::to_string(block));
  writer.add("nll", at::full({1}, base.nll, at::kDouble));
  std::uint64_t bytes = sizeof(double);
  if (base.hidden.defined()) {
    if (!keeps(base.hidden.size(0), base.hidden.size(1))) return;
    const at::Tensor hidden = base.hidden.to(at::kCPU, at::kFloat).contiguous();
    bytes += hidden.nbytes();
    writer.add("hidden", hidden);
  }
  write_if_there_is_room(writer, base_file(folder_, block), bytes);
}

}  // namespace emend
