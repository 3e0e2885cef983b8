// What the unedited model makes of texts that every edit runs, beside the layer files of a statistics folder,
// so that the next program need not run them (docs/formats.md).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "emend/generate.h"
#include "emend/model.h"

namespace emend {

// The unedited model on held text.
struct BaseOnText {
  double nll = 0;     // mean of the next token's, nats
  at::Tensor hidden;  // [tokens, D] in front of a block; undefined in front of block 0
};

// All that a number of the model on these texts depends on: emend and libtorch, by whose versions rounding
// and sampling may change, and the CPU's vector instructions; its weights, their type and device, the threads
// and the passes that sums are made by.
std::string text_identity(const Model& model, const std::vector<TokenIds>& texts, std::int64_t token_budget);

// What is found must be of the very identity that is asked for; a file that is broken, of another version or
// of another identity is as none. One file of each name and block stays: the latest. Nothing is written where
// the folder does not exist or cannot be written, or where the disk would have less free than the file takes.
class StatisticsTexts {
 public:
  // A residual stream of more bytes is not kept: it would be longer to read than text is to run.
  static constexpr std::int64_t kMostBytes = std::int64_t{64} << 20;
  // Whether one of [tokens, width] is, in float32.
  static constexpr bool keeps(std::int64_t tokens, std::int64_t width) {
    return tokens * width * static_cast<std::int64_t>(sizeof(float)) <= kMostBytes;
  }

  explicit StatisticsTexts(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // Sampled texts. The first word of the identity is the name of their file, without its ending.
  std::optional<std::vector<TokenIds>> load_contexts(const std::string& identity) const;
  void save_contexts(const std::string& identity, const std::vector<TokenIds>& contexts) const;

  // Held text in front of `block`, `tokens` x `width`.
  std::optional<BaseOnText> load_base(int block, const std::string& identity, std::int64_t tokens,
                                      std::int64_t width) const;
  void save_base(int block, const std::string& identity, const BaseOnText& base) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace emend
