// What edits ask the unedited model is kept by whoever makes statistics, byte for byte as an edit keeps it.
#include "pipeline/unedited_texts.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "analysis/context_texts.h"
#include "base/files.h"
#include "cli/scratch_folder.h"
#include "emend/edit_run.h"
#include "emend/patch.h"
#include "emend/statistics_job.h"
#include "model/text_nll.h"
#include "pipeline/patch_checks.h"
#include "support/world.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::Key;
using testing::Pair;
using Files = std::map<std::string, std::string>;  // bytes by name

class UneditedTextsOf : public ::testing::TestWithParam<const char*> {
 protected:
  UneditedTextsOf() : model_(test::load_world(GetParam())) {
    file_.method = "rome";
    file_.edits = test::world_edits(1);
  }
  fs::path collect(const std::string& name, const std::vector<int>& layers, bool texts = true,
                   std::uint64_t seed = 0) {
    StatisticsOptions options;
    options.layers = layers;
    options.prefix = model_.tokenizer().automatic_prefix();
    options.tokens = 1500;
    options.seed = seed;
    StatisticsJob job;
    job.folder.path = folder_ / name;
    job.texts = texts;
    const auto seconds = run_statistics(model_, options, job).seconds;
    EXPECT_EQ(seconds.contains("held text of the unedited model"), texts);
    return job.folder.path;
  }
  Patch edit(const fs::path& statistics, const std::vector<int>& layers) {
    file_.statistics = statistics;
    file_.layer.layers = layers;
    return run_edit(model_, file_).patch;
  }
  // What the checks of an edit of this layer keep in front of it.
  std::string base_of_an_edit(const fs::path& statistics, int layer) const {
    const std::string name = base_file(layer);
    fs::remove(statistics / name);
    Patch patch;
    patch.held_text =
        load_statistics(model_, {layer}, model_.tokenizer().automatic_prefix(), statistics).held_text;
    patch.edit.changes = {
        WeightChange::low_rank({layer, Role::kMlpDown}, at::zeros({1, 1}), at::zeros({1, 1}))};
    const HeldText held(model_, patch, EditRunOptions().token_budget, statistics);
    return read_text_file(statistics / name);
  }
  static std::string base_file(int layer) { return "base_" + std::to_string(layer) + ".safetensors"; }
  std::string saved(const Patch& patch) const {
    save_patch(patch, folder_ / "p");
    return read_text_file(folder_ / "p");
  }
  // The files that are not statistics.
  static Files texts_in(const fs::path& folder) {
    Files files;
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("base_") || name.starts_with("contexts"))
        files[name] = read_text_file(entry.path());
    }
    return files;
  }
  static void remove_texts(const fs::path& folder) {
    for (const auto& [name, bytes] : texts_in(folder)) fs::remove(folder / name);
  }

  Model model_;
  const ScratchFolder folder_;
  EditFile file_;
};

TEST_P(UneditedTextsOf, StatisticsHaveTheBytesThatAnEditWrites) {
  const fs::path folder = collect("s", {0, 1, 3});
  const Files kept = texts_in(folder);
  ASSERT_THAT(kept,
              ElementsAre(Key("base_0.safetensors"), Key("base_1.safetensors"), Key("base_3.safetensors"),
                          Key("contexts_10.safetensors"), Key("contexts_5.safetensors")));
  // Of `rome`, and of a method for many facts.
  for (const auto& [method, contexts] : std::map<std::string, std::string>{
           {"rome", "contexts_10.safetensors"}, {"memit", "contexts_5.safetensors"}}) {
    file_.method = method;
    for (const auto& [name, bytes] : kept) std::ofstream(folder / name, std::ios::binary) << bytes;
    const std::string with_texts = saved(edit(folder, {3}));
    EXPECT_EQ(texts_in(folder), kept) << "the edit took them, and wrote none";
    remove_texts(folder);
    EXPECT_EQ(saved(edit(folder, {3})), with_texts);
    EXPECT_THAT(texts_in(folder),
                ElementsAre(Pair(base_file(3), kept.at(base_file(3))), Pair(contexts, kept.at(contexts))));
  }
  for (const int layer : {0, 1})
    EXPECT_EQ(base_of_an_edit(folder, layer), kept.at(base_file(layer))) << layer;
}

TEST_P(UneditedTextsOf, AreLeftOutWhereNobodyWantsThem) {
  EXPECT_THAT(texts_in(collect("s", {1}, false)), ElementsAre());
}

// What is there already is not run again, and what is broken is.
TEST_P(UneditedTextsOf, AreKeptOnce) {
  const fs::path folder = collect("s", {1, 2});
  const Files kept = texts_in(folder);
  const fs::path base = folder / "base_2.safetensors";
  const auto written = fs::last_write_time(folder / "base_1.safetensors");
  std::ofstream(base) << "no tensors";
  SilentProgress silent;
  keep_unedited_texts(model_, folder, {1, 2},
                      {model_.tokenizer().automatic_prefix(), 0, EditRunOptions().token_budget}, silent);
  EXPECT_EQ(texts_in(folder), kept);
  EXPECT_EQ(fs::last_write_time(folder / "base_1.safetensors"), written);
}

// Layers of two collections have texts of their own.
TEST_P(UneditedTextsOf, ALayerHasTheTextOfItsCollection) {
  collect("s", {1});
  const fs::path folder = collect("s", {2}, true, 5);
  const Files kept = texts_in(folder);
  for (const int layer : {1, 2})
    EXPECT_EQ(base_of_an_edit(folder, layer), kept.at(base_file(layer))) << layer;
}

// An edit that collects its layers keeps the text in front of each of them, not only of the first.
TEST_P(UneditedTextsOf, AnEditWithStatisticsOfItsOwnKeepsAllLayers) {
  file_.method = "memit";
  const fs::path folder = folder_ / "own";
  edit(folder, {1, 2, 3});
  const Files kept = texts_in(folder);
  ASSERT_THAT(kept, ElementsAre(Key("base_1.safetensors"), Key("base_2.safetensors"),
                                Key("base_3.safetensors"), Key("contexts_5.safetensors")));
  for (const int layer : {2, 3})
    EXPECT_EQ(base_of_an_edit(folder, layer), kept.at(base_file(layer))) << layer;
}

TEST_P(UneditedTextsOf, MovingUpIsBeginningThere) {
  const std::vector<TokenIds> texts = {{1, 2, 3, 4, 5}, {6, 7, 8}};
  TextNll moving(model_, texts, 0, 64);
  const double mean = moving.mean();
  for (int block = 1; block < model_.config().layers; ++block) {
    moving.move_to(block);
    const TextNll there(model_, texts, block, 64);
    EXPECT_TRUE(at::equal(moving.hidden(), there.hidden())) << block;
    EXPECT_EQ(moving.mean(), mean) << block;
    EXPECT_EQ(there.mean(), mean) << block;
  }
}

INSTANTIATE_TEST_SUITE_P(World, UneditedTextsOf, ::testing::Values("gpt2", "llama"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace emend
