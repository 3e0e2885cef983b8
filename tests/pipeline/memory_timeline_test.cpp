// The time line of a prompt: the rules by hand, fixture F7 with its phases at the planted layers, and what is
// set side by side against the parts that it comes from.
#include "emend/memory_timeline.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/expect_error.h"
#include "base/strings.h"
#include "emend/locate.h"
#include "emend/memory_explain.h"
#include "memories/prompt_words.h"
#include "memories/token_name.h"
#include "model/attention.h"
#include "reports/timeline_report.h"
#include "support/world.h"

namespace emend {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

std::vector<TimelineLayer> flat_layers(int count) {
  std::vector<TimelineLayer> layers(static_cast<std::size_t>(count));
  for (int l = 0; l < count; ++l) layers[static_cast<std::size_t>(l)].layer = l;
  return layers;
}

TEST(TimelinePhases, AreFoundByTheirRules) {
  std::vector<TimelineLayer> layers = flat_layers(6);
  const std::vector<double> ffn = {0.1, 0.24, 0.4, 0.05, 0.21, 0.0}, cut = {0, -0.1, -0.2, -0.9, -0.5, 0.1},
                            p = {0, 0.45, 0.1, 0.2, 0.5, 0.8};
  for (std::size_t l = 0; l < 6; ++l) {
    layers[l].ffn = ffn[l];
    layers[l].cut = cut[l];
    layers[l].entering.probability = l == 0 ? 0 : p[l - 1];
    layers[l].behind_ffn = {l == 5 ? 0 : 3, p[l]};
  }
  const std::vector<TimelinePhase> phases = timeline_phases(layers, 0.9, 0.1, false, 0.5);
  ASSERT_THAT(phases, SizeIs(3));
  EXPECT_TRUE(phases[0].found);
  EXPECT_EQ(phases[0].first, 1) << "0.24 is more than half of 0.4";
  EXPECT_EQ(phases[0].last, 4) << "layer 3 between them may be below";
  EXPECT_EQ(phases[0].peak, 2);
  EXPECT_EQ(phases[1].first, 3);
  EXPECT_EQ(phases[1].last, 4);
  EXPECT_EQ(phases[1].peak, 3);
  EXPECT_NEAR(phases[1].effect, 0.9, 1e-12);
  EXPECT_EQ(phases[2].first, 4) << "0.45 behind layer 1 does not last";
  EXPECT_EQ(phases[2].last, 5);
  EXPECT_EQ(phases[2].peak, 1) << "the largest step";
  EXPECT_NEAR(phases[2].effect, 0.45, 1e-12);
}

TEST(TimelinePhases, SayWhyThereIsNone) {
  std::vector<TimelineLayer> layers = flat_layers(3);
  layers[2].ffn = 0.05;
  layers[1].cut = -0.09;
  layers[2].behind_ffn = {4, 0.1};
  const auto phases = timeline_phases(layers, 0.9, 0.1, false, 0.5);
  for (const TimelinePhase& phase : phases) EXPECT_FALSE(phase.found) << phase.name;
  EXPECT_THAT(phases[0].reason, HasSubstr("a tenth of what the noise takes"));
  EXPECT_THAT(phases[1].reason, HasSubstr("layer 1"));
  EXPECT_THAT(phases[2].reason, HasSubstr("rank 4"));
  layers[2].ffn = 0.5;
  EXPECT_THAT(timeline_phases(layers, 0.9, 0.89, true, 0.5)[0].reason, HasSubstr("nothing to restore"));
}

TEST(TimelinePhases, AreInOrderByPeaksAndByWhereTheAnswerBeginsToShow) {
  std::vector<TimelinePhase> phases(3);
  for (TimelinePhase& phase : phases) phase.found = true;
  phases[0].peak = 2;
  phases[1].peak = 4;
  phases[2].first = 4;
  phases[2].peak = 5;
  EXPECT_TRUE(phases_in_order(phases));
  phases[2].first = 3;
  EXPECT_FALSE(phases_in_order(phases)) << "the answer shows before the subject is asked";
  phases[2].first = 4;
  phases[0].peak = 5;
  EXPECT_FALSE(phases_in_order(phases));
  phases[0].peak = 4;
  EXPECT_TRUE(phases_in_order(phases));
  phases[0].found = false;
  EXPECT_FALSE(phases_in_order(phases));
}

// F7: the network of layer 3 looks the subject's last token up and writes what is known of it there, a head
// of layer 6 carries that to the last token, and the head of the model reads it. Nothing else writes.
TEST(Timeline, HasThePhasesOfF7AtThePlantedLayers) {
  const Model model = test::load_world("gpt2");
  const c10::NoGradGuard no_grad;
  const ModelConfig& config = model.config();
  constexpr int kLookUp = 3, kFetch = 6;
  constexpr std::int64_t kMark = 4, kKnown = 9, kCarried = 17, kCell = 5;
  for (const BlockWeights& block : model.weights().blocks) {
    for (const at::Tensor& weight : {block.attention_out, block.attention_out_bias, block.mlp_down,
                                     block.mlp_down_bias, block.attention_norm_bias, block.mlp_norm_bias})
      at::Tensor(weight).zero_();
    for (const at::Tensor& gain : {block.attention_norm, block.mlp_norm}) at::Tensor(gain).fill_(1);
  }
  at::Tensor(model.weights().position_embedding).zero_();
  at::Tensor(model.weights().final_norm).fill_(1);
  at::Tensor(model.weights().final_norm_bias).zero_();
  const EditRequest fact = test::world_edits(1)[0];
  TimelineOptions options;
  options.prompt = fact.prompt;
  options.subject = fact.subject;
  options.window = 1;
  options.samples = 4;
  const TokenIds ids = ids_of_prompt(model, fact.prompt, "auto", "");
  TraceOptions short_trace;
  short_trace.prefix = model.tokenizer().automatic_prefix();
  short_trace.samples = 1;
  short_trace.subject_last_only = true;
  const FactTrace place = trace_fact(model, {"", fact.prompt, fact.subject, fact.subject_begin, fact.was},
                                     short_trace, 0.1, {}, 0);
  const std::int64_t answer = first_token_of(model, fact.was, "");
  options.token = trim(token_name(model, answer));
  // Embedding and head are one table.
  at::Tensor table = model.weights().token_embedding;
  const double sigma = table.std().item<double>();  // of which the noise has three in every channel
  for (const std::int64_t channel : {kMark, kKnown, kCarried}) table.select(1, channel).zero_();
  table[ids[static_cast<std::size_t>(place.lookup())]][kMark] = 30 * sigma;
  table[answer][kCarried] = 2;
  // Behind the norm the mark stands at 30 / sqrt(1 + 900 / 128) = 10.6; with the noise it stands at about
  // 30 / sqrt(10 + 900 / 128) = 7.3. The cell opens above 9.
  const BlockWeights& look_up = model.weights().blocks[kLookUp];
  at::Tensor(look_up.mlp_in)[kCell].zero_();
  at::Tensor(look_up.mlp_in)[kCell][kMark] = 4;
  at::Tensor(look_up.mlp_in_bias)[kCell] = -36;
  at::Tensor(look_up.mlp_down)[kKnown][kCell] = 20 * sigma;
  const BlockWeights& fetch = model.weights().blocks[kFetch];
  // Queries and keys are zero, so every head reads the mean of all tokens.
  at::Tensor(fetch.qkv).zero_();
  at::Tensor(fetch.qkv_bias).zero_();
  at::Tensor(fetch.qkv)[config.heads * config.head_dim + config.kv_heads * config.head_dim][kKnown] = 1;
  // Enough for the subject, and too little for the noise that stands in that channel at its other tokens.
  at::Tensor(fetch.attention_out)[kCarried][0] = 10 * sigma;

  const TimelineOutcome found = run_timeline(model, options);
  ASSERT_EQ(found.token_id, answer);
  ASSERT_GT(found.high, 0.5);
  ASSERT_LT(found.low, 0.8 * found.high);
  ASSERT_THAT(found.phases, SizeIs(3));
  for (const TimelinePhase& phase : found.phases) EXPECT_TRUE(phase.found) << phase.name << phase.reason;
  EXPECT_EQ(found.phases[0].first, kLookUp);
  EXPECT_EQ(found.phases[0].last, kLookUp);
  EXPECT_EQ(found.phases[1].first, kFetch);
  EXPECT_EQ(found.phases[1].last, kFetch);
  EXPECT_EQ(found.phases[2].first, kFetch);
  EXPECT_EQ(found.phases[2].peak, kFetch);
  EXPECT_TRUE(found.in_order);
  const double effect = found.high - found.low;
  for (const TimelineLayer& layer : found.layers) {
    const bool before_fetch = layer.layer < kFetch;
    EXPECT_NEAR(layer.state, before_fetch ? effect : 0, 0.02 + 0.02 * effect) << layer.layer;
    EXPECT_NEAR(layer.severed_ffn, before_fetch && layer.layer >= kLookUp ? effect : 0, 0.02 + 0.02 * effect)
        << layer.layer << ": without networks nothing is looked up any more";
    EXPECT_NEAR(layer.severed_attention, layer.state, 1e-5);
    EXPECT_NEAR(layer.attention, 0, 1e-5);
    EXPECT_EQ(layer.behind_attention.rank == 0, !before_fetch) << layer.layer;
    EXPECT_EQ(layer.entering.rank == 0, layer.layer > kFetch) << layer.layer;
    EXPECT_EQ(std::abs(layer.brought) > 1e-6, layer.layer == kFetch) << layer.layer;
  }
  const TimelineLayer& fetched = found.layers[kFetch];
  const double subject = static_cast<double>(found.subject_end - found.subject_begin);
  EXPECT_NEAR(fetched.paid, subject / static_cast<double>(ids.size()), 1e-5) << "all tokens alike";
  EXPECT_NEAR(fetched.paid_most, fetched.paid, 1e-5);
  EXPECT_LT(fetched.cut, -0.1);
}

// Of a trained model: what stands in the line is what tracing and explain say by themselves.
TEST(Timeline, SetsSideBySideWhatTracingAndExplainSay) {
  for (const std::string shape : {"gpt2", "llama"}) {
    const Model model = test::load_world(shape);
    const EditRequest fact = test::world_edits(1)[0];
    TimelineOptions options{.prompt = fact.prompt, .subject = fact.subject, .token = fact.was, .samples = 3};
    const TimelineOutcome found = run_timeline(model, options);
    const TraceFact asked{"", fact.prompt, fact.subject, fact.subject_begin, fact.was};
    TraceOptions trace_options;
    trace_options.prefix = model.tokenizer().automatic_prefix();
    trace_options.samples = 3;
    const FactTrace trace = trace_fact(model, asked, trace_options, noise_sigma(model, {asked}), {}, 0);
    const ExplainOutcome explained = run_explain(model, {.prompt = fact.prompt, .token = fact.was, .top = 1});
    ASSERT_EQ(found.ids, explained.ids);
    EXPECT_NEAR(found.high, trace.high, 1e-6);
    EXPECT_NEAR(found.probability, explained.token.value, 1e-6);
    const auto at = static_cast<std::size_t>(trace.lookup());
    double brought = 0;
    for (std::size_t l = 0; l < found.layers.size(); ++l) {
      const TimelineLayer& layer = found.layers[l];
      EXPECT_NEAR(layer.state, trace.block[at][l] - trace.low, 1e-5) << shape << l;
      EXPECT_NEAR(layer.ffn, trace.mlp[at][l] - trace.low, 1e-5) << shape << l;
      EXPECT_NEAR(layer.severed_attention, trace.severed_attention[l] - trace.low, 1e-5) << shape << l;
      EXPECT_NEAR(layer.cut * trace.high, trace.knockout_subject[l] - trace.high, 1e-5) << shape << l;
      EXPECT_EQ(layer.behind_attention.rank, explained.layers[l].residual_rank) << shape << l;
      EXPECT_EQ(layer.behind_ffn.rank, explained.layers[l].output_rank) << shape << l;
      EXPECT_NEAR(layer.behind_ffn.probability, explained.layers[l].output_probability, 1e-6);
      if (l > 0) {
        EXPECT_EQ(layer.entering.rank, explained.layers[l - 1].output_rank) << shape << l;
      }
      EXPECT_GE(layer.paid_most, layer.paid);
      EXPECT_LE(layer.paid_most, 1 + 1e-6);
      brought += layer.brought;
    }
    // explain's sums say the same of the subject's tokens.
    const ExplainOutcome sources =
        run_explain(model, {.prompt = fact.prompt, .token = fact.was, .top = 1, .cells = 1, .sources = 1});
    double wanted = 0;
    for (std::int64_t t = found.subject_begin; t < found.subject_end; ++t)
      wanted += sources.logit_sources->tokens[static_cast<std::size_t>(t)];
    EXPECT_NEAR(brought, wanted, 1e-4 * std::max(1.0, std::abs(wanted))) << shape;
    const std::string text = timeline_text(found, 200);
    for (const char* name : {"collect", "recall", "organise"}) EXPECT_THAT(text, HasSubstr(name));
    const ResultJson json = timeline_json(found, options, model);
    EXPECT_EQ(json.at("layers").size(), found.layers.size());
    EXPECT_EQ(json.at("phases")[1].at("name"), "recall");
    EXPECT_THAT(timeline_page(found, options, model), HasSubstr("Three phases over the layers"));
  }
}

TEST(Timeline, RefusesWhatCannotBe) {
  const Model model = test::load_world("llama");
  const EditRequest fact = test::world_edits(1)[0];
  const auto refused = [&](ErrorKind kind, auto change, const char* what) {
    TimelineOptions options{.prompt = fact.prompt, .subject = fact.subject};
    change(options);
    EXPECT_THAT(test::error_of(kind, [&] { run_timeline(model, options); }), HasSubstr(what));
  };
  refused(
      ErrorKind::kUsage, [](TimelineOptions& o) { o.prompt.clear(); }, "the option prompt is empty");
  refused(
      ErrorKind::kUsage, [](TimelineOptions& o) { o.share = 0; }, "share");
  refused(
      ErrorKind::kUsage, [](TimelineOptions& o) { o.samples = 0; }, "samples");
  refused(
      ErrorKind::kUsage, [](TimelineOptions& o) { o.window = -1; }, "window");
  refused(
      ErrorKind::kUsage, [](TimelineOptions& o) { o.subject.clear(); }, "subject");
  refused(
      ErrorKind::kConfig, [](TimelineOptions& o) { o.subject = "Atlantis"; }, "Atlantis");
  refused(
      ErrorKind::kConfig, [](TimelineOptions& o) { o.window = 99; }, "window");
}

}  // namespace
}  // namespace emend
