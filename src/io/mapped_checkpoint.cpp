#include "io/mapped_checkpoint.h"

#include <fmt/format.h>

#include <stdexcept>
#include <string_view>
#include <unordered_map>

#include "base/strings.h"

namespace emend {
namespace {

// Tensors in file order, found by name. Names must be unique; the readers see to that. Move-only, since the
// index looks into the names.
class TensorList {
 public:
  explicit TensorList(std::vector<TensorInfo> tensors) : tensors_(std::move(tensors)) {
    index_.reserve(tensors_.size());
    for (std::size_t i = 0; i < tensors_.size(); ++i) index_.emplace(tensors_[i].name, i);
  }
  TensorList(TensorList&&) noexcept = default;
  TensorList& operator=(TensorList&&) noexcept = default;

  const std::vector<TensorInfo>& all() const { return tensors_; }
  // nullptr if there is none of that name.
  const TensorInfo* find(std::string_view name) const {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : &tensors_[found->second];
  }

 private:
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string_view, std::size_t> index_;
};

class MappedCheckpoint : public TensorFile {
 public:
  explicit MappedCheckpoint(CheckpointParts parts)
      : format_(parts.format),
        path_(std::move(parts.path)),
        tensors_(std::move(parts.tensors)),
        mappings_(std::move(parts.mappings)),
        metadata_(std::move(parts.metadata)),
        gguf_metadata_(std::move(parts.gguf_metadata)) {}

  Format format() const override { return format_; }
  const std::filesystem::path& path() const override { return path_; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_.all(); }
  const TensorInfo* find(std::string_view name) const override { return tensors_.find(name); }
  std::shared_ptr<const void> owner() const override { return mappings_; }
  const std::map<std::string, std::string>& metadata() const override { return metadata_; }
  const std::map<std::string, GgufValue>& gguf_metadata() const override { return gguf_metadata_; }

  std::span<const std::byte> bytes(const TensorInfo& tensor) const override {
    const auto mapping = mappings_->find(tensor.file);
    if (mapping == mappings_->end()) throw foreign(tensor);
    const auto whole = mapping->second.bytes();
    if (tensor.offset > whole.size() || tensor.bytes > whole.size() - tensor.offset) throw foreign(tensor);
    return whole.subspan(tensor.offset, tensor.bytes);
  }

 private:
  std::invalid_argument foreign(const TensorInfo& tensor) const {
    return std::invalid_argument(
        fmt::format("the tensor {} is not one of {}", quote(tensor.name), path_.string()));
  }

  Format format_;
  std::filesystem::path path_;
  TensorList tensors_;
  std::shared_ptr<const Mappings> mappings_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, GgufValue> gguf_metadata_;
};

}  // namespace

std::unique_ptr<TensorFile> make_mapped_checkpoint(CheckpointParts parts) {
  return std::make_unique<MappedCheckpoint>(std::move(parts));
}

}  // namespace emend
