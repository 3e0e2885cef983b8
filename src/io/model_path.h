// Where a model should be.
#pragma once

#include <filesystem>
#include <string>

namespace emend {

// Throws Error(kIo) if there is neither file nor folder at `path`: models are never fetched from anywhere.
// `where` begins the message, the place that names the model: "eiffel.yaml:1:8: model".
void require_model_path(const std::filesystem::path& path, const std::string& where = "");

}  // namespace emend
