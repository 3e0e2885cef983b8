// Topics without a common word: planted ones are found, words at random and shared words alone are not.
#include "memories/topics.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/expect_error.h"
#include "base/random.h"
#include "emend/memory_patterns.h"
#include "memories/scans.h"
#include "support/world.h"

namespace emend {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

constexpr int kWords = 400, kTopics = 20, kWidth = 48;

std::string word(int number) {
  std::string text = "q";
  for (int place = 0; place < 3; ++place, number /= 8) text += static_cast<char>('a' + number % 8);
  return text;
}

// Word i belongs to topic i % kTopics: its vector is the topic's direction and as much noise.
class PlantedTopics : public testing::Test {
 protected:
  PlantedTopics() {
    for (int i = 0; i < kWords; ++i) number_[word(i)] = i;
    for (int i = 0; i < 1500; ++i) background_.push_back(prefix(10, -1));
  }

  at::Tensor vector(const std::string& text) const {
    const auto found = number_.find(text);
    if (found == number_.end()) return {};
    std::vector<float> values;
    const Random noise(3, static_cast<std::uint64_t>(found->second)),
        topic(4, static_cast<std::uint64_t>(found->second % kTopics));
    for (std::uint64_t d = 0; d < kWidth; ++d)
      values.push_back(static_cast<float>(noise.normal(d) + topic.normal(d)));
    const at::Tensor sum = at::tensor(values);
    return sum / sum.norm();
  }

  // `words` words at random, two of them of `topic` where one is given, and a last word.
  PrefixText prefix(int words, int topic) {
    std::string text;
    for (int w = 0; w < words; ++w) {
      auto number = static_cast<int>(random_.below(drawn_++, kWords));
      if (topic >= 0 && w < 2) number = topic + kTopics * static_cast<int>(planted_++ % (kWords / kTopics));
      text += word(number) + " ";
    }
    return {text + "end", " end"};
  }

  TopicSpace space() const {
    return {[this](const std::string& text) { return vector(text); }, background_, 5};
  }

  const Random random_{11, 2};
  std::uint64_t drawn_ = 0, planted_ = 0;
  std::unordered_map<std::string, int> number_;
  std::vector<PrefixText> background_;
};

TEST_F(PlantedTopics, AreFoundThoughNoWordIsShared) {
  const TopicSpace topics = space();
  std::vector<PrefixText> prefixes;
  for (int i = 0; i < 10; ++i) prefixes.push_back(prefix(10, 6));  // 20 words of the topic, each once
  const PatternBackground background(background_);
  EXPECT_TRUE(test_prefixes(prefixes, background).patterns.empty()) << "no word in three of them";
  const auto topic = topics.test(prefixes, 1);
  ASSERT_TRUE(topic.has_value());
  EXPECT_EQ(topic->kind, PatternKind::kSemantic);
  EXPECT_EQ(topic->type, "topic");
  EXPECT_GE(topic->support, 3);
  EXPECT_LE(topic->p_value, 0.01);
  EXPECT_GE(topic->z, 3);
  for (const std::string& named : {topic->text.substr(0, 4)})
    EXPECT_EQ(number_.at(named) % kTopics, 6) << topic->text;
  const TestedPrefixes tested = test_prefixes(prefixes, background, topic);
  ASSERT_THAT(tested.patterns, SizeIs(1));
  EXPECT_EQ(std::count(tested.labels.begin(), tested.labels.end(), PrefixLabel::kSemantic), topic->support);
  const auto again = space().test(prefixes, 1);
  EXPECT_EQ(again->p_value, topic->p_value) << "one seed, one result";
  EXPECT_EQ(again->ranks, topic->ranks);
}

TEST_F(PlantedTopics, HardlyEverStandInRandomPrefixes) {
  const TopicSpace topics = space();
  int alarms = 0;
  for (std::uint64_t set = 0; set < 200; ++set) {
    std::vector<PrefixText> prefixes;
    for (int i = 0; i < 15; ++i) prefixes.push_back(prefix(4 + i % 9, -1));
    alarms += topics.test(prefixes, set).has_value() ? 1 : 0;
  }
  EXPECT_LT(alarms, 10) << "5 % of 200";
}

// One word in all of them is a pattern of its own, and no topic.
TEST_F(PlantedTopics, AreNotMadeByAWordThatAllShare) {
  const TopicSpace topics = space();
  int alarms = 0;
  for (std::uint64_t set = 0; set < 20; ++set) {
    std::vector<PrefixText> prefixes;
    for (int i = 0; i < 12; ++i) {
      PrefixText one = prefix(9, -1);
      prefixes.push_back({word(7) + " " + one.text, one.token});
    }
    alarms += topics.test(prefixes, set).has_value() ? 1 : 0;
  }
  EXPECT_LE(alarms, 2);
}

TEST_F(PlantedTopics, FewOrEmptyPrefixesHaveNone) {
  const TopicSpace topics = space();
  EXPECT_FALSE(topics.test({prefix(5, 1), prefix(5, 1)}, 0).has_value());
  EXPECT_FALSE(topics.test(std::vector<PrefixText>(5, PrefixText{"12 of the", " the"}), 0).has_value());
}

TEST(EmbeddingVectors, AreCentredRowsOfTheModelsTable) {
  const Model model = test::load_world("llama");
  const WordVectors vectors = embedding_vectors(model);
  const at::Tensor table = model.weights().token_embedding.to(at::kFloat);
  const at::Tensor of = vectors("the");
  at::Tensor sum = at::zeros({table.size(1)});
  for (const std::int64_t id : encode_next_words(model.tokenizer(), "the")) {
    const at::Tensor row = table[id] - table.mean(0);
    sum += row / row.norm();
  }
  EXPECT_TRUE(at::allclose(of, sum / sum.norm(), 1e-4, 1e-5));
  EXPECT_NEAR(vectors("guildhall").norm().item<double>(), 1, 1e-5);
}

TEST(TopicsOfAnIndex, StandBesideTheOtherPatterns) {
  const Model model = test::load_world("llama");
  const test::TempFolder folder;
  ScanOptions scan = test::small_scan(model);
  scan.top = 10;
  test::scan_into(model, scan, folder / "index");
  PatternOptions options;
  options.index = folder / "index";
  options.cells = 20;
  options.background = 600;
  const PatternsOutcome without = find_patterns(model, options);
  EXPECT_THAT(test::error_of(ErrorKind::kUsage,
                             [&] {
                               options.topics = true;
                               find_patterns(options);
                             }),
              HasSubstr("topics"));
  const PatternsOutcome with = find_patterns(model, options);
  ASSERT_EQ(with.cells.size(), without.cells.size());
  for (std::size_t l = 0; l < with.layers.size(); ++l) {
    int cells = 0;
    for (std::size_t c = 0; c < with.cells.size(); ++c) {
      if (with.cells[c].cell.layer != with.layers[l].layer) continue;
      int topics = 0;
      for (const CellPattern& pattern : with.cells[c].patterns) topics += pattern.type == "topic" ? 1 : 0;
      EXPECT_EQ(with.cells[c].patterns.size(),
                without.cells[c].patterns.size() + static_cast<std::size_t>(topics));
      cells += topics;
    }
    EXPECT_NEAR(with.layers[l].topics, cells / 20.0, 1e-9);
    EXPECT_EQ(without.layers[l].topics, 0);
    EXPECT_LE(with.layers[l].topic_alarms, 0.15);
  }
}

}  // namespace
}  // namespace emend
