// The tiny checkpoints of every family (tests/data/families), opened with a tokenizer of 64 tokens beside
// them.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/temp_folder.h"
#include "emend/model.h"
#include "emend/records.h"
#include "support/model_files.h"

namespace emend::test {

// Names of the folders that hold weights, sorted.
inline std::vector<std::string> family_checkpoints() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(data_path("families")))
    if (std::filesystem::exists(entry.path() / "model.safetensors")) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

// "<s>" is 0, "</s>" 1; then a space, the letters, " " and a letter as one token, and punctuation: one token
// a letter, " b" is one token and " cd" are two.
inline std::string family_tokenizer_json() {
  using nlohmann::json;
  const std::string space = "\u0120";
  json vocabulary = {{"<s>", 0}, {"</s>", 1}, {space, 2}};
  json merges = json::array();
  for (char letter = 'a'; letter <= 'z'; ++letter) vocabulary[std::string(1, letter)] = vocabulary.size();
  for (char letter = 'a'; letter <= 'z'; ++letter) {
    vocabulary[space + letter] = vocabulary.size();
    merges.push_back(space + " " + letter);
  }
  for (const char* mark : {".", ",", "\u010a", "'", "-", "!", "?", ":", ";"})
    vocabulary[mark] = vocabulary.size();
  const auto special = [](int id, const char* content) {
    return json{{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
                {"rstrip", false}, {"normalized", false}, {"special", true}};
  };
  const json bytes = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  const json model = {{"type", "BPE"},
                      {"dropout", nullptr},
                      {"unk_token", nullptr},
                      {"continuing_subword_prefix", nullptr},
                      {"end_of_word_suffix", nullptr},
                      {"fuse_unk", false},
                      {"byte_fallback", false},
                      {"vocab", vocabulary},
                      {"merges", merges}};
  return json{{"version", "1.0"},
              {"truncation", nullptr},
              {"padding", nullptr},
              {"added_tokens", {special(0, "<s>"), special(1, "</s>")}},
              {"normalizer", nullptr},
              {"pre_tokenizer", bytes},
              {"post_processor", nullptr},
              {"decoder", bytes},
              {"model", model}}
      .dump();
}

// A copy of one of them in a folder of its own, in memory where the system has such a place.
class FamilyCheckpoint {
 public:
  explicit FamilyCheckpoint(const std::string& name) {
    const std::filesystem::path source = data_path("families/" + name);
    for (const char* file : {"config.json", "model.safetensors", "model.gguf"})
      if (std::filesystem::exists(source / file)) std::filesystem::copy_file(source / file, folder_ / file);
    folder_.write("tokenizer.json", family_tokenizer_json());
    if (name == "phi3_b") keep_rows_short();
  }

  Model load() const { return Model::load(folder_.path()); }
  const std::filesystem::path& path() const { return folder_.path(); }
  std::filesystem::path gguf() const { return folder_ / "model.gguf"; }
  bool has_gguf() const { return std::filesystem::exists(gguf()); }

 private:
  // Rows of more than 16 tokens turn otherwise from their beginning, where a row on cached keys is refused.
  // Trained models have 4096 there; with 40 the rows of tests are short ones.
  void keep_rows_short() const {
    auto config = nlohmann::json::parse(read_all(folder_ / "config.json"));
    config["original_max_position_embeddings"] = 40;
    config["rope_parameters"]["original_max_position_embeddings"] = 40;
    folder_.write("config.json", config.dump());
  }

  static inline const int memory_backed =
      std::filesystem::is_directory("/dev/shm") ? ::setenv("TMPDIR", "/dev/shm", 0) : 0;
  TempFolder folder_;
};

// Where values reach the stream through a norm, the recorded weights are near 1, and trained ones are not
// (Gemma 3: 0.01 to 741): here they go from 0.05 to 20 times theirs, from channel to channel.
inline void make_norms_steep(const Model& model) {
  const c10::NoGradGuard no_grad;
  for (const BlockWeights& block : model.weights().blocks)
    if (at::Tensor norm = block.mlp_post_norm; norm.defined())
      norm.mul_(at::exp(3 * at::sin(at::arange(norm.numel(), at::kFloat) * 1.7)));
}

inline const std::vector<std::int64_t> kFamilyPrefix = {0};

}  // namespace emend::test
