// libFuzzer's way in.
#include <cstddef>
#include <cstdint>

#include "read_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  emend::fuzz::try_input({reinterpret_cast<const char*>(data), size});
  return 0;
}
