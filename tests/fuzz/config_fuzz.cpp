// config.json of a checkpoint folder; or a GGUF file, for the settings in its metadata.
#include "emend/error.h"
#include "memory_file.h"
#include "model/families/family.h"
#include "model/weights.h"
#include "read_input.h"

namespace emend::fuzz {
namespace {

// A checkpoint without tensors: what config.json can be read with.
class NoTensors : public TensorFile {
 public:
  Format format() const override { return Format::kSafetensors; }
  const std::filesystem::path& path() const override { return path_; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  const TensorInfo* find(std::string_view) const override { return nullptr; }
  std::span<const std::byte> bytes(const TensorInfo&) const override { return {}; }
  std::shared_ptr<const void> owner() const override { return nullptr; }
  const std::map<std::string, std::string>& metadata() const override { return metadata_; }
  const std::map<std::string, GgufValue>& gguf_metadata() const override { return gguf_metadata_; }

 private:
  std::filesystem::path path_ = "model.safetensors";
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, GgufValue> gguf_metadata_;
};

void read_settings(const ConfigValues& values, const TensorFile& file) {
  const ModelConfig config = find_family(values).read_config(values, file);
  check_config(config, values.where());
  abort_unless(config.layers > 0 && config.d_model > 0 && config.d_ff > 0 && config.heads > 0,
               "a config that passes has sizes above 0");
  for (const RotaryTable& table : config.rotary)
    abort_unless(!table.frequencies.empty() &&
                     table.frequencies.size() <= static_cast<std::size_t>(config.head_dim / 2),
                 "there is one rotary frequency a pair");
}

}  // namespace

void read_input(std::string_view input) {
  if (input.substr(0, 4) == "GGUF") {
    const MemoryFile bytes(input);
    const auto file = open_gguf(bytes.path());
    read_settings(ConfigValues::from_gguf(*file), *file);
  } else {
    read_settings(ConfigValues::from_json(std::string(input), "config.json"), NoTensors());
  }
}

}  // namespace emend::fuzz
