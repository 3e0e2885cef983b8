#include "io/mapped_checkpoint.h"
#include "io/safetensors_header.h"

namespace emend {

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

}  // namespace emend
