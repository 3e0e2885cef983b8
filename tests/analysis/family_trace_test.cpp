// Causal tracing, knockout and second moments on every checkpoint of tests/data/families: what must hold, and
// plain full passes.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "analysis/causal_trace/noise.h"
#include "analysis/causal_trace/restored_runs.h"
#include "analysis/causal_trace/traced_prompt.h"
#include "emend/locate.h"
#include "emend/statistics_run.h"
#include "support/family_models.h"
#include "support/tiny_models.h"
#include "text/corpus.h"

namespace emend::trace {
namespace {

constexpr double kSame = 1e-5;  // one sum in another order

class FamilyTrace : public ::testing::TestWithParam<std::string> {
 protected:
  FamilyTrace() : checkpoint_(GetParam()), model_(checkpoint_.load()) {
    options_.prefix = test::kFamilyPrefix;
    options_.samples = 2;
    sigma_ = noise_sigma(model_, {fact_});
  }

  int layers() const { return model_.config().layers; }

  // Row, noise and runs of the trace of `fact_`.
  TraceRuns runs() const {
    TracedPrompt row = prompt_row(model_, fact_, options_);
    row = with_answer(row, answer_ids(model_, fact_, options_, row));
    return run_clean_and_corrupted(model_, row,
                                   corrupted_embeddings(model_, row.subject(), options_.noise,
                                                        options_.samples, sigma_, {}, {options_.seed, 0}));
  }

  // The noise is on the token table's rows: the embedding's multiplier and positions come after it.
  void expect_noise(const TraceRuns& all) const {
    const at::Tensor noisy = corrupted_embeddings(model_, all.row.subject(), options_.noise, options_.samples,
                                                  sigma_, {}, {options_.seed, 0});
    const at::Tensor table =
        model_.weights().token_embedding.index_select(0, test::index_of(all.row.subject()));
    const auto of_subject = [&](const at::Tensor& row) {
      return row.slice(0, all.row.subject_begin, all.row.subject_end);
    };
    for (std::int64_t s = 0; s < options_.samples; ++s)
      EXPECT_TRUE(test::near(of_subject(all.corrupted_embedding[s]) - of_subject(all.clean_embedding),
                             (noisy[s] - table) * model_.config().embedding_multiplier, 1e-4));
  }

  double probability(const at::Tensor& logits, std::int64_t answer) const {
    return at::softmax(logits[-1].to(at::kDouble), 0)[answer].item<double>();
  }

  // One sample's corrupted row run whole, with what `restore` puts back: its probability of the answer.
  double plain_cell(const TraceRuns& runs, std::int64_t sample, std::int64_t token, Site site, int begin,
                    int end) const {
    PassInput input;
    input.ids = {runs.row.ids};
    input.hidden = runs.corrupted_embedding[sample];
    for (int l = begin; l < end; ++l)
      input.interventions.push_back({site, l, Intervention::Kind::kReplace, at::tensor({token}, at::kLong),
                                     runs.at(site).clean[static_cast<std::size_t>(l)][token].unsqueeze(0)});
    input.logit_tokens = {runs.row.size() - 1};
    return probability(model_.forward(input).logits, runs.row.answer.front());
  }

  test::FamilyCheckpoint checkpoint_;
  Model model_;
  // More tokens than the checkpoints' windows (8); the answer is the likeliest next token.
  const TraceFact fact_ = {"fact", "a kp dwelt by quorf in", "quorf", 14, ""};
  TraceOptions options_;
  double sigma_ = 0;
};

TEST_P(FamilyTrace, GridsMeetTheirIdentities) {
  const c10::NoGradGuard no_grad;
  const FactTrace trace = trace_fact(model_, fact_, options_, sigma_, {}, 0);
  const auto tokens = static_cast<std::int64_t>(trace.tokens.size());
  const auto last = static_cast<std::size_t>(layers() - 1);
  ASSERT_GT(tokens, 8);
  EXPECT_GT(std::abs(trace.high - trace.low), 1e-4) << "the noise must be seen";
  for (std::int64_t t = 0; t < tokens; ++t) {
    const auto at = static_cast<std::size_t>(t);
    EXPECT_NEAR(trace.block[at][last], t + 1 < tokens ? trace.low : trace.high, kSame) << t;
    for (const Grid* grid : {&trace.block, &trace.mlp, &trace.attention})
      for (std::size_t l = 0; t < trace.subject_begin && l <= last; ++l)
        EXPECT_NEAR((*grid)[at][l], trace.low, kSame) << t << ", " << l;
  }
  ASSERT_LT(trace.lookup(), tokens - 1);
  EXPECT_NEAR(trace.severed_mlp[last], trace.low, kSame);
  EXPECT_NEAR(trace.severed_attention[last], trace.low, kSame);
}

TEST_P(FamilyTrace, CellsEqualWholeRowsThatAreRunPlainly) {
  const c10::NoGradGuard no_grad;
  const FactTrace trace = trace_fact(model_, fact_, options_, sigma_, {}, 0);
  const TraceRuns all = runs();
  EXPECT_NEAR(trace.high, probability(test::plain_logits(model_, all.row.ids), all.row.answer.front()),
              kSame);
  expect_noise(all);
  const std::int64_t first = trace.subject_begin, last = all.row.size() - 1;
  const int window = default_window(layers());
  double widest = 0;
  for (const std::int64_t token : {first, trace.lookup(), last})
    for (int l = 0; l < layers(); ++l) {
      const LayerRange range = window_around(l, window, layers());
      const auto mean = [&](Site site, int begin, int end) {
        return (plain_cell(all, 0, token, site, begin, end) + plain_cell(all, 1, token, site, begin, end)) /
               2;
      };
      const auto t = static_cast<std::size_t>(token), layer = static_cast<std::size_t>(l);
      EXPECT_NEAR(trace.block[t][layer], mean(Site::kBlockOutput, l, l + 1), kSame) << token << ", " << l;
      EXPECT_NEAR(trace.mlp[t][layer], mean(Site::kMlpOutput, range.begin, range.end), kSame);
      EXPECT_NEAR(trace.attention[t][layer], mean(Site::kAttentionOutput, range.begin, range.end), kSame);
      widest = std::max(widest, std::abs(trace.mlp[t][layer] - trace.low));
    }
  EXPECT_GT(widest, 1e-4) << "restoring must be seen";
}

TEST_P(FamilyTrace, EveryTokenRestoredAtOneBlockIsTheCleanRun) {
  const c10::NoGradGuard no_grad;
  const TraceRuns all = runs();
  for (int l = 0; l < layers(); ++l) {
    PassInput input;
    input.ids = {all.row.ids};
    input.hidden = all.corrupted_embedding[0];
    input.interventions = {{Site::kBlockOutput, l, Intervention::Kind::kReplace,
                            at::arange(all.row.size(), at::kLong),
                            all.block.clean[static_cast<std::size_t>(l)]}};
    input.logit_tokens = {all.row.size() - 1};
    EXPECT_NEAR(probability(model_.forward(input).logits, all.row.answer.front()), all.high, kSame);
  }
}

// A token that sees itself alone stands where it would stand alone: only learned positions tell the two
// apart.
TEST_P(FamilyTrace, KnockedOutFromEverythingTheLastTokenIsAlone) {
  if (model_.config().learned_positions) GTEST_SKIP() << "positions are learned";
  const c10::NoGradGuard no_grad;
  const TokenIds ids = runs().row.ids;
  const auto last = static_cast<std::int64_t>(ids.size()) - 1;
  PassInput input;
  input.ids = {ids};
  for (std::int64_t position = 0; position < last; ++position)
    input.knockouts.push_back({0, layers(), last, position});
  input.logit_tokens = {last};
  const at::Tensor alone = test::plain_logits(model_, {ids.back()});
  EXPECT_TRUE(test::near(model_.forward(input).logits, alone, 2e-5 * alone.std().item<double>() + 1e-5));
}

TEST_P(FamilyTrace, KnockoutsEqualWholeRowsThatAreRunPlainly) {
  const c10::NoGradGuard no_grad;
  const FactTrace trace = trace_fact(model_, fact_, options_, sigma_, {}, 0);
  const TraceRuns all = runs();
  const int window = default_window(layers()) | 1;
  for (int l = 0; l < layers(); ++l) {
    PassInput input;
    input.ids = {all.row.ids};
    const LayerRange range = window_around(l, window, layers());
    for (std::int64_t t = trace.subject_begin; t < trace.subject_end; ++t)
      input.knockouts.push_back({range.begin, range.end, all.row.size() - 1, t});
    input.logit_tokens = {all.row.size() - 1};
    EXPECT_NEAR(trace.knockout_subject[static_cast<std::size_t>(l)],
                probability(model_.forward(input).logits, all.row.answer.front()), kSame)
        << l;
  }
}

// --- second moments

class FamilyMoments : public FamilyTrace {
 protected:
  FamilyMoments() {
    std::string text;
    for (int i = 0; i < 24; ++i) {
      for (int j = 0; j < 12; ++j)
        text += std::string(" ") + static_cast<char>('a' + (7 * i + 5 * j) % 26) +
                static_cast<char>('a' + (i * j + 3) % 26) + static_cast<char>('a' + (i + 11 * j) % 26);
      text += ".\n\n";
    }
    how_.corpus = {folder_.write("text.txt", text)};
    how_.prefix = test::kFamilyPrefix;
    how_.window = 24;
    how_.tokens = 3 * model_.config().d_ff + 20;
    for (int l = 0; l < layers(); ++l) how_.layers.push_back(l);
  }

  Statistics collect() const {
    SilentProgress silent;
    return collect_statistics(model_, how_, silent);
  }

  // The rows of the run in its order: documents by rank, without those that are held back.
  std::vector<TokenIds> rows() const {
    SilentProgress silent;
    const CorpusIndex index = scan_corpus(how_.corpus, "text", how_.seed, silent);
    std::vector<TokenIds> rows;
    std::size_t held = std::min<std::size_t>(16, index.documents.size() / 10);
    for (const SampledDocument& document : read_documents(index, 0, index.documents.size())) {
      const auto ids = model_.tokenizer().encode(document.text, SpecialTokens::kNone).ids;
      const auto of_document = document_rows(ids, how_.prefix, how_.window);
      if (of_document.empty()) continue;
      if (held > 0)
        --held;
      else
        rows.insert(rows.end(), of_document.begin(), of_document.end());
    }
    return rows;
  }

  static double gap(const at::Tensor& a, const at::Tensor& b) {
    return (a - b).norm().item<double>() / b.norm().item<double>();
  }

  test::TempFolder folder_;
  StatisticsOptions how_;
};

TEST_P(FamilyMoments, AreAPlainSumOverKeysInEveryLayerAtOnceAndAlone) {
  const Statistics together = collect();
  const std::vector<TokenIds> text = rows();
  for (int l = 0; l < layers(); ++l) {
    at::Tensor sum = at::zeros({model_.config().d_ff, model_.config().d_ff}, at::kDouble);
    std::int64_t left = how_.tokens;
    for (std::size_t i = 0; i < text.size() && left > 0; ++i) {
      const at::Tensor keys = test::plain_vectors(model_, text[i], Site::kKey, l);
      const std::int64_t count = std::min(left, keys.size(0) - 1);
      const at::Tensor used = keys.narrow(0, 1, count).to(at::kDouble);
      sum += at::matmul(used.t(), used);
      left -= count;
    }
    ASSERT_EQ(left, 0) << "the text is too short";
    EXPECT_LT(gap(together.layers.at(l).C, sum / static_cast<double>(how_.tokens)), 1e-5) << l;
    how_.layers = {l};
    EXPECT_LT(gap(collect().layers.at(l).C, together.layers.at(l).C), 1e-5) << l;
  }
}

TEST_P(FamilyMoments, TextOfItsOwnIsWritten) {
  how_.corpus.clear();
  how_.layers = {layers() - 1};
  const Statistics own = collect();
  EXPECT_EQ(own.layers.begin()->second.tokens, how_.tokens);
  EXPECT_TRUE(at::isfinite(own.layers.begin()->second.C).all().item<bool>());
  EXPECT_FALSE(own.held_text.empty());
}

const auto kCheckpoints = ::testing::ValuesIn(test::family_checkpoints());
const auto kName = [](const auto& one) { return one.param; };
INSTANTIATE_TEST_SUITE_P(Checkpoints, FamilyTrace, kCheckpoints, kName);
INSTANTIATE_TEST_SUITE_P(Checkpoints, FamilyMoments, kCheckpoints, kName);

// Phi-4-mini's rotation as it is recorded: rows past 16 tokens turn otherwise, so texts of its own end there.
TEST(OwnText, EndsWhereTheModelTurnsAllOfItOtherwise) {
  const test::TempFolder folder;
  for (const char* file : {"config.json", "model.safetensors"})
    std::filesystem::copy_file(test::data_path(std::string("families/phi3_b/") + file), folder / file);
  folder.write("tokenizer.json", test::family_tokenizer_json());
  const Model model = Model::load(folder.path());
  SilentProgress silent;
  StatisticsOptions options;
  options.layers = {0};
  options.prefix = test::kFamilyPrefix;
  const Statistics statistics = collect_statistics(model, options, silent);
  EXPECT_EQ(statistics.layers.at(0).tokens, 5 * model.config().d_ff);
  for (const TokenIds& text : statistics.held_text) EXPECT_LE(text.size(), 16u);
}

}  // namespace
}  // namespace emend::trace
