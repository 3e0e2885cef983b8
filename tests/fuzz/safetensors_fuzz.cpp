// A safetensors file: header, records, every stored byte, conversion to float32.
#include "memory_file.h"
#include "read_tensors.h"

namespace emend::fuzz {

void read_input(std::string_view input) {
  const MemoryFile file(input);
  read_tensors(*open_safetensors(file.path()));
}

}  // namespace emend::fuzz
