// The folder of statistics that a run takes if it names none.
#include "analysis/statistics_place.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <optional>

#include "analysis/layer_choice.h"
#include "analysis/statistics_file.h"
#include "analysis/text_options.h"
#include "base/temp_folder.h"
#include "emend/statistics.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PlaceOfStatistics : public ::testing::Test {
 protected:
  PlaceOfStatistics() {
    fs::copy(fs::path(EMEND_TEST_DATA) / "world/gpt2", folder_ / "m", fs::copy_options::recursive);
    usual_ = default_statistics_folder(model(), prefix_);
  }

  const Model& model() {
    if (!model_) model_ = Model::load(folder_ / "m");
    return *model_;
  }

  // As many keys of its own text as `tokens`, whose numbers do not matter here.
  void make(const fs::path& folder, const std::vector<int>& layers, std::int64_t tokens,
            const std::vector<std::int64_t>& prefix = {0}, const std::string& pass = "") {
    Statistics statistics;
    for (const int layer : layers) {
      statistics.layers[layer].C = at::eye(model().config().d_ff, at::kDouble);
      statistics.layers[layer].tokens = tokens;
    }
    statistics.held_text = {{0, 1, 2}};
    statistics.held_documents = {1};
    statistics.set_origin({"text: 1 file", "window 512, " + (pass.empty() ? pass_settings(model()) : pass),
                           fmt::format("print-{}", tokens)});
    save_statistics(statistics, model(), prefix, folder);
  }

  StatisticsPlace find(const std::vector<int>& layers) {
    return find_statistics(model(), prefix_, wanted_statistics(layers));
  }

  const std::vector<std::int64_t> prefix_ = {0};
  test::TempFolder folder_;
  std::optional<Model> model_;
  fs::path usual_;
};

TEST_F(PlaceOfStatistics, IsTheDefaultFolderWhereNothingIs) {
  const StatisticsPlace place = find({2});
  EXPECT_EQ(place.folder, usual_);
  EXPECT_THAT(place.note, IsEmpty());
}

TEST_F(PlaceOfStatistics, IsTheDefaultFolderIfItHoldsTheLayersWhateverElseThereIs) {
  make(usual_, {2}, 100);
  make(folder_ / "stats/mine", {2}, 900);
  EXPECT_EQ(find({2}).folder, usual_);
  EXPECT_THAT(find({2}).note, IsEmpty());
}

TEST_F(PlaceOfStatistics, IsAFolderOfAnyNameThatHoldsAllLayersOfThisModel) {
  make(folder_ / "stats/mine", {1, 2}, 900);
  const StatisticsPlace place = find({1, 2});
  EXPECT_EQ(place.folder, folder_ / "stats/mine");
  EXPECT_THAT(place.note, AllOf(HasSubstr("layers 1, 2"), HasSubstr(place.folder.string()),
                                HasSubstr("900 tokens"), HasSubstr("the option statistics")));
  EXPECT_EQ(find({2, 3}).folder, usual_) << "missing layers are not collected into somebody's folder";
}

TEST_F(PlaceOfStatistics, MayLieBesideTheModel) {
  make(folder_ / "wiki", {2}, 900);
  EXPECT_EQ(find({2}).folder, folder_ / "wiki");
}

// A key has 768 elements.
TEST_F(PlaceOfStatistics, IsNoFolderOfFewerKeysThanAKeyHasElements) {
  make(folder_ / "stats/trial", {2}, 767);
  EXPECT_EQ(find({2}).folder, usual_);
  EXPECT_EQ(find_statistics(model(), prefix_, {{2, "print-767"}}).folder, folder_ / "stats/trial");
  make(folder_ / "stats/mine", {2}, 768);
  EXPECT_EQ(find({2}).folder, folder_ / "stats/mine");
}

TEST_F(PlaceOfStatistics, OfSeveralIsTheOneWithMostTokens) {
  make(folder_ / "stats/a", {2}, 780);
  make(folder_ / "b", {2}, 900);
  make(folder_ / "stats/c", {2}, 800);
  const StatisticsPlace place = find({2});
  EXPECT_EQ(place.folder, folder_ / "b");
  EXPECT_THAT(place.note, AllOf(HasSubstr("3 folders"), HasSubstr("900 tokens")));
}

TEST_F(PlaceOfStatistics, PassesOverWhatIsNotOfThisModelPrefixAndWayOfCollecting) {
  make(folder_ / "stats/other_bos", {2}, 900, {1});
  make(folder_ / "stats/other_pass", {2}, 900, {0}, "BFloat16 pass, position 0 left out");
  make(folder_ / "stats/half", {2}, 900);
  fs::remove(folder_ / "stats/half/held_text.safetensors");
  folder_.write("stats/broken/layer_2.safetensors", "no tensors");
  folder_.write("stats/broken/held_text.safetensors", "no tensors");
  fs::create_directories(folder_ / "stats/other_model");
  fs::copy(fs::path(EMEND_TEST_DATA) / "world/llama", folder_ / "l", fs::copy_options::recursive);
  const Model other = Model::load(folder_ / "l");
  Statistics statistics;
  statistics.layers[2].C = at::eye(other.config().d_ff, at::kDouble);
  statistics.layers[2].tokens = 900;
  statistics.set_origin({"text: 1 file", "window 512, " + pass_settings(other), "print"});
  save_statistics(statistics, other, prefix_, folder_ / "stats/other_model");
  EXPECT_EQ(find({2}).folder, usual_);
}

// The model's file had another name when they were collected: they go on to be filled.
TEST_F(PlaceOfStatistics, GoesOnInTheFolderOfTheModelsFormerName) {
  const fs::path former = folder_ / ("stats/former" + default_folder_ending(model(), prefix_));
  make(former, {1, 2}, 100);
  const StatisticsPlace place = find({2, 3});
  EXPECT_EQ(place.folder, former);
  EXPECT_THAT(place.note, AllOf(HasSubstr("another name"), HasSubstr("1 of layers 2, 3")));
  make(usual_, {3}, 100);
  EXPECT_EQ(find({2, 3}).folder, usual_) << "it holds as many";
}

TEST_F(PlaceOfStatistics, IsOfTheFingerprintsThatAPatchNames) {
  make(usual_, {2}, 100);
  make(folder_ / "stats/a", {2}, 900);
  make(folder_ / "stats/b", {2}, 400);
  const auto of = [&](const std::string& fingerprint) {
    return find_statistics(model(), prefix_, {{2, fingerprint}}).folder;
  };
  EXPECT_EQ(of("print-100"), usual_);
  EXPECT_EQ(of("print-400"), folder_ / "stats/b");
  EXPECT_EQ(of("print-7"), usual_);
}

TEST_F(PlaceOfStatistics, IsWhereADecisionIsKeptAsLongAsNoLayerIsKnown) {
  make(folder_ / "stats/mine", layers_near_depth(model().config()), 900);
  EXPECT_EQ(find_decided_statistics(model(), prefix_), folder_ / "stats/mine");
  save_layer_decision(decide_layer(model(), prefix_, {}, 0, {}), usual_);
  EXPECT_EQ(find_decided_statistics(model(), prefix_), usual_);
}

}  // namespace
}  // namespace emend
