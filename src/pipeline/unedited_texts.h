// What the first edit with a statistics folder would ask the unedited model, asked when the layers are made:
// sampled contexts, and held text in front of each layer (analysis/statistics_texts.h has the files).
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

// Of which edits: their prefix, seed and token budget.
struct UneditedTexts {
  std::vector<std::int64_t> prefix;
  std::uint64_t seed = 0;
  std::int64_t token_budget = 0;
};

// Runs the held text that the folder has for each of these layers once up to the layer, and through all
// blocks, and writes the files that an edit whose first layer it is would write, byte for byte. What is there
// of the same identity is not run again; a layer without held text has no file, nor has one whose stream is
// too large to be kept. Throws what load_statistics throws.
void keep_held_text(const Model& model, const std::filesystem::path& folder, const std::vector<int>& layers,
                    const UneditedTexts& how, Progress& progress);

// The contexts of the default method and of methods for many facts, and held text.
void keep_unedited_texts(const Model& model, const std::filesystem::path& folder,
                         const std::vector<int>& layers, const UneditedTexts& how, Progress& progress);

}  // namespace emend
