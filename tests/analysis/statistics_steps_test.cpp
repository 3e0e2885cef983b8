// Folders that are filled in steps: every layer keeps the origin of its own sums, and the held text is what
// none of them saw.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "base/expect_error.h"
#include "base/temp_folder.h"
#include "emend/statistics.h"
#include "emend/statistics_run.h"
#include "emend/statistics_store.h"
#include "support/keep_notes.h"
#include "support/world.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class StatisticsSteps : public ::testing::Test {
 protected:
  StatisticsSteps() : model_(test::load_world("gpt2")) {
    options_.prefix = model_.tokenizer().automatic_prefix();
    options_.tokens = 600;
  }
  // Fills these layers of a folder over the world's text, or text of the model's own.
  void collect(const std::vector<int>& layers, bool own_text, std::uint64_t seed = 0,
               const std::string& name = "stats") {
    options_.layers = layers;
    options_.seed = seed;
    options_.corpus.clear();
    if (!own_text) options_.corpus = {test::data_path("world/text.txt")};
    StatisticsRun(model_, options_, notes_).collect_into({folder_ / name, false, false}, notes_);
  }
  Statistics load(const std::vector<int>& layers, const std::string& name = "stats") {
    return load_statistics(model_, layers, options_.prefix, folder_ / name);
  }
  std::string held_bytes(const std::string& name) {
    return test::read_all(folder_ / (name + "/held_text.safetensors"));
  }

  Model model_;
  StatisticsOptions options_;
  test::KeepNotes notes_;
  test::TempFolder folder_;
};

TEST_F(StatisticsSteps, EveryLayerKeepsTheOriginOfItsSums) {
  collect({2}, false);
  const StatisticsOrigin first = load({2}).layers.at(2).origin;
  options_.tokens = 900;
  collect({1, 3}, true);
  const Statistics all = load({1, 2, 3});
  EXPECT_EQ(all.layers.at(2).origin.fingerprint, first.fingerprint);
  EXPECT_EQ(all.layers.at(2).origin.source, first.source);
  EXPECT_EQ(all.layers.at(2).tokens, 600);
  EXPECT_EQ(all.layers.at(3).origin.source, "self, seed 0");
  EXPECT_EQ(all.layers.at(3).tokens, 900);
  EXPECT_NE(all.layers.at(3).origin.fingerprint, first.fingerprint);
  EXPECT_EQ(all.layers.at(1).origin.fingerprint, all.layers.at(3).origin.fingerprint);
  EXPECT_EQ(all.source(), "layers 1, 3: self, seed 0; layer 2: " + first.source);
  EXPECT_EQ(all.fingerprint({2}), first.fingerprint);
  EXPECT_THAT(all.fingerprint(), AllOf(HasSubstr(first.fingerprint), HasSubstr("+")));
  const auto stored = load_origins(model_, {0, 2, 3}, options_.prefix, folder_ / "stats");
  ASSERT_EQ(stored.size(), 2u);
  EXPECT_EQ(stored.at(2).fingerprint, first.fingerprint);
  EXPECT_EQ(stored.at(3).source, "self, seed 0");
}

TEST_F(StatisticsSteps, TheStoreSaysThatLayersAreOfDifferentTexts) {
  collect({2}, false);
  notes_.notes.clear();
  options_.seed = 0;
  options_.corpus.clear();
  const StatisticsStore store(model_, options_.prefix, folder_ / "stats");
  store.layers({2, 3}, options_, notes_);
  EXPECT_THAT(notes_.notes, ElementsAre(HasSubstr("No statistics of layer 3"),
                                        AllOf(HasSubstr("different texts"), HasSubstr("layer 2: text"),
                                              HasSubstr("layer 3: self, seed 0"))));
  notes_.notes.clear();
  store.layers({3}, options_, notes_);
  EXPECT_THAT(notes_.notes, IsEmpty());
}

TEST_F(StatisticsSteps, TheHeldTextOfALayerStaysWhenOthersAreAdded) {
  collect({2}, false);
  const Statistics before = load({2});
  ASSERT_FALSE(before.held_text.empty());
  collect({3}, true);
  EXPECT_EQ(load({2}).held_text, before.held_text);
  EXPECT_EQ(load({2}).documents, before.documents);
  EXPECT_THAT(notes_on(load({2, 3})), ElementsAre(HasSubstr("different texts")));
}

// Two samples of one corpus: what one holds back may be in the sums of the other.
TEST_F(StatisticsSteps, NoLayerHasSeenTheHeldTextOfSeveral) {
  options_.tokens = 8000;
  collect({2}, false, 0);
  collect({3}, false, 1);
  const Statistics two = load({2}), three = load({3}), both = load({2, 3});
  const auto sums = [](const Statistics& statistics, std::uint64_t document) {
    return std::binary_search(statistics.documents.begin(), statistics.documents.end(), document);
  };
  std::size_t seen = 0;
  for (const std::uint64_t document : three.held_documents) seen += sums(two, document) ? 1 : 0;
  ASSERT_GT(seen, 0u) << "the test shows nothing with samples that do not touch";
  for (const std::uint64_t document : both.held_documents) {
    EXPECT_FALSE(sums(two, document));
    EXPECT_FALSE(sums(three, document));
  }
  for (const std::uint64_t document : two.documents) EXPECT_TRUE(sums(both, document));
}

TEST_F(StatisticsSteps, TextOfTheSameSeedIsHeldOnce) {
  collect({2}, true);
  const auto once = load({2}).held_text;
  collect({3}, true);
  EXPECT_EQ(load({2, 3}).held_text, once);
  EXPECT_THAT(notes_on(load({2, 3})), IsEmpty()) << "one text, in two runs";
}

TEST_F(StatisticsSteps, TheOrderOfTheStepsDoesNotCount) {
  collect({2}, false, 0, "a");
  collect({3}, true, 0, "a");
  collect({3}, true, 0, "b");
  collect({2}, false, 0, "b");
  EXPECT_EQ(held_bytes("a"), held_bytes("b"));
}

TEST_F(StatisticsSteps, ACollectionGoesWithItsLastLayer) {
  collect({2}, false, 0, "a");
  collect({2}, true, 0, "a");
  collect({2}, true, 0, "b");
  EXPECT_EQ(held_bytes("a"), held_bytes("b"));
}

// Such a folder holds the text of its latest collection alone.
TEST_F(StatisticsSteps, AFolderThatAnEarlierVersionFilledIsReadAndTold) {
  collect({2}, false, 0);
  collect({3}, true, 0, "later");
  for (const char* name : {"layer_3.safetensors", "held_text.safetensors"})
    fs::copy_file(folder_ / ("later/" + std::string(name)), folder_ / ("stats/" + std::string(name)),
                  fs::copy_options::overwrite_existing);
  const Statistics alone = load({2}), both = load({2, 3}), later = load({3});
  EXPECT_EQ(alone.held_text, later.held_text);
  EXPECT_EQ(both.held_text, later.held_text);
  EXPECT_FALSE(both.layers.at(2).documents_known);
  EXPECT_TRUE(both.layers.at(3).documents_known);
  EXPECT_THAT(notes_on(alone), ElementsAre(AllOf(HasSubstr("layer 2"), HasSubstr("not known"))));
  EXPECT_THAT(notes_on(later), IsEmpty());
  // To resume the run of layer 2 is to do it again, for its text.
  options_.layers = {2};
  options_.corpus = {test::data_path("world/text.txt")};
  StatisticsRun(model_, options_, notes_).collect_into({folder_ / "stats", true, false}, notes_);
  EXPECT_TRUE(load({2, 3}).layers.at(2).documents_known);
}

TEST_F(StatisticsSteps, CollectionsThatDoNotAddUpAreRefused) {
  collect({2}, false);
  collect({3}, true);
  const fs::path path = folder_ / "stats/held_text.safetensors";
  std::string bytes = test::read_all(path);
  const std::size_t plus = bytes.find('+');
  ASSERT_NE(plus, std::string::npos);
  bytes[plus] = '0';  // one fingerprint, and the sizes of two
  folder_.write("stats/held_text.safetensors", bytes);
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { load({2}); }),
              AllOf(HasSubstr("held_text.safetensors"), HasSubstr("collections")));
}

}  // namespace
}  // namespace emend
