// Many facts: averages by role, results that resume, decisions on disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "analysis/causal_trace/trace_json.h"
#include "base/files.h"
#include "emend/error.h"
#include "emend/locate.h"
#include "support/world.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

// Three tokens of subject in seven, two layers; scores count up.
FactTrace made_trace(const std::string& id, double low, double step) {
  FactTrace trace;
  trace.id = id;
  trace.prompt = "prompt " + id;
  trace.subject = "subject";
  trace.tokens = {"a", "b", "c", "d", "e", "f", "g"};
  trace.ids = {1, 2, 3, 4, 5, 6, 7};
  trace.subject_begin = 1;
  trace.subject_end = 4;
  trace.high = 0.9;
  trace.low = low;
  for (std::size_t t = 0; t < 7; ++t) trace.mlp.push_back({low + step * static_cast<double>(t), low});
  return trace;
}

const RoleAverage& role_of(const TraceAverage& average, const std::string& name) {
  for (const RoleAverage& role : average.roles)
    if (role.role == name) return role;
  throw std::runtime_error("no role " + name);
}

TEST(TraceAverage, SubtractsEachFactsLowAndCountsEachFactOnce) {
  std::vector<FactTrace> traces = {made_trace("a", 0.1, 0.1), made_trace("b", 0.2, 0.3),
                                   made_trace("wrong", 0.5, 9)};
  traces[2].correct = false;
  const TraceAverage average = average_traces(traces);
  EXPECT_EQ(average.facts, 2);
  EXPECT_NEAR(average.low, 0.15, 1e-12);
  EXPECT_NEAR(average.total_effect, 0.75, 1e-12);
  EXPECT_NEAR(role_of(average, "first subject token").mlp.mean[0], 0.2, 1e-12);
  EXPECT_NEAR(role_of(average, "middle subject tokens").mlp.mean[0], 0.4, 1e-12);
  EXPECT_NEAR(role_of(average, "last subject token").mlp.mean[0], 0.6, 1e-12);
  EXPECT_NEAR(role_of(average, "first subsequent token").mlp.mean[0], 0.8, 1e-12);
  EXPECT_NEAR(role_of(average, "further tokens").mlp.mean[0], 1.0, 1e-12);
  EXPECT_NEAR(role_of(average, "last token").mlp.mean[0], 1.2, 1e-12);
  // values 0.3 and 0.9: standard deviation 0.3, 1.96 * 0.3 / sqrt(2)
  EXPECT_NEAR(role_of(average, "last subject token").mlp.ci95[0], 1.96 * 0.3 / std::sqrt(2.0), 1e-12);
  EXPECT_NEAR(role_of(average, "last token").mlp.mean[1], 0, 1e-12);
}

TEST(TraceAverage, RanksLayersByTheWindowAtTheLastSubjectToken) {
  std::vector<FactTrace> traces = {made_trace("a", 0.1, 0), made_trace("b", 0.1, 0)};
  traces[0].mlp[3] = {0.3, 0.5};
  traces[1].mlp[3] = {0.2, 0.1};
  traces[1].mlp[4] = {0.9, 0.9};
  const auto ranking = rank_layers(traces);
  ASSERT_EQ(ranking.size(), 2u);
  EXPECT_EQ(ranking[0].layer, 1);
  EXPECT_NEAR(ranking[0].score, 0.2, 1e-12);
  EXPECT_NEAR(ranking[1].score, 0.15, 1e-12);
}

TEST(TokenRoles, OfShortSubjectsOverlap) {
  const auto names_of = [](std::int64_t token, const auto& roles) {
    std::vector<std::string> names;
    for (const auto& [name, tokens] : roles)
      if (std::find(tokens.begin(), tokens.end(), token) != tokens.end()) names.push_back(name);
    return names;
  };
  EXPECT_THAT(names_of(2, token_roles(2, 3, 6)), ElementsAre("first subject token", "last subject token"));
  EXPECT_THAT(names_of(5, token_roles(2, 5, 6)), ElementsAre("first subsequent token", "last token"));
  EXPECT_THAT(names_of(5, token_roles(4, 6, 6)), ElementsAre("last subject token", "last token"));
  EXPECT_THAT(names_of(1, token_roles(2, 3, 6)), ElementsAre());
}

class TraceFactsWorld : public testing::Test {
 public:
  TraceFactsWorld() : folder(fs::path(testing::TempDir()) / ("trace_facts_" + std::to_string(::getpid()))) {
    fs::remove_all(folder);
    facts = test::world_facts(4);
    facts[1].answer = "nonsense";
    options.prefix = model.tokenizer().automatic_prefix();
    options.samples = 2;
    options.block_grid = options.knockout = options.severed = false;
    options.subject_last_only = true;
  }
  ~TraceFactsWorld() override { fs::remove_all(folder); }
  TraceResult run(const TraceStore& store) {
    SilentProgress silent;
    return trace_facts(model, facts, options, store, silent);
  }
  std::string refusal(const TraceStore& store) {
    try {
      run(store);
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing was refused";
  }
  static std::string text_of(const TraceResult& result) {
    std::string text;
    for (const FactTrace& trace : result.traces) text += trace_json(trace).dump();
    return text;
  }

  Model model = test::load_world("gpt2");
  fs::path folder;
  std::vector<TraceFact> facts;
  TraceOptions options;
};

TEST_F(TraceFactsWorld, FactsThatTheModelDoesNotKnowAreLeftOutWithWhatItSays) {
  const TraceResult result = run({});
  ASSERT_EQ(result.traces.size(), 3u);
  ASSERT_EQ(result.skipped.size(), 1u);
  EXPECT_EQ(result.skipped[0].id, facts[1].id);
  EXPECT_EQ(result.skipped[0].answer, "nonsense");
  EXPECT_FALSE(result.skipped[0].said.empty());
  const TraceResult limited = run({"", false, 0, 1, 2});
  EXPECT_EQ(limited.traces.size(), 2u);
}

TEST_F(TraceFactsWorld, AKilledRunResumesToTheSameResultAndShardsMakeItToo) {
  const std::string whole = text_of(run({}));
  run({folder / "one"});
  fs::remove(folder / "one/facts/000002.json");
  EXPECT_THAT(refusal({folder / "one"}), HasSubstr("the option resume"));
  EXPECT_EQ(text_of(run({folder / "one", true})), whole);
  const TraceResult part = run({folder / "parts", false, 0, 2});
  EXPECT_EQ(part.missing, 1);
  const TraceResult last = run({folder / "parts", false, 1, 2});
  EXPECT_EQ(last.missing, 0);
  EXPECT_EQ(text_of(last), whole);
  EXPECT_EQ(read_text_file(folder / "parts/facts/000003.json"),
            read_text_file(folder / "one/facts/000003.json"));
}

TEST_F(TraceFactsWorld, AFolderOfAnotherRunIsRefused) {
  run({folder});
  options.samples = 3;
  EXPECT_THAT(refusal({folder, true}),
              testing::AllOf(HasSubstr("another \"samples\""), HasSubstr("give another folder")));
  options.samples = 2;
  facts[2].prompt = "In short: " + facts[2].prompt;
  facts[2].subject_begin += 10;
  EXPECT_THAT(refusal({folder, true}), HasSubstr("another \"facts\""));
}

TEST_F(TraceFactsWorld, ABrokenResultIsNamed) {
  run({folder});
  std::ofstream(folder / "facts/000000.json") << "{\"trace\": {}}";
  EXPECT_THAT(refusal({folder, true}), HasSubstr("000000.json"));
}

TEST_F(TraceFactsWorld, JsonKeepsEverything) {
  options = TraceOptions{};
  options.prefix = model.tokenizer().automatic_prefix();
  options.samples = 2;
  options.exact_share = 0.3;
  const FactTrace trace = trace_fact(model, facts[0], options, 0.1, {}, 0);
  const FactTrace again = trace_from_json(nlohmann::json::parse(trace_json(trace).dump()), "memory");
  EXPECT_EQ(trace_json(again), trace_json(trace));
  EXPECT_EQ(again.mlp_exact, trace.mlp_exact);
}

TEST_F(TraceFactsWorld, DecisionsAreKeptAndBelongToOneModel) {
  LayerDecision decision;
  decision.layer = 3;
  decision.evidence = LayerEvidence::kTrial;
  decision.method = "rome";
  decision.source = "facts.json";
  decision.trace = {{4, 0.5, 0.1}};
  decision.trial = {{3, 0.9, 0.05, 20, {{"efficacy_success", 1.0}}}};
  decision.model_fingerprint = model.fingerprint();
  decision.prefix = options.prefix;
  EXPECT_FALSE(load_layer_decision(model, options.prefix, folder));
  save_layer_decision(decision, folder);
  const auto held = load_layer_decision(model, options.prefix, folder);
  ASSERT_TRUE(held);
  EXPECT_EQ(decision_json(*held), decision_json(decision));
  EXPECT_THROW(load_layer_decision(model, {}, folder), Error);
  const Model other = test::load_world("llama");
  EXPECT_THROW(load_layer_decision(other, options.prefix, folder), Error);
  std::string text = read_text_file(folder / "layer_decision.json");
  text.replace(text.find("\"trial\""), 7, "\"guess\"");
  std::ofstream(folder / "layer_decision.json") << text;
  EXPECT_THROW(load_layer_decision(model, options.prefix, folder), Error);
  std::ofstream(folder / "layer_decision.json") << "{}";
  EXPECT_THROW(load_layer_decision(model, options.prefix, folder), Error);
}

double largest(const std::vector<double>& values, std::size_t begin = 0) {
  return *std::max_element(values.begin() + static_cast<std::ptrdiff_t>(begin), values.end());
}

class TraceOfTheWorld : public testing::TestWithParam<std::string> {};

// The picture of large models (Meng et al. 2022, figures 2 and 3), on models trained to have it.
TEST_P(TraceOfTheWorld, ShowsRecallAtTheLastSubjectTokenAndReadingAtTheLastToken) {
  const Model model = test::load_world(GetParam());
  const std::vector<TraceFact> facts = test::world_facts(12);
  TraceOptions options;
  options.prefix = model.tokenizer().automatic_prefix();
  options.samples = 3;
  options.knockout_window = 5;
  SilentProgress silent;
  const TraceAverage average = average_traces(trace_facts(model, facts, options, {}, silent).traces);
  EXPECT_EQ(average.facts, 12);
  EXPECT_GT(average.total_effect, 0.5);
  const RoleAverage &recall = role_of(average, "last subject token"), &last = role_of(average, "last token");
  for (const RoleAverage& role : average.roles)
    if (role.role != recall.role) {
      EXPECT_GT(largest(recall.mlp.mean), 1.15 * largest(role.mlp.mean)) << role.role;
    }
  EXPECT_GT(largest(recall.mlp.mean), 2 * largest(recall.attention.mean));
  const std::size_t late = recall.mlp.mean.size() / 2;
  EXPECT_GT(largest(last.attention.mean, late), 1.05 * largest(last.mlp.mean, late));
  EXPECT_GT(largest(recall.block.mean), largest(recall.block.mean, 7));
  // Early states work through the MLPs above them, and hardly through attention.
  double lost_without_mlp = 0, lost_without_attention = 0;
  for (std::size_t l = 0; l < 2; ++l) {
    lost_without_mlp += average.severed_ordinary.mean[l] - average.severed_mlp.mean[l];
    lost_without_attention += average.severed_ordinary.mean[l] - average.severed_attention.mean[l];
  }
  EXPECT_GT(lost_without_mlp, 0.03);
  EXPECT_GT(lost_without_mlp, 2 * lost_without_attention);
  const auto smallest = [](const std::vector<double>& values) {
    return *std::min_element(values.begin(), values.end());
  };
  EXPECT_LT(smallest(average.knockout_subject.mean), smallest(average.knockout_others.mean));
}

INSTANTIATE_TEST_SUITE_P(Shapes, TraceOfTheWorld, testing::Values("gpt2", "llama"));

}  // namespace
}  // namespace emend
