// CrispEdit: the projector in float64, the moment of gradients, and whole edits of the invented world.
#include "editors/crispedit/crispedit.h"

#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>
#include <vector>

#include "analysis/own_text.h"
#include "analysis/prompt_rows.h"
#include "analysis/statistics_factors.h"
#include "analysis/statistics_texts.h"
#include "base/expect_error.h"
#include "base/files.h"
#include "base/temp_folder.h"
#include "editors/crispedit/curvature.h"
#include "editors/crispedit/layer_curvature.h"
#include "emend/editor_cache.h"
#include "emend/locate.h"
#include "linalg/key_factors.h"
#include "support/factor_count.h"
#include "support/keep_notes.h"
#include "support/random_matrices.h"
#include "support/tiny_models.h"
#include "support/world.h"

namespace emend {
namespace {

using editors::LowCurvature;
using test::error_of;
using ::testing::HasSubstr;

// --- the projector

class LowCurvatureOf : public ::testing::TestWithParam<double> {
 protected:
  static constexpr std::int64_t kOut = 5, kIn = 7;
  at::Tensor C_ = test::with_spectrum(test::geometric(kIn, 1e-2, 3), 1);
  at::Tensor G_ = test::with_spectrum(test::geometric(kOut, 1e-3, 2), 2);
  Spectrum of_C_ = spectrum_of(C_, at::kCPU, "C"), of_G_ = spectrum_of(G_, at::kCPU, "G");
  at::Tensor X_ = test::normals(kOut, kIn, 3);
  LowCurvature projector_{of_C_, of_G_, GetParam(), at::TensorOptions().dtype(at::kDouble)};

  // Directions g c^T of W with their curvature (g^T G g)(c^T C c), the largest first.
  std::vector<std::pair<double, at::Tensor>> directions() const {
    std::vector<std::pair<double, at::Tensor>> all;
    for (std::int64_t i = 0; i < kOut; ++i)
      for (std::int64_t j = 0; j < kIn; ++j) {
        const at::Tensor g = of_G_.vectors.select(1, i), c = of_C_.vectors.select(1, j);
        const double curvature = (g.dot(G_.mv(g)) * c.dot(C_.mv(c))).item<double>();
        all.emplace_back(curvature, at::outer(g, c));
      }
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    return all;
  }
};
INSTANTIATE_TEST_SUITE_P(Energy, LowCurvatureOf, ::testing::Values(0.0, 0.5, 0.8, 0.99),
                         [](const auto& energy) { return std::to_string(std::lround(100 * energy.param)); });

// The fewest directions of the largest curvature that hold the share of it are taken out, one by one.
TEST_P(LowCurvatureOf, TakesOutTheDirectionsOfLargestCurvature) {
  double total = 0, taken = 0;
  for (const auto& [curvature, direction] : directions()) total += curvature;
  at::Tensor plain = X_.clone();
  std::int64_t out = 0;
  for (const auto& [curvature, direction] : directions()) {
    if (out > 0 && taken >= GetParam() * total) break;
    plain -= (direction * X_).sum() * direction;
    taken += curvature;
    ++out;
  }
  EXPECT_LT(test::relative(projector_.project(X_), plain), 1e-12);
  EXPECT_EQ(projector_.kept(), kOut * kIn - out);
  EXPECT_LE((total - taken) / total, 1 - GetParam() + 1e-12);
}

TEST_P(LowCurvatureOf, IsAProjectionThatLowersTheCurvature) {
  const at::Tensor once = projector_.project(X_);
  EXPECT_LT(test::relative(projector_.project(once), once), 1e-12);
  const auto curvature = [&](const at::Tensor& X) {  // vec(X)^T (C (x) G) vec(X)
    return (X * G_.mm(X).mm(C_)).sum().item<double>();
  };
  EXPECT_LT(curvature(once), curvature(X_));
  EXPECT_LE(curvature(once), projector_.threshold() * once.square().sum().item<double>() + 1e-12);
}

TEST(LowCurvature, RefusesAnEnergyThatLeavesNothing) {
  const Spectrum one = spectrum_of(at::eye(3, at::kDouble), at::kCPU, "C");
  EXPECT_THAT(error_of(ErrorKind::kConfig,
                       [&] { LowCurvature(one, one, 1, at::TensorOptions().dtype(at::kDouble)); }),
              HasSubstr("energy 1 leaves no direction of 9"));
  // All but rounding is held: below it there are directions, and none that could be trained in.
  const Spectrum of_C = spectrum_of(test::with_spectrum(test::geometric(7, 1e-12, 3), 1), at::kCPU, "C"),
                 of_G = spectrum_of(test::with_spectrum(test::geometric(5, 1e-12, 2), 2), at::kCPU, "G");
  const auto projector = [&](double energy) {
    return LowCurvature(of_C, of_G, energy, at::TensorOptions().dtype(at::kDouble));
  };
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { projector(1); }),
              ::testing::AllOf(HasSubstr("energy 1 leaves no direction of 35"), HasSubstr("smaller energy")));
  EXPECT_GT(projector(0.999999).kept(), 0);
}

// --- the moment of gradients

class GradientMoment : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Family, GradientMoment, ::testing::Values("gpt2", "llama", "gemma2"),
                         [](const auto& family) { return family.param; });

// Against whole passes of one row each, in which a vector of zeros is added to the values.
TEST_P(GradientMoment, IsThatOfPlainPasses) {
  const c10::AutoGradMode grad_mode(true);
  constexpr int kLayer = 1;
  const Model model = test::tiny_model(GetParam());
  const std::int64_t vocab = model.config().vocab, size = model.config().d_model;
  std::vector<TokenIds> rows;
  for (const std::size_t length : {std::size_t{6}, std::size_t{9}, std::size_t{2}, std::size_t{5}})
    rows.push_back(test::some_ids(length, vocab, length));
  at::Tensor sum = at::zeros({size, size}, at::kDouble);
  std::int64_t count = 0;
  for (const TokenIds& row : rows) {
    const auto length = static_cast<std::int64_t>(row.size());
    const at::Tensor zeros = at::zeros({length, size}).set_requires_grad(true);
    PassInput input;
    input.ids = {row};
    for (std::int64_t j = 0; j + 1 < length; ++j) input.logit_tokens.push_back(j);
    input.interventions = {
        {Site::kMlpOutput, kLayer, Intervention::Kind::kAdd, at::arange(length, at::kLong), zeros}};
    const at::Tensor logprobs = at::log_softmax(model.forward(input).logits, 1);
    at::Tensor nll = at::zeros({});
    for (std::int64_t j = 0; j + 1 < length; ++j)
      nll = nll - logprobs[j][row[static_cast<std::size_t>(j) + 1]];
    const at::Tensor g = torch::autograd::grad({nll}, {zeros})[0].to(at::kDouble);
    EXPECT_EQ(g[length - 1].abs().max().item<double>(), 0);
    for (std::int64_t j = 1; j + 1 < length; ++j) {
      sum += at::outer(g[j], g[j]);
      ++count;
    }
  }
  const at::Tensor plain = sum / static_cast<double>(count);
  for (const std::int64_t most_tokens : {1, 12, 4096})
    EXPECT_LT(test::relative(editors::gradient_moment(model, kLayer, rows, most_tokens), plain), 1e-4);
  EXPECT_THAT(error_of(ErrorKind::kConfig,
                       [&] {
                         editors::gradient_moment(model, kLayer, {{3, 4}}, 10);
                       }),
              HasSubstr("no token"));
}

// --- edits

class CrispEditWorld : public ::testing::TestWithParam<std::string> {
 protected:
  CrispEditWorld() : model_(test::load_world(GetParam())), requests_(test::world_edits(5)) {
    context_.layers = {default_layer(model_.config())};
    context_.prefix = model_.tokenizer().automatic_prefix();
    context_.cache = &cache_;
    statistics_ = test::world_statistics(model_, context_.layers[0]);
    context_.statistics = &statistics_;
  }
  static std::unique_ptr<Editor> editor(const std::map<std::string, std::string>& options) {
    std::map<std::string, OptionText> texts;
    for (const auto& [name, value] : options) texts[name] = {value, "test"};
    return make_editor("crispedit", texts);
  }
  Edit edit(const std::map<std::string, std::string>& options = {}) {
    SilentProgress silent;
    return editor(options)->edit(model_, requests_, context_, silent);
  }
  double nll(const EditRequest& request) const {
    const RowForm form{context_.prefix, PromptForm::kRaw};
    return test::plain_nll(model_, prompt_ids(model_.tokenizer(), request.prompt, form),
                           target_ids(model_.tokenizer(), request.target, form));
  }
  // tr(Delta C Delta^T) / ||Delta||^2: how much of it other text sees.
  double seen_by_text(const at::Tensor& change) const {
    const at::Tensor D = change.to(at::kDouble), C = statistics_.layers.at(context_.layers[0]).C;
    return ((D.mm(C) * D).sum() / D.square().sum()).item<double>();
  }

  Model model_;
  std::vector<EditRequest> requests_;
  Statistics statistics_;
  EditorCache cache_;
  EditorContext context_;
};
INSTANTIATE_TEST_SUITE_P(World, CrispEditWorld, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(CrispEditWorld, MakesTargetsLikelyAndIsQuietOnText) {
  SilentProgress silent;
  const std::string before = model_.weights_digest();
  std::vector<double> unedited;
  for (const EditRequest& request : requests_) unedited.push_back(nll(request));
  const Edit made = edit();
  EXPECT_EQ(model_.weights_digest(), before);
  EXPECT_EQ(made.method, "crispedit");
  ASSERT_EQ(made.changes.size(), 1u);
  EXPECT_TRUE(made.changes[0].is_dense());
  EXPECT_EQ(made.solves.at(0).rule, SolveRule::kTrained);
  EXPECT_EQ(made.solves[0].statistics_fingerprint, statistics_.fingerprint(context_.layers));
  {
    const ScopedEdit scope(model_, made.changes);
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      EXPECT_LT(nll(requests_[i]), 0.5 * unedited[i]) << requests_[i].id;
      EXPECT_NEAR(made.facts[i].loss, nll(requests_[i]), 2e-3);
    }
  }
  const Edit free = make_editor("locft", {})->edit(model_, requests_, context_, silent);
  EXPECT_LT(seen_by_text(made.changes[0].D), 0.5 * seen_by_text(free.changes.at(0).D));
}

TEST_P(CrispEditWorld, SaysThatAnEnergyOfNothingProtectsNothing) {
  const auto notes = [&](const char* energy) {
    test::KeepNotes told;
    make_editor("crispedit", {{"energy", {energy, "test"}}, {"epochs", {"1", "test"}}})
        ->edit(model_, requests_, context_, told);
    return told.notes;
  };
  EXPECT_THAT(notes("0"), ::testing::Contains(HasSubstr("no text is protected")));
  EXPECT_THAT(notes("0.9"), ::testing::Not(::testing::Contains(HasSubstr("protected"))));
}

// The change itself lies within the subspace; where gradients are projected, Adam leads out of it.
TEST_P(CrispEditWorld, StaysWithinTheDirectionsOfLowCurvature) {
  const double wide = seen_by_text(edit({{"energy", "0.5"}, {"epochs", "10"}}).changes[0].D);
  const double narrow = seen_by_text(edit({{"energy", "0.95"}, {"epochs", "10"}}).changes[0].D);
  const double by_gradient =
      seen_by_text(edit({{"energy", "0.95"}, {"epochs", "10"}, {"projected", "gradient"}}).changes[0].D);
  EXPECT_LT(narrow, wide);
  EXPECT_LT(narrow, by_gradient);
}

TEST_P(CrispEditWorld, DependsOnTheSeedAndNotOnTheCache) {
  const std::map<std::string, std::string> quick = {{"epochs", "3"}, {"curvature_tokens", "1024"}};
  const at::Tensor one = edit(quick).changes.at(0).D;
  EXPECT_TRUE(at::equal(one, edit(quick).changes.at(0).D));
  context_.cache = nullptr;
  EXPECT_TRUE(at::equal(one, edit(quick).changes.at(0).D));
  SilentProgress silent;
  const std::vector<Edit> each = editor(quick)->edit_each(model_, requests_, context_, silent);
  requests_ = {requests_[2]};
  EXPECT_TRUE(at::equal(each.at(2).changes.at(0).D, edit(quick).changes.at(0).D));
}

TEST_P(CrispEditWorld, RefusesStatisticsThatAreNotThere) {
  LayerStatistics& layer = statistics_.layers.at(context_.layers[0]);
  layer.C = layer.C.diagonal().clone();
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { edit(); }), HasSubstr("only the diagonal is known"));
  statistics_.layers.clear();
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { edit(); }), HasSubstr("are missing"));
}

// --- several layers

class CrispEditLayers : public CrispEditWorld {
 protected:
  CrispEditLayers() {
    for (const int layer : {1, 2})
      statistics_.layers[layer] = test::world_statistics(model_, layer, 8000).layers.at(layer);
    context_.layers = {1, 2};
  }
  // How much of a layer's change its own projector removes.
  double removed(const Edit& made, std::size_t l, const editors::CrispEditOptions& options) const {
    const int layer = context_.layers[l];
    const auto projector =
        editors::low_curvature(model_, editors::own_texts(model_, context_, options.curvature_tokens), layer,
                               *editors::full_spectrum(model_, context_, layer), options);
    const at::Tensor& change = made.changes.at(l).D;
    EXPECT_EQ(made.changes[l].weight.block, layer);
    return test::relative(projector->project(change), change);
  }
  static constexpr const char* kTokens = "256";
  const std::map<std::string, std::string> quick_ = {{"epochs", "40"}, {"curvature_tokens", kTokens}};
};
INSTANTIATE_TEST_SUITE_P(World, CrispEditLayers, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(CrispEditLayers, EachChangeStaysWithinItsOwnSubspace) {
  std::vector<double> unedited;
  for (const EditRequest& request : requests_) unedited.push_back(nll(request));
  const Edit made = edit(quick_);
  ASSERT_EQ(made.changes.size(), 2u);
  ASSERT_EQ(made.solves.size(), 2u);
  editors::CrispEditOptions options;
  options.curvature_tokens = 256;
  for (std::size_t l = 0; l < 2; ++l) {
    EXPECT_LT(removed(made, l, options), 1e-6);
    EXPECT_GT(made.changes[l].D.norm().item<double>(), 0);
    EXPECT_EQ(made.solves[l].statistics_fingerprint, statistics_.fingerprint({context_.layers[l]}));
  }
  // Not within that of the other layer.
  Edit exchanged = made;
  std::swap(exchanged.changes[0].D, exchanged.changes[1].D);
  EXPECT_GT(removed(exchanged, 0, options), 1e-3);
  // Trained together: both changes at once make the losses that are told.
  const ScopedEdit scope(model_, made.changes);
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    ASSERT_EQ(made.facts[i].parts.size(), 2u);
    EXPECT_EQ(made.facts[i].parts[1].weight.block, 2);
    EXPECT_LT(nll(requests_[i]), 0.7 * unedited[i]) << requests_[i].id;
    EXPECT_NEAR(made.facts[i].loss, nll(requests_[i]), 2e-3);
  }
}

// The change is scaled as a whole where the projection leads out of the bound, so that both hold.
TEST_P(CrispEditLayers, KeepsTheBoundWithinTheSubspace) {
  std::map<std::string, std::string> bounded = quick_;
  bounded["bound"] = "0.002";
  editors::CrispEditOptions options;
  options.curvature_tokens = 256;
  const Edit made = edit(bounded);
  for (std::size_t l = 0; l < 2; ++l) {
    EXPECT_LE(made.changes.at(l).D.abs().max().item<float>(), 0.002f);
    EXPECT_GT(made.changes[l].D.abs().max().item<float>(), 0.0015f);
    EXPECT_LT(removed(made, l, options), 1e-6);
  }
}

TEST_P(CrispEditLayers, RefusesLayersOutOfOrderAndWithoutStatistics) {
  context_.layers = {2, 1};
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { edit(quick_); }), HasSubstr("training layers 2, 1"));
  context_.layers = {1, 1};
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { edit(quick_); }), HasSubstr("above the one before"));
  context_.layers = {1, 99};
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { edit(quick_); }), HasSubstr("99"));
  context_.layers = {1, 2};
  statistics_.layers.erase(2);
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { edit(quick_); }),
              HasSubstr("crispedit: the statistics of layer 2 are missing"));
  const auto plan = [&] { editor(quick_)->plan(model_, requests_, context_); };
  EXPECT_THAT(error_of(ErrorKind::kConfig, plan), HasSubstr("the statistics of layer 2 are missing"));
}

// A spectrum that an earlier program left in the statistics folder gives the same bytes without a new one.
TEST_P(CrispEditLayers, TakesAKeptSpectrum) {
  const test::TempFolder folder;
  const auto with_folder = [&](EditorCache& cache) {
    cache.factors().keep_in(std::make_shared<StatisticsFactors>(folder.path(), 8));
    context_.cache = &cache;
    const test::FactorCount count(model_.config().d_ff);
    const Edit made = edit({{"epochs", "2"}, {"curvature_tokens", kTokens}});
    return std::make_pair(made, test::FactorCount::eigen());
  };
  EditorCache first, second;
  const auto [made, computed] = with_folder(first);
  EXPECT_EQ(computed, 2);
  EXPECT_EQ(stored_factors(folder.path()).size(), 2u);
  const auto [again, computed_again] = with_folder(second);
  EXPECT_EQ(computed_again, 0);
  for (std::size_t l = 0; l < 2; ++l) EXPECT_TRUE(at::equal(made.changes.at(l).D, again.changes.at(l).D));
}

// Another type, another number of threads or another program may write another text.
TEST_P(CrispEditLayers, ItsTextIsKeptUnderAllThatItDependsOn) {
  const test::TempFolder folder;
  EditorCache cache(folder.path());
  context_.cache = &cache;
  editors::own_texts(model_, context_, 64);
  const std::string kept = read_text_file(folder.path() / "contexts_crispedit.safetensors");
  const TokenIds opening = opening_of_text(model_, context_.prefix);
  EXPECT_THAT(kept, HasSubstr(text_identity(model_, {opening}, 0)));
}

TEST(CrispEditOptions, ThePaperHasItsConstants) {
  const std::map<std::string, OptionText> paper = {{"preset", {"paper", "test"}}};
  const std::unique_ptr<Editor> published = make_editor("crispedit", paper);
  const auto options = published->options();
  EXPECT_EQ(options.at("projected"), "gradient");
  EXPECT_EQ(options.at("energy"), "0.8");
  EXPECT_EQ(options.at("learning_rate"), "5e-04");
  EXPECT_EQ(options.at("batch"), "32");
  EXPECT_EQ(options.at("epochs"), "25");
  ModelConfig config;
  config.layers = 32;
  EXPECT_THAT(published->layers_around(4, config), ::testing::ElementsAre(19, 20, 21, 22, 23));
  config.layers = 4;
  EXPECT_THAT(published->layers_around(1, config), ::testing::ElementsAre(2, 3));
  config.layers = 32;
  EXPECT_THAT(make_editor("crispedit", {})->layers_around(4, config), ::testing::ElementsAre(4));
  std::map<std::string, OptionText> again;
  for (const auto& [name, value] : options) again[name] = {value, "test"};
  EXPECT_EQ(make_editor("crispedit", again)->options(), options);
}

}  // namespace
}  // namespace emend
