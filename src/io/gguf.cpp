#include "io/gguf_header.h"
#include "io/mapped_checkpoint.h"

namespace emend {

std::unique_ptr<TensorFile> open_gguf(const std::filesystem::path& file) {
  auto mappings = std::make_shared<Mappings>();
  const MappedFile& mapped = mappings->emplace(file, MappedFile(file)).first->second;
  GgufHeader header = parse_gguf_header(mapped.bytes(), file);
  return make_mapped_checkpoint({TensorFile::Format::kGguf,
                                 file,
                                 std::move(header.tensors),
                                 std::move(mappings),
                                 {},
                                 std::move(header.metadata)});
}

}  // namespace emend
