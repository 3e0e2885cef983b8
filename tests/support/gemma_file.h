// Where Gemma 3 270M lies, for the tests that need it: scripts/fetch_gemma.sh brings it, EMEND_GEMMA names
// another place.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace emend::test {

inline std::filesystem::path gemma_file() {
  if (const char* given = std::getenv("EMEND_GEMMA")) return given;
  return std::filesystem::path(EMEND_SOURCE_DIR) / "models/gemma-3-270m-q4_k_m.gguf";
}

}  // namespace emend::test
