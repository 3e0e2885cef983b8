// C of a layer is factored once an edit, also by the edit that collects it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/expect_error.h"
#include "base/files.h"
#include "cli/scratch_folder.h"
#include "emend/edit_run.h"
#include "emend/patch.h"
#include "emend/statistics_run.h"
#include "support/factor_count.h"
#include "support/world.h"

namespace emend {
namespace {

using test::FactorCount;

class EditFactors : public ::testing::Test {
 protected:
  EditFactors() : model_(test::load_world("llama")), d_ff_(model_.config().d_ff) {
    file_.statistics = folder_ / "stats";
    file_.edits = test::world_edits(2);
  }
  void take(const std::string& method, const std::vector<int>& layers) {
    file_.method = method;
    file_.layer.layers = layers;
  }
  // Factors of the two halves of the text, from which the error of C is estimated.
  int factors_of_halves() const {
    StatisticsOptions options;
    options.layers = file_.layer.layers;
    options.prefix = model_.tokenizer().automatic_prefix();
    options.conditions = false;
    const FactorCount count(d_ff_);
    collect_statistics(model_, options);
    return FactorCount::cholesky();
  }
  Patch edit() {
    EditRunOptions options;
    return run_edit(model_, file_, options).patch;
  }
  std::string saved(const Patch& patch) const {
    save_patch(patch, folder_ / "p");
    return read_text_file(folder_ / "p");
  }
  StatisticsQuality stored_quality(int layer) const {
    return load_statistics(model_, {layer}, model_.tokenizer().automatic_prefix(), file_.statistics)
        .layers.at(layer)
        .quality;
  }

  Model model_;
  const std::int64_t d_ff_;
  const ScratchFolder folder_;
  EditFile file_;
};

TEST_F(EditFactors, OnceWithStatisticsOfItsOwn) {
  take("rome", {3});
  const int halves = factors_of_halves();
  EXPECT_GE(halves, 2);
  const FactorCount count(d_ff_);
  const Patch first = edit();
  EXPECT_EQ(FactorCount::cholesky(), halves + 1);
  EXPECT_EQ(FactorCount::eigen(), 0);
  // The one factor tells the condition, too.
  const std::optional<double> condition = first.edit.solves.at(0).condition_of_moments;
  ASSERT_TRUE(condition.has_value());
  EXPECT_NEAR(stored_quality(3).condition.value() / *condition, 1, 1e-5);
  const Patch second = edit();
  EXPECT_EQ(FactorCount::cholesky(), halves + 2);
  EXPECT_EQ(saved(first), saved(second)) << "it was C as the file holds it";
}

TEST_F(EditFactors, OnceALayer) {
  take("memit", {1, 2, 3});
  const int halves = factors_of_halves();
  const FactorCount count(d_ff_);
  const Patch first = edit();
  EXPECT_EQ(FactorCount::cholesky(), halves + 3);
  EXPECT_EQ(saved(first), saved(edit()));
}

TEST_F(EditFactors, OfTheLayersThatAreMissingAndOfThoseThatAreThere) {
  take("memit", {3});
  const int halves = factors_of_halves();
  take("memit", {2});
  edit();
  take("memit", {2, 3});
  const FactorCount count(d_ff_);
  edit();
  EXPECT_EQ(FactorCount::cholesky(), halves + 2);
}

TEST_F(EditFactors, EigenvectorsOnceALayerInTheirPlace) {
  take("alphaedit", {2, 3});
  const int halves = factors_of_halves();
  const FactorCount count(d_ff_);
  const Patch first = edit();
  EXPECT_EQ(FactorCount::eigen(), 2);
  EXPECT_EQ(FactorCount::cholesky(), halves);
  EXPECT_GT(stored_quality(2).condition.value(), 1);
  EXPECT_EQ(saved(first), saved(edit()));
}

TEST_F(EditFactors, ARefusedEditLeavesNothing) {
  take("rome", {3});
  file_.edits[1] = file_.edits[0];
  file_.edits[1].id = "other";
  file_.edits[1].target = " somewhere else";
  test::error_of(ErrorKind::kConfig, [&] { edit(); });
  EXPECT_FALSE(std::filesystem::exists(file_.statistics));
}

}  // namespace
}  // namespace emend
