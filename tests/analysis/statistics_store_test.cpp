// Statistics that are loaded, or collected once where they are missing.
#include "emend/statistics_store.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "base/expect_error.h"
#include "base/temp_folder.h"
#include "support/stop_at.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Keeps the remarks, and how often a collection was begun.
class Remarks : public Progress {
 public:
  void begin(std::string_view stage, std::int64_t, std::string_view) override {
    collections += stage.starts_with("statistics") ? 1 : 0;
  }
  void update(std::int64_t, std::string_view) override {}
  void end() override {}
  void note(std::string_view text) override { notes.emplace_back(text); }

  int collections = 0;
  std::vector<std::string> notes;
};

class StatisticsStoreOfAModel : public ::testing::Test {
 protected:
  StatisticsStoreOfAModel() : model_(test::tiny_model("llama", 3)) { options_.tokens = 200; }
  StatisticsStore store(const std::string& name = "stats") {
    return StatisticsStore(model_, prefix_, folder_ / name);
  }
  Statistics layers(const std::vector<int>& wanted, const StatisticsStore::Approve& approve = {}) {
    return store().layers(wanted, options_, remarks_, approve);
  }
  std::string bytes(const std::string& file) { return test::read_all(folder_ / ("stats/" + file)); }

  const std::vector<std::int64_t> prefix_ = {3};
  Model model_;
  StatisticsOptions options_;
  Remarks remarks_;
  test::TempFolder folder_;
};

TEST_F(StatisticsStoreOfAModel, CollectsOnceAndGivesWhatTheFilesHold) {
  const Statistics made = layers({0, 2});
  EXPECT_THAT(remarks_.notes, ElementsAre(AllOf(HasSubstr("No statistics of layers 0, 2"), HasSubstr("stats"),
                                                HasSubstr("writes itself"))));
  const Statistics again = layers({0, 2});
  EXPECT_EQ(remarks_.collections, 1);
  for (const int layer : {0, 2}) {
    EXPECT_TRUE(at::equal(made.layers.at(layer).C, again.layers.at(layer).C));
    EXPECT_TRUE(at::equal(made.layers.at(layer).C, made.layers.at(layer).C.to(at::kFloat).to(at::kDouble)))
        << "rounded as in the file";
  }
  EXPECT_EQ(made.fingerprint(), again.fingerprint());
  EXPECT_EQ(made.held_text, again.held_text);
}

TEST_F(StatisticsStoreOfAModel, WritesTheBytesOfAPlainCollection) {
  layers({0, 2});
  options_.layers = {0, 2};
  options_.prefix = prefix_;
  save_statistics(collect_statistics(model_, options_, remarks_), model_, prefix_, folder_ / "plain");
  for (const char* file : {"layer_0.safetensors", "layer_2.safetensors", "held_text.safetensors"})
    EXPECT_EQ(bytes(file), test::read_all(folder_ / ("plain/" + std::string(file)))) << file;
}

TEST_F(StatisticsStoreOfAModel, WritesThemAlsoIfItIsApprovedWithoutAFactor) {
  const auto approve = [](const Statistics&) { return StatisticsStore::Conditions(); };
  layers({0}, approve);
  options_.layers = {0};
  options_.prefix = prefix_;
  save_statistics(collect_statistics(model_, options_, remarks_), model_, prefix_, folder_ / "plain");
  EXPECT_EQ(bytes("layer_0.safetensors"), test::read_all(folder_ / "plain/layer_0.safetensors"));
}

TEST_F(StatisticsStoreOfAModel, CollectsOnlyWhatIsMissing) {
  layers({0});
  const std::string before = bytes("layer_0.safetensors");
  const Statistics both = layers({0, 1});
  EXPECT_THAT(remarks_.notes, ElementsAre(HasSubstr("layer 0 in"), HasSubstr("layer 1 in")));
  EXPECT_EQ(both.layers.size(), 2U);
  EXPECT_EQ(bytes("layer_0.safetensors"), before);
  layers({1, 0});
  EXPECT_EQ(remarks_.collections, 2);
}

TEST_F(StatisticsStoreOfAModel, CollectsAllWithoutTheHeldText) {
  layers({0, 1});
  fs::remove(folder_ / "stats/held_text.safetensors");
  EXPECT_FALSE(layers({0, 1}).held_text.empty());
  EXPECT_THAT(remarks_.notes, ElementsAre(HasSubstr("layers 0, 1"), HasSubstr("layers 0, 1")));
}

TEST_F(StatisticsStoreOfAModel, IsApprovedWithAllLayersBeforeAnythingIsSaved) {
  layers({0});
  int asked = 0;
  at::Tensor approved;
  layers({0, 2}, [&](const Statistics& statistics) {
    ++asked;
    EXPECT_EQ(statistics.layers.size(), 2U);
    EXPECT_TRUE(statistics.layers.at(0).C.defined());
    EXPECT_FALSE(fs::exists(folder_ / "stats/layer_2.safetensors"));
    approved = statistics.layers.at(2).C;
    EXPECT_FALSE(statistics.layers.at(2).quality.condition.has_value());
    return StatisticsStore::Conditions{{0, 7.0}, {2, 1234.5}};
  });
  EXPECT_EQ(asked, 1);
  const Statistics stored = layers({0, 2}, [&](const Statistics&) {
    ++asked;
    return StatisticsStore::Conditions();
  });
  EXPECT_TRUE(at::equal(stored.layers.at(2).C, approved)) << "as the file holds it";
  EXPECT_EQ(stored.layers.at(2).quality.condition, 1234.5);
  EXPECT_NE(stored.layers.at(0).quality.condition, 7.0) << "it was there already";
  EXPECT_EQ(asked, 1) << "nothing was missing";
}

TEST_F(StatisticsStoreOfAModel, ARefusalChangesNothingOnDisk) {
  const auto refuse = [](const Statistics&) -> StatisticsStore::Conditions {
    throw Error(ErrorKind::kNumeric, "two facts collide");
  };
  EXPECT_EQ(test::error_of(ErrorKind::kNumeric, [&] { layers({0}, refuse); }), "two facts collide");
  EXPECT_THAT(folder_.entries(), IsEmpty());
  layers({0});
  const std::string held = bytes("held_text.safetensors");
  options_.seed = 5;
  test::error_of(ErrorKind::kNumeric, [&] { layers({0, 1}, refuse); });
  EXPECT_EQ(bytes("held_text.safetensors"), held);
  EXPECT_FALSE(fs::exists(folder_ / "stats/layer_1.safetensors"));
}

TEST_F(StatisticsStoreOfAModel, AnInterruptedCollectionLeavesNothing) {
  test::StopAt stopping(1);
  test::error_of(ErrorKind::kInterrupted, [&] { store().layers({0}, options_, stopping); });
  EXPECT_THAT(folder_.entries(), IsEmpty());
}

TEST_F(StatisticsStoreOfAModel, LayersOfAnotherModelAreRefusedAndNotReplaced) {
  layers({0});
  const std::string before = bytes("layer_0.safetensors");
  const Model other = Model::make_random(test::tiny_config("llama", 3), 2, {});
  const StatisticsStore store(other, prefix_, folder_ / "stats");
  EXPECT_THAT(test::error_of(ErrorKind::kModel,
                             [&] {
                               store.layers({0, 1}, options_, remarks_);
                             }),
              HasSubstr("another model"));
  EXPECT_EQ(bytes("layer_0.safetensors"), before);
  EXPECT_FALSE(fs::exists(folder_ / "stats/layer_1.safetensors"));
}

TEST_F(StatisticsStoreOfAModel, AFolderThatCannotBeIsRefusedBeforeTheWork) {
  folder_.write("file", "");
  EXPECT_THAT(test::error_of(ErrorKind::kIo, [&] { store("file/stats").layers({0}, options_, remarks_); }),
              AllOf(HasSubstr("file is not a folder: the statistics of layer 0 are not there"),
                    HasSubstr("the option statistics")));
  EXPECT_EQ(remarks_.collections, 0);
}

}  // namespace
}  // namespace emend
