// Scans of the invented world, and the plain way of finding what they find.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "analysis/given_text.h"
#include "analysis/text_options.h"
#include "analysis/text_walk.h"
#include "base/temp_folder.h"
#include "emend/memory_index.h"
#include "emend/memory_scan.h"
#include "support/tiny_models.h"
#include "support/world.h"

namespace emend::test {

inline ScanOptions small_scan(const Model& model) {
  ScanOptions options;
  options.corpus = {data_path("world/text.txt")};
  options.prefix = model.tokenizer().automatic_prefix();
  options.tokens = 2500;
  options.block_tokens = 400;
  options.layers = {0, 2};
  options.top = 5;
  options.random = 3;
  return options;
}

inline ScanOutcome scan_into(const Model& model, const ScanOptions& options,
                             const std::filesystem::path& folder, bool resume = false) {
  SilentProgress silent;
  return MemoryScan(model, options, silent).run({folder, resume}, silent);
}

// The rows that such a scan reads.
inline std::unique_ptr<TextSource> text_of(const Model& model, ScanOptions options) {
  SilentProgress silent;
  CorpusNotes notes;
  settle_text_options(model, false, options);
  return make_given_text(model, options, notes, silent, false);
}

// Keeps the coefficients of one layer by the address of their token.
class Recorder : public TextVisitor {
 public:
  explicit Recorder(int layer) : layers_{layer} {}
  const std::vector<int>& layers() const override { return layers_; }
  std::vector<Site> sites() const override { return {Site::kKey}; }
  bool takes_first() const override { return true; }
  void visit(const TextPortion& portion) override {
    for (std::size_t i = 0; i < portion.tokens.size(); ++i) {
      tokens[portion.tokens[i].address] = portion.tokens[i];
      keys[portion.tokens[i].address] = portion.vectors[0][static_cast<std::int64_t>(i)].clone();
    }
  }
  void save(FileWriter&) const override {}
  void load(const TensorFile&) override {}
  void reduce(ShardGroup&) override {}

  std::map<std::uint64_t, TextToken> tokens;
  std::map<std::uint64_t, at::Tensor> keys;

 private:
  std::vector<int> layers_;
};

inline Recorder record(const Model& model, const TextSource& text, int layer) {
  SilentProgress silent;
  Recorder recorder(layer);
  walk_text(model, text, recorder, {"recording", {}, {}, false}, silent);
  return recorder;
}

inline std::vector<std::string> file_names(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

// Both folders hold the same files with the same bytes.
inline void expect_same_folder(const std::filesystem::path& a, const std::filesystem::path& b) {
  ASSERT_EQ(file_names(a), file_names(b));
  for (const std::string& name : file_names(a)) EXPECT_TRUE(read_all(a / name) == read_all(b / name)) << name;
}

// A model of the invented world, small scans of it, and a folder for them.
class WorldScans : public ::testing::TestWithParam<std::string> {
 protected:
  WorldScans() : model_(load_world(GetParam())), options_(small_scan(model_)) {}

  Model model_;
  ScanOptions options_;
  TempFolder folder_;
};

}  // namespace emend::test
