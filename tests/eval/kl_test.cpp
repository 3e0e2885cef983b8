#include "emend/kl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "../base/expect_error.h"
#include "../base/temp_folder.h"
#include "base/files.h"
#include "base/json.h"
#include "support/eval_world.h"
#include "support/world.h"

namespace emend {
namespace {

using test::TempFolder;
using testing::HasSubstr;

std::filesystem::path kl_file(const std::string& name) {
  return test::data_path("kl/" + name);
}

// KL 1, 2, 3, 4 and 10 of five positions; the model's -log p is the base's in all but the last.
std::vector<KlPosition> five_positions() {
  return {{1, 0.5, 0.5, true}, {2, 1, 1, true}, {3, 0.25, 0.25, false}, {4, 2, 2, true}, {10, 3, 1, false}};
}

TEST(KlFigures, AreTheMeansErrorsAndPercentilesOfPositions) {
  const KlFigures f = kl_figures(five_positions(), 1);
  EXPECT_EQ(f.positions, 5);
  EXPECT_DOUBLE_EQ(f.kl.mean, 4);
  EXPECT_NEAR(f.kl.error, std::sqrt((26.0 - 16) / 4), 1e-12);  // squares 1 + 4 + 9 + 16 + 100
  EXPECT_DOUBLE_EQ(f.least, 1);
  EXPECT_DOUBLE_EQ(f.largest, 10);
  EXPECT_DOUBLE_EQ(f.median, 3);
  EXPECT_NEAR(f.p90, 4 + 0.6 * 6, 1e-12);  // place 3.6
  EXPECT_NEAR(f.p10, 1.4, 1e-12);
  EXPECT_NEAR(f.p99, 4 + 0.96 * 6, 1e-12);
  EXPECT_DOUBLE_EQ(f.same_top.mean, 0.6);
  EXPECT_NEAR(f.same_top.error, std::sqrt(0.6 * 0.4 / 4), 1e-12);
  const double dp = std::exp(-3.0) - std::exp(-1.0);
  EXPECT_NEAR(f.dp.mean, dp / 5, 1e-12);
  EXPECT_NEAR(f.dp_rms.mean, std::abs(dp) / std::sqrt(5.0), 1e-12);
  EXPECT_NEAR(f.dp_rms.error,
              0.5 / f.dp_rms.mean * std::sqrt((std::pow(dp, 4) / 5 - std::pow(dp, 4) / 25) / 4), 1e-12);
}

// Differences of -log p are 0, 0, 0, 0, 2: mean 0.4, squares' mean 0.8.
TEST(KlFigures, TellTheRatioOfPerplexitiesWithThatErrorOfDifferences) {
  const KlFigures f = kl_figures(five_positions(), 1);
  EXPECT_NEAR(f.perplexity.mean, std::exp(6.75 / 5), 1e-12);
  EXPECT_NEAR(f.perplexity_base.mean, std::exp(4.75 / 5), 1e-12);
  EXPECT_NEAR(f.perplexity_ratio.mean, std::exp(0.4), 1e-12);
  EXPECT_NEAR(f.perplexity_ratio.error, std::exp(0.4) * std::sqrt((0.8 - 0.16) / 4), 1e-12);
}

TEST(KlFigures, TellTheMeanOfEachChunk) {
  const KlFigures f = kl_figures({{1, 0, 0, true}, {3, 0, 0, true}, {5, 0, 0, true}, {6, 0, 0, true}}, 2);
  EXPECT_THAT(f.chunk_kl, testing::ElementsAre(2, 5.5));
  EXPECT_EQ(kl_figures({}, 0).positions, 0);
}

void expect_figure(const Json& recorded, const std::string& key, const MeanWithError& ours, double scale,
                   double tolerance) {
  EXPECT_NEAR(scale * ours.mean, recorded[key][0].get<double>(), tolerance) << key;
  EXPECT_NEAR(scale * ours.error, recorded[key][1].get<double>(), tolerance) << key;
}

// Against the base file and the printed figures of llama-perplexity itself (tools/fixtures/kl_reference.py).
TEST(Kl, AgreesWithLlamaPerplexity) {
  const Json recorded = read_json_file(kl_file("reference.json"));
  Model model = test::load_world("llama");
  const ScopedEdit scope(
      model, test::formula_change(model, recorded["block"].get<int>(), recorded["record"].get<std::int64_t>(),
                                  recorded["factor"].get<double>()));
  KlOptions how;
  how.text = kl_file("text.txt");
  const KlFigures f = measure_kl(model, kl_file("base.kld"), how);
  EXPECT_EQ(f.positions, 105);
  expect_figure(recorded, "kl", f.kl, 1, 2e-5);
  expect_figure(recorded, "perplexity", f.perplexity, 1, 2e-3);
  expect_figure(recorded, "perplexity_base", f.perplexity_base, 1, 1e-4);
  expect_figure(recorded, "perplexity_ratio", f.perplexity_ratio, 1, 5e-4);
  expect_figure(recorded, "dp_percent", f.dp, 100, 2e-3);
  expect_figure(recorded, "dp_rms_percent", f.dp_rms, 100, 2e-3);
  expect_figure(recorded, "same_top_percent", f.same_top, 100, 1e-3);
  const std::map<std::string, double> percentiles = {
      {"100", f.largest}, {"99.9", f.p99_9}, {"99", f.p99}, {"95", f.p95}, {"90", f.p90},
      {"50", f.median},   {"10", f.p10},     {"5", f.p5},   {"1", f.p1},   {"0", f.least}};
  for (const auto& [name, value] : percentiles)
    EXPECT_NEAR(value, recorded["percentiles"][name].get<double>(), 1e-4) << name;
}

// The same text and sizes as the recorded file: ids are equal, and codes but for rounding.
TEST(Kl, WritesTheFileThatLlamaPerplexityWrites) {
  const Json recorded = read_json_file(kl_file("reference.json"));
  const Model model = test::load_world("llama");
  const TempFolder folder;
  const KlWritten written = write_kl_base(model, folder / "own.kld", {kl_file("text.txt"), 16, 15});
  EXPECT_NEAR(written.perplexity.mean, recorded["perplexity_when_written"][0].get<double>(), 2e-4);
  const std::string own = read_text_file(folder / "own.kld"), theirs = read_text_file(kl_file("base.kld"));
  ASSERT_EQ(own.size(), theirs.size());
  EXPECT_EQ(own.substr(0, 20 + 15 * 16 * 4), theirs.substr(0, 20 + 15 * 16 * 4));
  const KlFigures against_theirs = measure_kl(model, kl_file("base.kld")),
                  against_own = measure_kl(model, folder / "own.kld");
  EXPECT_LT(std::abs(against_theirs.kl.mean), 1e-5);
  EXPECT_LT(std::abs(against_own.kl.mean), 1e-5);
  EXPECT_EQ(against_theirs.same_top.mean, 1);
  EXPECT_NEAR(against_theirs.perplexity_base.mean, against_own.perplexity_base.mean, 1e-3);
}

TEST(Kl, DoesNotDependOnTheTokenBudget) {
  const Model model = test::load_world("llama");
  KlOptions small;
  small.token_budget = 1;
  const KlFigures one = measure_kl(model, kl_file("base.kld"), small),
                  many = measure_kl(model, kl_file("base.kld"));
  EXPECT_NEAR(one.kl.mean, many.kl.mean, 1e-6);
  EXPECT_NEAR(one.perplexity.mean, many.perplexity.mean, 1e-5);
}

std::string kl_refusal(ErrorKind kind, const Model& model, const std::filesystem::path& base,
                       const KlOptions& how = {}) {
  return test::error_of(kind, [&] { measure_kl(model, base, how); });
}

TEST(Kl, RefusesFilesOfAnotherVocabularyTextOrSize) {
  const TempFolder folder;
  const Model model = test::load_world("llama");
  const std::string bytes = read_text_file(kl_file("base.kld"));
  EXPECT_THAT(kl_refusal(ErrorKind::kFormat, model, folder.write("short.kld", bytes.substr(0, 300000))),
              HasSubstr("short.kld: the file is cut short: 300000 of 351260 bytes"));
  const Model other = Model::load(test::data_path("families/llama_rope_a"));
  EXPECT_THAT(kl_refusal(ErrorKind::kModel, other, kl_file("base.kld")),
              HasSubstr("is of another vocabulary: it has 1664 tokens"));
  KlOptions how;
  how.text = folder.write("other.txt", read_text_file(kl_file("text.txt")).insert(100, " Other words. "));
  EXPECT_THAT(kl_refusal(ErrorKind::kConfig, model, kl_file("base.kld"), how),
              HasSubstr("of another text than "));
  how.text = folder.write("begin.txt", read_text_file(kl_file("text.txt")).substr(0, 300));
  EXPECT_THAT(kl_refusal(ErrorKind::kConfig, model, kl_file("base.kld"), how), HasSubstr(" of 240 differs"));
}

TEST(Kl, RefusesTextsAndSizesOfWhichNoFileCanBeWritten) {
  const TempFolder folder;
  const Model model = test::load_world("llama");
  const std::filesystem::path text = folder.write("few.txt", "A few words.");
  const auto refuse = [&](ErrorKind kind, const KlWriteOptions& what) {
    return test::error_of(kind, [&] { write_kl_base(model, folder / "b.kld", what); });
  };
  EXPECT_THAT(refuse(ErrorKind::kConfig, {text, 16, 0}),
              HasSubstr("chunks of 16 need a text of at least 32"));
  EXPECT_THAT(refuse(ErrorKind::kUsage, {text, 3, 0}), HasSubstr("context must be from 4"));
  EXPECT_THAT(refuse(ErrorKind::kModel, {text, 4096, 0}), HasSubstr("longer than the model's 128 positions"));
  EXPECT_FALSE(std::filesystem::exists(folder / "b.kld"));
  EXPECT_THAT(test::error_of(ErrorKind::kIo,
                             [&] {
                               write_kl_base(model, text, {text, 4, 0});
                             }),
              HasSubstr("it belongs to the input"));
  EXPECT_EQ(read_text_file(text), "A few words.");
}

}  // namespace
}  // namespace emend
