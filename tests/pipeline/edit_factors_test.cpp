// C of a layer is factored once an edit, also by the edit that collects it.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "analysis/statistics_factors.h"
#include "analysis/statistics_texts.h"
#include "base/expect_error.h"
#include "base/files.h"
#include "bench/real_shapes.h"
#include "cli/scratch_folder.h"
#include "emend/edit_run.h"
#include "emend/eval_run.h"
#include "emend/generate.h"
#include "emend/patch.h"
#include "emend/statistics_run.h"
#include "model/text_nll.h"
#include "pipeline/patch_checks.h"
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
  Patch edit(const EditRunOptions& options = {}) { return run_edit(model_, file_, options).patch; }
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

std::optional<double> drift_of(const Patch& patch) {
  for (const CheckResult& check : patch.checks)
    if (check.name == "drift") return check.value;
  return std::nullopt;
}

// What the unedited model makes of the texts that every edit runs is kept beside C: contexts, held text.
TEST_F(EditFactors, TextsOfTheUneditedModelAreKept) {
  take("rome", {3});
  const Patch first = edit();
  const std::filesystem::path base = file_.statistics / "base_3.safetensors",
                              contexts = file_.statistics / "contexts_10.safetensors";
  ASSERT_TRUE(std::filesystem::exists(base));
  ASSERT_TRUE(std::filesystem::exists(contexts));
  const std::string bytes = read_text_file(base);
  EXPECT_EQ(saved(first), saved(edit())) << "with both taken from the folder";
  EXPECT_EQ(read_text_file(base), bytes);

  // They are indeed taken: a likelihood that is changed in the file changes the drift, and no more.
  const StatisticsTexts kept(file_.statistics);
  const std::string identity = text_identity(model_, first.held_text, EditRunOptions().token_budget);
  auto told = kept.load_base(3, identity, TextNll::tokens_of(first.held_text, EditRunOptions().token_budget),
                             model_.config().d_model);
  ASSERT_TRUE(told.has_value());
  EXPECT_NEAR(told->nll, mean_nll(model_, first.held_text), 1e-6);
  told->nll -= 0.125;
  kept.save_base(3, identity, *told);
  EXPECT_NEAR(drift_of(edit()).value() / drift_of(first).value(), std::exp(0.125), 1e-9);

  // What is broken is made again.
  for (const auto& file : {base, contexts}) std::ofstream(file) << "no tensors";
  EXPECT_EQ(saved(first), saved(edit()));
  EXPECT_EQ(read_text_file(base), bytes);
}

TEST_F(EditFactors, OtherTextsAreNotTakenFromTheFolder) {
  take("rome", {3});
  file_.edits.resize(1);
  const Patch first = edit();
  file_.drift_text = {"The harbour was full of ships, and the market opened at dawn."};
  const Patch other = edit();
  const double before = mean_nll(model_, other.held_text);
  const ScopedEdit scope(model_, other.edit.changes);
  EXPECT_NEAR(std::log(drift_of(other).value()), mean_nll(model_, other.held_text) - before, 1e-6);
  EXPECT_NE(drift_of(first), drift_of(other));
}

TEST_F(EditFactors, ContextsOfAnotherSeedAreNotTakenFromTheFolder) {
  take("rome", {3});
  file_.edits.resize(1);
  edit();
  const std::filesystem::path contexts = file_.statistics / "contexts_10.safetensors";
  const std::string of_first_seed = read_text_file(contexts);
  EditRunOptions other_seed;
  other_seed.seed = 1;
  other_seed.keep_going = true;
  const Patch other = edit(other_seed);
  EXPECT_NE(read_text_file(contexts), of_first_seed);
  std::filesystem::remove(contexts);
  EXPECT_EQ(saved(other), saved(edit(other_seed)));
}

// Methods that draw different numbers of them share the folder.
TEST_F(EditFactors, ContextsOfAnotherNumberStay) {
  take("rome", {3});
  file_.edits.resize(1);
  edit();
  const std::filesystem::path of_rome = file_.statistics / "contexts_10.safetensors";
  const std::string bytes = read_text_file(of_rome);
  take("memit", {2, 3});
  edit();
  EXPECT_TRUE(std::filesystem::exists(file_.statistics / "contexts_5.safetensors"));
  EXPECT_EQ(read_text_file(of_rome), bytes);
  EXPECT_FALSE(std::filesystem::exists(file_.statistics / "contexts.safetensors"));
}

// Its contexts are those of a model that has other weights.
TEST_F(EditFactors, AnEditOnAPatchLeavesTheContextsOfTheFolder) {
  take("memit", {1, 2});
  const std::vector<EditRequest> both = file_.edits;
  file_.edits = {both[0]};
  save_patch(edit(), folder_ / "below.safetensors");
  const std::filesystem::path contexts = file_.statistics / "contexts_5.safetensors";
  ASSERT_TRUE(std::filesystem::exists(contexts));
  std::ofstream(contexts) << "as it was";
  file_.edits = {both[1]};
  EditRunOptions on;
  on.on = folder_ / "below.safetensors";
  on.keep_going = true;
  edit(on);
  EXPECT_EQ(read_text_file(contexts), "as it was");
}

// Such as the head: held text runs through all blocks before the edit and after it.
TEST_F(EditFactors, AChangeOutsideOfTheBlocksIsMeasuredFromTheFirstOneOn) {
  std::filesystem::create_directories(file_.statistics);
  Patch patch;
  patch.held_text = {{1, 2, 3, 4, 5}, {6, 7, 8}};
  patch.edit.changes = {WeightChange::dense({-1, Role::kHead, -1}, at::zeros({1, 1}))};
  const HeldText held(model_, patch, 64, file_.statistics);
  ASSERT_TRUE(held.nll_before().has_value());
  EXPECT_NEAR(*held.nll_before(), mean_nll(model_, patch.held_text, 64), 1e-9);
  EXPECT_TRUE(std::filesystem::exists(file_.statistics / "base_0.safetensors"));
  EXPECT_FALSE(std::filesystem::exists(file_.statistics / "base_-1.safetensors"));
}

// A benchmark factors C as an edit does: once where it collects it, and not again where a factor is kept.
class EvalFactors : public ::testing::Test {
 protected:
  EvalFactors() : model_(random_model()) {
    options_.dataset = "emend";
    options_.data = test::data_path("world/edits.jsonl");
    options_.end_record = 2;
    options_.layer.layers = {2};
    options_.generations = options_.drift_tokens = 0;
    options_.statistics = folder_ / "stats";
  }
  int cholesky(const std::string& mode, const std::vector<std::string>& methods, const std::string& out) {
    options_.mode = parse_eval_mode(mode);
    options_.methods = benchmark_methods(methods, {});
    for (MethodFile& method : options_.methods) method.options = kQuick;
    options_.out = folder_ / out;
    SilentProgress silent;
    const FactorCount count(model_.config().d_ff);
    run_benchmark(model_, options_, silent);
    return FactorCount::cholesky();
  }

  // Of the world's shape, but with keys so large that their factors are kept.
  static Model random_model() {
    const Model world = test::load_world("gpt2");
    ModelConfig config = world.config();
    config.d_ff = StatisticsFactors::kLeastSize;
    return Model::make_random(config, 1, {}, bench::world_tokenizer());
  }

  const std::map<std::string, OptionText> kQuick = {{"steps", {"1", ""}}, {"contexts", {"2", ""}}};
  Model model_;
  const ScratchFolder folder_;
  BenchmarkOptions options_;
};

TEST_F(EvalFactors, OnceWhereItCollectsAndNotAgain) {
  StatisticsOptions halves;
  halves.layers = {2};
  halves.prefix = model_.tokenizer().automatic_prefix();
  halves.conditions = false;
  int of_halves = 0;
  {
    const FactorCount count(model_.config().d_ff);
    collect_statistics(model_, halves);
    of_halves = FactorCount::cholesky();
  }
  EXPECT_EQ(cholesky("single", {"rome", "memit"}, "first"), of_halves + 1) << "both have the same ridge";
  EXPECT_EQ(cholesky("single", {"rome"}, "again"), 0);
  EXPECT_EQ(cholesky("batch:2", {"memit"}, "batch"), 0);
  EXPECT_EQ(cholesky("sequential:1", {"rome", "memit"}, "sequence"), 0);
  const auto layers = load_statistics(model_, {2}, halves.prefix, options_.statistics).layers;
  EXPECT_GT(layers.at(2).quality.condition.value(), 1) << "what the factor tells";

  // The same folder serves an edit.
  EditFile file;
  file.method = "rome";
  file.layer.layers = {2};
  file.statistics = options_.statistics;
  file.edits = test::world_edits(1);
  file.options = kQuick;
  EditRunOptions quietly;
  quietly.keep_going = true;  // a model of random weights learns nothing in one step
  const FactorCount count(model_.config().d_ff);
  run_edit(model_, file, quietly);
  EXPECT_EQ(FactorCount::cholesky(), 0);
}

TEST_F(EvalFactors, OnceInASequenceWhoseFactorsAreNotKept) {
  cholesky("single", {"rome"}, "first");
  std::filesystem::remove(options_.statistics / "factor_2.safetensors");
  EXPECT_EQ(cholesky("sequential:1", {"rome"}, "sequence"), 1);
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
