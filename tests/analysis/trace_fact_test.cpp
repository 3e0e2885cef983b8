// Tracing facts of the invented world: against a plain program, and by what must hold.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "analysis/causal_trace/attribution.h"
#include "analysis/causal_trace/noise.h"
#include "analysis/causal_trace/restored_runs.h"
#include "analysis/causal_trace/traced_prompt.h"
#include "base/json.h"
#include "emend/error.h"
#include "emend/locate.h"
#include "support/world.h"

namespace emend::trace {
namespace {

using testing::HasSubstr;

constexpr double kSame = 2e-6;  // one sum in another order

TraceOptions small_options(const Model& model) {
  TraceOptions options;
  options.prefix = model.tokenizer().automatic_prefix();
  options.samples = 3;
  return options;
}

FactTrace traced(const Model& model, const TraceFact& fact, const TraceOptions& options,
                 std::uint64_t number = 0) {
  return trace_fact(model, fact, options, noise_sigma(model, test::world_facts(20)),
                    subject_token_pool(model, test::world_facts(20)), number);
}

std::string refusal(const std::function<void()>& work, ErrorKind kind) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

void expect_grid(const Grid& found, const Json& wanted, double within, const std::string& what) {
  ASSERT_EQ(found.size(), wanted.size()) << what;
  for (std::size_t t = 0; t < found.size(); ++t) {
    ASSERT_EQ(found[t].size(), wanted[t].size()) << what;
    for (std::size_t l = 0; l < found[t].size(); ++l)
      EXPECT_NEAR(found[t][l], wanted[t][l].get<double>(), within)
          << what << " token " << t << " layer " << l;
  }
}

TEST(NumpyRandom, DrawsTheRecordedNumbers) {
  NumpyRandom normal(1);
  for (const double wanted : {1.6243453636632417, -0.6117564136500754, -0.5281717522634557,
                              -1.0729686221561705, 0.8654076293246785, -2.3015386968802827})
    EXPECT_EQ(normal.normal(), wanted);
  NumpyRandom uniform(1);
  for (const double wanted :
       {-0.165955990594852, 0.4406489868843162, -0.9997712503653102, -0.39533485473632046})
    EXPECT_NEAR(2 * uniform.uniform() - 1, wanted, 1e-15);
}

TEST(TraceFact, EqualsAPlainProgramThatPatchesModules) {
  const Model model = test::load_world("gpt2");
  const Json reference = read_json_file(test::data_path("world/trace_reference.json"));
  std::vector<TraceFact> facts;
  for (const Json& fact : reference.at("facts")) {
    const std::string prompt = fact.at("prompt"), subject = fact.at("subject");
    facts.push_back({fact.at("id"), prompt, subject, prompt.find(subject), ""});
  }
  TraceOptions options = small_options(model);
  options.samples = reference.at("samples");
  options.window = reference.at("window");
  options.noise.numpy = true;
  const double sigma = noise_sigma(model, facts);
  EXPECT_NEAR(sigma, reference.at("sigma").get<double>(), 1e-8);
  for (std::size_t i = 0; i < facts.size(); ++i) {
    const Json& wanted = reference.at("facts")[i];
    const FactTrace found = trace_fact(model, facts[i], options, sigma, {}, i);
    EXPECT_EQ(found.ids, wanted.at("ids").get<std::vector<std::int64_t>>());
    EXPECT_EQ(found.subject_begin, wanted.at("subject_begin").get<std::int64_t>());
    EXPECT_EQ(found.subject_end, wanted.at("subject_end").get<std::int64_t>());
    EXPECT_NEAR(found.high, wanted.at("high").get<double>(), 1e-5);
    EXPECT_NEAR(found.low, wanted.at("low").get<double>(), 1e-5);
    expect_grid(found.block, wanted.at("block"), 1e-5, "block");
    expect_grid(found.mlp, wanted.at("mlp"), 1e-5, "mlp");
    expect_grid(found.attention, wanted.at("attn"), 1e-5, "attention");
    expect_grid({found.severed_mlp}, Json::array({wanted.at("severed_mlp")}), 1e-5, "severed mlp");
    expect_grid({found.severed_attention}, Json::array({wanted.at("severed_attn")}), 1e-5,
                "severed attention");
  }
}

class TraceIdentities : public testing::TestWithParam<std::string> {
 protected:
  // The runs behind `traced`.
  TraceRuns runs_of(const TraceFact& fact, const TraceOptions& options) const {
    const c10::NoGradGuard no_grad;
    TracedPrompt row = prompt_row(model, fact, options);
    row = with_answer(row, answer_ids(model, fact, options, row));
    return run_clean_and_corrupted(
        model, row,
        corrupted_embeddings(model, row.subject(), options.noise, options.samples,
                             noise_sigma(model, test::world_facts(20)),
                             subject_token_pool(model, test::world_facts(20)), {options.seed, 0}));
  }

  // Every cell of a grid, run: also those whose value a trace knows without.
  Grid run_all(const TraceRuns& runs, Site site) const {
    const int layers = model.config().layers;
    std::vector<Cell> cells;
    for (int l = 0; l < layers; ++l) {
      const LayerRange window = window_around(l, default_window(layers), layers);
      cells.push_back(site == Site::kBlockOutput ? Cell{l + 1, true, 0}
                                                 : Cell{window.begin, false, window.end});
    }
    Grid grid;
    for (std::int64_t t = 0; t < runs.row.prompt; ++t)
      grid.push_back(run_cells(model, runs, cells, {t, site, std::nullopt, 4096}));
    return grid;
  }

  Model model = test::load_world(GetParam());
};

TEST_P(TraceIdentities, HoldWhereverTheSubjectStands) {
  TraceFact first = test::world_facts(1)[0];
  first.answer.clear();  // one token: with more, the places behind the prompt's last token stay corrupted
  const std::vector<TraceFact> facts = {
      first,
      {"inside", "The guild lists Workis Tellond as a", "Workis Tellond", 16, ""},
      {"end", "A friend of the tailor is Workis Tellond", "Workis Tellond", 26, ""},
      {"chinese", "The colour of 斑马 is", "斑马", 14, ""}};
  for (const TraceFact& fact : facts) {
    const FactTrace trace = traced(model, fact, small_options(model));
    const std::size_t tokens = trace.tokens.size(), layers = trace.block[0].size();
    ASSERT_EQ(layers, 9u);
    EXPECT_GT(trace.high, 0);
    const TraceRuns runs = runs_of(fact, small_options(model));
    const Grid block = run_all(runs, Site::kBlockOutput), mlp = run_all(runs, Site::kMlpOutput),
               attention = run_all(runs, Site::kAttentionOutput);
    for (std::size_t t = 0; t + 1 < tokens; ++t)
      EXPECT_NEAR(block[t][layers - 1], trace.low, kSame) << fact.id;
    EXPECT_NEAR(block[tokens - 1][layers - 1], trace.high, kSame) << fact.id;
    for (std::int64_t t = 0; t < trace.subject_begin; ++t)
      for (std::size_t l = 0; l < layers; ++l)
        for (const Grid* grid : {&block, &mlp, &attention})
          EXPECT_NEAR((*grid)[t][l], trace.low, kSame) << fact.id;
    // What the trace fills in is what a run gives.
    for (const auto& [found, wanted] :
         {std::pair(&trace.block, &block), {&trace.mlp, &mlp}, {&trace.attention, &attention}}) {
      ASSERT_EQ(found->size(), tokens);
      for (std::size_t t = 0; t < tokens; ++t)
        for (std::size_t l = 0; l < layers; ++l)
          EXPECT_NEAR((*found)[t][l], (*wanted)[t][l], kSame) << fact.id << " token " << t << " layer " << l;
    }
    if (trace.lookup() + 1 < static_cast<std::int64_t>(tokens)) {
      EXPECT_NEAR(trace.severed_mlp[layers - 1], trace.low, kSame) << fact.id;
      EXPECT_NEAR(trace.severed_attention[layers - 1], trace.low, kSame) << fact.id;
    }
    std::string text;
    for (std::int64_t t = trace.subject_begin; t < trace.subject_end; ++t)
      text += model.tokenizer().token_bytes(trace.ids[t]);
    EXPECT_THAT(text, HasSubstr(fact.subject));
  }
}

INSTANTIATE_TEST_SUITE_P(World, TraceIdentities, testing::Values("gpt2", "llama"));

class TraceFactWorld : public testing::Test {
 protected:
  Model model = test::load_world("gpt2");
  TraceFact fact = test::world_facts(1)[0];
};

TEST_F(TraceFactWorld, DependsOnSeedAndNumberAndNotOnTheBatch) {
  TraceOptions options = small_options(model);
  const FactTrace first = traced(model, fact, options);
  options.token_budget = 37;
  const FactTrace small = traced(model, fact, options);
  for (std::size_t t = 0; t < first.mlp.size(); ++t)
    for (std::size_t l = 0; l < 9; ++l) {
      EXPECT_NEAR(first.block[t][l], small.block[t][l], kSame);
      EXPECT_NEAR(first.mlp[t][l], small.mlp[t][l], kSame);
    }
  EXPECT_NE(traced(model, fact, options, 1).low, small.low);
  options.seed = 5;
  EXPECT_NE(traced(model, fact, options).low, small.low);
}

TEST_F(TraceFactWorld, AnswersOfSeveralTokensAreMeanLogProbabilities) {
  const FactTrace trace = traced(model, fact, small_options(model));  // "stone cutter"
  EXPECT_TRUE(trace.correct);
  EXPECT_EQ(trace.said, fact.answer);
  EXPECT_GT(trace.high, 0.5);
  EXPECT_LT(trace.low, trace.high);
}

TEST_F(TraceFactWorld, OnlyTheLastSubjectTokenWhenThatIsAsked) {
  TraceOptions options = small_options(model);
  const FactTrace whole = traced(model, fact, options);
  options.subject_last_only = true;
  options.block_grid = options.severed = options.knockout = false;
  const FactTrace one = traced(model, fact, options);
  EXPECT_TRUE(one.block.empty());
  for (std::size_t t = 0; t < one.mlp.size(); ++t)
    EXPECT_EQ(one.mlp[t].empty(), static_cast<std::int64_t>(t) != one.lookup());
  for (std::size_t l = 0; l < 9; ++l)
    EXPECT_NEAR(one.mlp[one.lookup()][l], whole.mlp[one.lookup()][l], kSame);
}

TEST_F(TraceFactWorld, FastRunsTheChosenCellsExactlyAndEstimatesTheRest) {
  TraceOptions options = small_options(model);
  options.estimates = true;
  const FactTrace whole = traced(model, fact, options);
  ASSERT_TRUE(whole.block_estimate && whole.mlp_estimate && whole.attention_estimate);
  EXPECT_EQ(whole.block_estimate->exact_cells, whole.block_estimate->cells);
  EXPECT_GT(whole.block_estimate->rank_agreement, 0.2);
  options.exact_share = 0.25;
  const FactTrace fast = traced(model, fact, options);
  EXPECT_LT(fast.mlp_estimate->exact_cells, fast.mlp_estimate->cells);
  for (std::size_t t = 0; t < fast.mlp.size(); ++t)
    for (std::size_t l = 0; l < 9; ++l)
      EXPECT_NEAR(
          fast.mlp[t][l],
          fast.mlp_exact[t][l] ? whole.mlp[t][l] : std::clamp(fast.mlp_estimate->values[t][l], 0.0, 1.0),
          kSame);
  for (std::size_t l = 0; l < 9; ++l) EXPECT_TRUE(fast.mlp_exact[fast.lookup()][l]);
}

TEST_F(TraceFactWorld, NoiseIsOfTheKindAndLevelThatWasAsked) {
  const TokenIds subject = model.tokenizer().encode("Workis Tellond", SpecialTokens::kNone).ids;
  const at::Tensor table = model.weights().token_embedding.index_select(0, at::tensor(subject, at::kLong));
  const auto spread = [&](const std::string& code) {
    const at::Tensor noisy = corrupted_embeddings(model, subject, parse_noise(code), 40, 0.5, {}, {});
    return (noisy - table.unsqueeze(0)).std().item<double>();
  };
  EXPECT_NEAR(spread("s3"), 1.5, 0.03);
  EXPECT_NEAR(spread("0.2"), 0.2, 0.004);
  EXPECT_NEAR(spread("u0.2"), 0.2 / std::sqrt(3.0), 0.004);
  EXPECT_NEAR(spread("us2"), 1 / std::sqrt(3.0), 0.02);
  EXPECT_NEAR(spread("t8"), 0.5, 0.05);
  const at::Tensor others = corrupted_embeddings(model, subject, parse_noise("tokens"), 5, 0.5, {}, {});
  for (int s = 0; s < 5; ++s)
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(subject.size()); ++i) {
      const at::Tensor distance = (model.weights().token_embedding - others[s][i]).abs().sum(1);
      EXPECT_EQ(distance.min().item<float>(), 0);
      EXPECT_GT(distance[subject[static_cast<std::size_t>(i)]].item<float>(), 0);
    }
}

TEST_F(TraceFactWorld, SigmaIsThatOfAllSubjectsOrOfTheTable) {
  const at::Tensor table = model.weights().token_embedding;
  EXPECT_NEAR(noise_sigma(model, {fact}), table.to(at::kDouble).std().item<double>(), 1e-9);
  const auto facts = test::world_facts(4);
  const at::Tensor rows =
      table.index_select(0, at::tensor(subject_token_pool(model, facts), at::kLong)).to(at::kDouble);
  EXPECT_NEAR(noise_sigma(model, facts), rows.std().item<double>(), 1e-9);
}

TEST_F(TraceFactWorld, RefusesWhatCannotBeTraced) {
  const TraceOptions options = small_options(model);
  const auto trace_with = [&](const TraceFact& asked, const TraceOptions& how) {
    return [&] { traced(model, asked, how); };
  };
  const std::string first =
      model.tokenizer().token_bytes(fact.prompt.empty() ? 0 : traced(model, fact, options).ids[1]);
  const TraceFact short_prompt{"short", first, first, 0, ""};
  EXPECT_THAT(refusal(trace_with(short_prompt, options), ErrorKind::kConfig), HasSubstr("is one token"));
  TraceOptions wide = options;
  wide.window = 10;
  EXPECT_THAT(refusal(trace_with(fact, wide), ErrorKind::kConfig),
              HasSubstr("a window of 10 layers does not fit the model, which has 9"));
  TraceOptions silent = options;
  silent.noise.level = 0;
  EXPECT_THAT(refusal(trace_with(fact, silent), ErrorKind::kConfig), HasSubstr("above 0"));
  for (const char* const code : {"s0", "-1", "0", "s", "", "x3", "t2", "t4.5", "u", "3 "})
    EXPECT_THAT(refusal([&] { parse_noise(code); }, ErrorKind::kUsage), HasSubstr("levels are above 0"));
}

TEST_F(TraceFactWorld, RefusesAnAnswerOfZeroProbability) {
  {
    const c10::NoGradGuard no_grad;
    const at::Tensor scale = model.weights().final_norm;
    scale.mul_(1e4);  // logits thousands apart
  }
  TraceFact impossible = fact;
  impossible.answer = "flute";
  EXPECT_THAT(
      refusal([&] { traced(model, impossible, small_options(model)); }, ErrorKind::kConfig),
      testing::AllOf(HasSubstr("fact " + fact.id), HasSubstr("\"flute\""), HasSubstr("probability 0")));
}

TEST(TraceWindows, AreRelativeToDepthAndCutToTheModel) {
  EXPECT_EQ(default_window(48), 10);
  EXPECT_EQ(default_window(30), 6);
  EXPECT_EQ(default_window(9), 2);
  EXPECT_EQ(default_window(1), 1);
  const auto range = [](int layer, int width) {
    const LayerRange r = window_around(layer, width, 48);
    return std::pair(r.begin, r.end);
  };
  EXPECT_EQ(range(15, 10), std::pair(10, 20));
  EXPECT_EQ(range(2, 10), std::pair(0, 7));
  EXPECT_EQ(range(47, 10), std::pair(42, 48));
  EXPECT_EQ(range(15, 9), std::pair(11, 20));
}

TEST(RankCorrelation, IsSpearmans) {
  EXPECT_NEAR(rank_correlation({1, 2, 3, 4}, {10, 20, 30, 40}), 1, 1e-12);
  EXPECT_NEAR(rank_correlation({1, 2, 3, 4}, {4, 3, 2, 1}), -1, 1e-12);
  EXPECT_NEAR(rank_correlation({1, 2, 2, 3}, {1, 2, 3, 4}), 0.9486832980505138, 1e-12);
  EXPECT_TRUE(std::isnan(rank_correlation({1, 1, 1}, {1, 2, 3})));
}

}  // namespace
}  // namespace emend::trace
