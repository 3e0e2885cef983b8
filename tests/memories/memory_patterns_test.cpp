// Patterns of prefixes: features and tests by hand, planted cells, random text, annotation.
#include "emend/memory_patterns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "base/expect_error.h"
#include "base/random.h"
#include "memories/annotation.h"
#include "memories/pattern_shape.h"
#include "memories/pattern_tests.h"
#include "memories/scans.h"

namespace emend {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

TEST(PrefixFeatures, AreWordsAtTheEnd) {
  EXPECT_THAT(words_of("The 3rd man's,\n boat!"), ElementsAre("the", "3rd", "man's", ",", "boat", "!"));
  const auto features = shallow_features("in the Red boats", " boats");
  for (const PrefixFeature& wanted : std::vector<PrefixFeature>{{"last token", " boats"},
                                                                {"last word", "boats"},
                                                                {"last stem", "boat"},
                                                                {"ending", "red boats"},
                                                                {"ending", "in the red boats"},
                                                                {"n-gram", "the red"},
                                                                {"last shape", "boa-"},
                                                                {"last shape", "-ats"}})
    EXPECT_THAT(features, Contains(wanted)) << wanted.type << " " << wanted.text;
  EXPECT_THAT(features, Not(Contains(PrefixFeature{"ending", "boats"})));
  EXPECT_THAT(content_words("The boats of the harbour lie there; boats"), ElementsAre("harbour", "lie"))
      << "without stop words and the last word";
}

TEST(PatternTests, BinomialTailsByHand) {
  EXPECT_NEAR(binomial_tail(3, 0.5, 2), 0.5, 1e-12);
  EXPECT_NEAR(binomial_tail(4, 0.1, 1), 1 - std::pow(0.9, 4), 1e-12);
  EXPECT_EQ(binomial_tail(3, 0.5, 0), 1);
  EXPECT_EQ(binomial_tail(3, 0.5, 4), 0);
  EXPECT_NEAR(normal_quantile_above(0.025), 1.959964, 1e-5);
}

TEST(PatternTests, KappaByHand) {
  // 20 of 25 and 15 of 25 say 1; both say 1 of 13: observed (13 + 3) / 25.
  std::vector<int> a, b;
  const auto add = [&](int count, int x, int y) {
    for (int i = 0; i < count; ++i) {
      a.push_back(x);
      b.push_back(y);
    }
  };
  add(13, 1, 1);
  add(7, 1, 0);
  add(2, 0, 1);
  add(3, 0, 0);
  const double observed = 16.0 / 25, chance = 20.0 / 25 * 15 / 25 + 5.0 / 25 * 10 / 25;
  EXPECT_NEAR(cohens_kappa(a, b), (observed - chance) / (1 - chance), 1e-12);
  EXPECT_NEAR(cohens_kappa({0, 1, 2}, {0, 1, 2}), 1, 1e-12);
  EXPECT_TRUE(std::isnan(cohens_kappa({1, 1}, {1, 1})));
}

TEST(PatternTests, AFitFindsThePlantedTransition) {
  std::vector<double> layers, shares;
  for (int l = 0; l < 16; ++l) {
    layers.push_back(l);
    shares.push_back(0.1 + 0.6 / (1 + std::exp(-(l - 9.0) / 0.8)));
  }
  const auto fit = fit_transition(layers, shares);
  ASSERT_TRUE(fit.has_value());
  EXPECT_NEAR(fit->middle, 9, 0.2);
  EXPECT_NEAR(fit->width, 4.394 * 0.8, 0.4);
  EXPECT_NEAR(fit->low, 0.1, 0.02);
  EXPECT_NEAR(fit->high, 0.7, 0.02);
  EXPECT_FALSE(fit_transition({0, 1, 2}, {0, 0, 1}).has_value());
}

// A plain fit of these would leave [0, 1] at an end.
TEST(PatternTests, AFitStaysBetweenZeroAndOne) {
  const std::vector<double> layers = {0, 1, 2, 3, 4, 5, 6, 7, 8};
  for (const std::vector<double>& shares : std::vector<std::vector<double>>{
           {0.03, 0.04, 0.03, 0.03, 0.03, 0.03, 0.02, 0.01, 0}, {0.2, 0.5, 0.8, 0.9, 1, 1, 1, 1, 1}}) {
    const auto fit = fit_transition(layers, shares);
    ASSERT_TRUE(fit.has_value());
    for (const double end : {fit->low, fit->high}) {
      EXPECT_GE(end, 0);
      EXPECT_LE(end, 1);
    }
  }
}

std::vector<LayerPatterns> layers_with_cells(int count) {
  std::vector<LayerPatterns> layers(static_cast<std::size_t>(count));
  for (int l = 0; l < count; ++l) {
    layers[static_cast<std::size_t>(l)].layer = l;
    layers[static_cast<std::size_t>(l)].cells = 1;
  }
  return layers;
}

// Shares that lie `noise` above and below a curve from 0.1 on, and 200 times as resampled cells would have
// them.
std::optional<PatternTransition> fit_of_curve(double change, double s, double noise) {
  const Random random(11, 1);
  std::uint64_t drawn = 0;
  std::vector<double> layers;
  std::vector<std::vector<double>> series(201);
  for (int l = 0; l < 12; ++l) {
    layers.push_back(l);
    const double measured = 0.1 + change / (1 + std::exp(-(l - 6.0) / s)) + (l % 2 == 0 ? noise : -noise);
    for (std::size_t i = 0; i < series.size(); ++i)
      series[i].push_back(
          measured + (i == 0 ? 0 : noise * (static_cast<double>(random.below(drawn++, 2001)) / 1000 - 1)));
  }
  return fit_transition(layers, series[0], {series.begin() + 1, series.end()});
}

TEST(PatternTests, ATransitionIsAbruptSmoothOrNone) {
  const std::vector<LayerPatterns> layers = layers_with_cells(12);
  const auto smooth = fit_of_curve(0.5, 1, 0.02), abrupt = fit_of_curve(0.5, 0.2, 0.02),
             nothing = fit_of_curve(0, 1, 0.05);
  ASSERT_TRUE(smooth && abrupt && nothing);
  EXPECT_EQ(shape_of(*smooth, layers), TransitionShape::kSmooth);
  EXPECT_EQ(shape_of(*abrupt, layers), TransitionShape::kAbrupt);
  EXPECT_EQ(shape_of(*nothing, layers), TransitionShape::kNone) << "noise is no transition";
  EXPECT_LE(smooth->middle_interval[0], 6.1);
  EXPECT_GE(smooth->middle_interval[1], 5.9);
  EXPECT_LT(smooth->middle_interval[1] - smooth->middle_interval[0], 1);
  for (const auto& interval : {smooth->change_interval, smooth->width_interval}) {
    EXPECT_GT(interval[0], 0);
    EXPECT_LT(interval[0], interval[1]);
  }
}

// The percentiles are numbers 5 and 194 of 200 in order.
TEST(PatternTests, IntervalsAreOfTheSortedFits) {
  const std::vector<double> layers = {0, 1, 2, 3, 4, 5};
  std::vector<std::vector<double>> resampled;
  for (int i = 199; i >= 0; --i) resampled.push_back({0, 0, 0, 0.001 * i, 0.001 * i, 0.001 * i});
  const auto fit = fit_transition(layers, {0, 0, 0, 0.1, 0.1, 0.1}, resampled);
  ASSERT_TRUE(fit.has_value());
  EXPECT_NEAR(fit->change_interval[0], 0.005, 1e-4);
  EXPECT_NEAR(fit->change_interval[1], 0.194, 6e-4);
  EXPECT_TRUE(std::isnan(fit_transition(layers, {0, 0, 0, 1, 1, 1})->change_interval[0]))
      << "without resamples no intervals";
}

// Sentences over a few hundred invented words.
std::string random_sentence(const Random& random, std::uint64_t& drawn, int words) {
  std::string text;
  for (int w = 0; w < words; ++w) {
    const char first = static_cast<char>('a' + random.below(drawn++, 26)),
               second = static_cast<char>('a' + random.below(drawn++, 20));
    text += std::string(w == 0 ? "" : " ") + "w" + first + second;
  }
  return text;
}
PrefixText prefix_of(const std::string& text) {
  return {text, text.substr(text.find_last_of(' '))};
}

class PlantedPatterns : public testing::Test {
 protected:
  PlantedPatterns() {
    for (int i = 0; i < 2000; ++i) background_.push_back(prefix_of(random_sentence(random_, drawn_, 12)));
  }
  const Random random_{7, 1};
  std::uint64_t drawn_ = 0;
  std::vector<PrefixText> background_;
};

// F2: all triggers end with one token; all triggers are about one thing and end otherwise.
TEST_F(PlantedPatterns, F2ShallowAndSemanticKeysAreToldApart) {
  const PatternBackground background(background_);
  std::vector<PrefixText> shallow, semantic, mixed;
  for (int i = 0; i < 10; ++i) {
    shallow.push_back(prefix_of(random_sentence(random_, drawn_, 11) + " press"));
    semantic.push_back(prefix_of("the harbour " + random_sentence(random_, drawn_, 10)));
    mixed.push_back(prefix_of(random_sentence(random_, drawn_, 11) + (i < 5 ? " press" : "")));
  }
  const TestedPrefixes one = test_prefixes(shallow, background);
  ASSERT_FALSE(one.patterns.empty());
  EXPECT_EQ(one.patterns[0].kind, PatternKind::kShallow);
  EXPECT_EQ(one.patterns[0].support, 10);
  EXPECT_THAT(one.labels, testing::Each(PrefixLabel::kShallow));
  const TestedPrefixes two = test_prefixes(semantic, background);
  ASSERT_THAT(two.patterns, SizeIs(1));
  EXPECT_EQ(two.patterns[0].kind, PatternKind::kSemantic);
  EXPECT_EQ(two.patterns[0].text, "harbour");
  EXPECT_THAT(two.labels, testing::Each(PrefixLabel::kSemantic));
  const TestedPrefixes three = test_prefixes(mixed, background);
  EXPECT_EQ(std::count(three.labels.begin(), three.labels.end(), PrefixLabel::kShallow), 5);
  EXPECT_EQ(std::count(three.labels.begin(), three.labels.end(), PrefixLabel::kNotCovered), 5);
}

TEST_F(PlantedPatterns, RandomPrefixesHardlyEverHaveOne) {
  const PatternBackground background(background_);
  int alarms = 0;
  for (int set = 0; set < 100; ++set) {
    std::vector<PrefixText> prefixes;
    for (int i = 0; i < 25; ++i) prefixes.push_back(prefix_of(random_sentence(random_, drawn_, 12)));
    alarms += test_prefixes(prefixes, background).patterns.empty() ? 0 : 1;
  }
  EXPECT_LT(alarms, 5);
}

TEST(PatternsOfAnIndex, SharesAddUpAndAnnotationReturns) {
  const Model model = test::load_world("llama");
  const test::TempFolder folder;
  ScanOptions scan = test::small_scan(model);
  scan.top = 8;
  test::scan_into(model, scan, folder / "index");
  PatternOptions options;
  options.index = folder / "index";
  options.cells = 12;
  options.background = 500;
  const PatternsOutcome outcome = find_patterns(options);
  ASSERT_THAT(outcome.layers, SizeIs(2));
  EXPECT_EQ(outcome.background, 500);
  for (const LayerPatterns& layer : outcome.layers) {
    EXPECT_EQ(layer.cells, 12);
    double sum = 0;
    for (const PatternShare& share : layer.shares) {
      sum += share.share;
      EXPECT_LE(share.low, share.share + 1e-12);
      EXPECT_GE(share.high, share.share - 1e-12);
    }
    EXPECT_NEAR(sum, 1, 1e-9);
  }
  EXPECT_EQ(find_patterns(options).cells[3].patterns.size(), outcome.cells[3].patterns.size())
      << "one seed, one result";

  const auto files = export_annotation(options, outcome, folder / "sheet.csv");
  ASSERT_THAT(files, SizeIs(2));
  EXPECT_EQ(files[1].filename(), "sheet_prefixes.csv");
  // Someone who says what was found, and someone who finds nothing.
  std::string own = test::read_all(folder / "sheet.csv");
  for (std::size_t at = own.find(",emend,"); at != std::string::npos; at = own.find(",emend,", at))
    own.replace(at, 7, ",ada,");
  std::ofstream(folder / "ada.csv") << own;
  std::ofstream(folder / "bob.csv") << "layer0,memory,annotator,pattern_id,kind,description,prefix_ranks\n"
                                    << outcome.cells[0].cell.layer << ',' << outcome.cells[0].cell.index
                                    << ",bob,,,,\n";
  options.annotations = {folder / "ada.csv", folder / "bob.csv"};
  const PatternsOutcome compared = find_patterns(options);
  ASSERT_THAT(compared.annotators, SizeIs(3));
  EXPECT_EQ(compared.annotators[0].a, "emend");
  EXPECT_EQ(compared.annotators[0].b, "ada");
  EXPECT_EQ(compared.annotators[0].cells, 24);
  EXPECT_NEAR(compared.annotators[0].agreement, 1, 1e-9);
  EXPECT_EQ(compared.annotators[1].cells, 1) << "bob looked at one cell";
  EXPECT_EQ(compared.annotations_elsewhere, 0);

  const auto annotate = [&](const std::string& row) {
    std::ofstream(folder / "eve.csv") << "layer0,memory,annotator,pattern_id,kind,description,prefix_ranks\n"
                                      << row << "\n";
    options.annotations = {folder / "eve.csv"};
  };
  const auto refused = [&](const std::string& row, const char* what) {
    annotate(row);
    EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { find_patterns(options); }),
                testing::AllOf(HasSubstr("eve.csv:2"), HasSubstr(what)))
        << row;
  };
  refused("99,0,eve,,,,", "the index (0, 2), found 99");
  refused("0,99999,eve,,,,", "found 99999");
  refused("0,0,eve,0,shallow,d,0 999", "prefix_ranks");
  int other = 0;
  while (std::any_of(outcome.cells.begin(), outcome.cells.end(), [&](const CellPatterns& cell) {
    return cell.cell == MemoryId{0, other};
  }))
    ++other;
  annotate("0," + std::to_string(other) + ",eve,,,,");
  EXPECT_EQ(find_patterns(options).annotations_elsewhere, 1);
}

// The prefixes of three cells dealt out among them again are mostly of one pattern each.
TEST(PatternsOfAnIndex, FewCellsAreComparedWithPrefixesOfMany) {
  const Model model = test::load_world("llama");
  const test::TempFolder folder;
  ScanOptions scan = test::small_scan(model);
  scan.top = 10;
  test::scan_into(model, scan, folder / "index");
  PatternOptions options;
  options.index = folder / "index";
  options.background = 500;
  options.layers = {0};
  options.cells = 3;
  const LayerPatterns few = find_patterns(options).layers.at(0);
  EXPECT_EQ(few.cells, 3);
  EXPECT_EQ(few.with_pattern, 1);
  EXPECT_LT(few.shuffled, 0.5);
}

TEST(Annotation, WrongFilesAreNamedByLine) {
  const test::TempFolder folder;
  const std::string head = "layer0,memory,annotator,pattern_id,kind,description,prefix_ranks\n";
  const auto refused = [&](const std::string& text, const char* what) {
    std::ofstream(folder / "a.csv") << text;
    Annotation annotation;
    EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { read_annotation(folder / "a.csv", annotation); }),
                testing::AllOf(HasSubstr("a.csv:"), HasSubstr(what)))
        << text;
  };
  refused("layer,memory\n", "columns");
  refused(head + "1,2,ada\n", "7 columns");
  refused(head + "x,2,ada,0,shallow,d,0\n", "layer0");
  refused(head + "1,2,,0,shallow,d,0\n", "annotator");
  refused(head + "1,2,ada,0,deep,d,0\n", "kind");
  refused(head + "1,2,ada,0,shallow,d,0 x\n", "prefix_ranks");
  refused(head + "1,2,ada,0,shallow,\"d,0\n", "quote");
  EXPECT_THAT(csv_fields("a,\"b, \"\"c\"\"\",", "x"), ElementsAre("a", "b, \"c\"", ""));
  EXPECT_EQ(csv_line({"a", "b, \"c\"", ""}), "a,\"b, \"\"c\"\"\",\n");
}

}  // namespace
}  // namespace emend
