#include "measure/answer_engine.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "emend/generate.h"
#include "eval/metric.h"
#include "measure/drift.h"
#include "support/eval_world.h"
#include "support/world.h"

namespace emend {
namespace {

constexpr std::size_t kRecords = 20;
constexpr int kLayer = 2;

// All questions of the first records, and an edit for each.
struct Asked {
  explicit Asked(const std::string& shape)
      : model(test::load_world(shape)), records(test::world_records(kRecords)) {
    form.prefix = model.tokenizer().automatic_prefix();
    const auto rewrite = make_rewrite_metric(), plus = make_counterfact_plus_metric();
    for (std::size_t r = 0; r < records.size(); ++r) {
      questions.emplace_back();
      rewrite->ask(records[r], questions.back());
      plus->ask(records[r], questions.back());
      for (int twice = 0; twice < 2; ++twice) questions.back().write_from(records[r].request.subject);
      edits.push_back(
          test::formula_change(model, kLayer, static_cast<std::int64_t>(r), shape == "gpt2" ? 8 : 3));
      edit_of_record.push_back(static_cast<std::int64_t>(r));
    }
  }
  AnswerEngine engine(int first_block, std::vector<Questions> some, std::int64_t token_budget = 4096) const {
    AnswerOptions options;
    options.first_edited_block = first_block;
    options.records = static_cast<std::int64_t>(some.size());
    options.token_budget = token_budget;
    return AnswerEngine(model, question_sheet(model.tokenizer(), some, form, 3), options);
  }

  // The base's answers, then those under every record's own edit.
  std::vector<std::vector<Answers>> both(const AnswerEngine& engine) const {
    return engine.answer({{&edits, edit_of_record}});
  }

  Model model;
  std::vector<EvalRecord> records;
  RowForm form;
  std::vector<Questions> questions;
  std::vector<std::vector<WeightChange>> edits;
  std::vector<std::int64_t> edit_of_record;
};

void expect_same(const Answers& a, const Answers& b, double tolerance, bool with_kl = true) {
  ASSERT_EQ(a.scores.size(), b.scores.size());
  for (const auto& [question, score] : a.scores) {
    const AnswerScore& other = b.scores.at(question);
    EXPECT_NEAR(score.nll, other.nll, tolerance) << question.first << " | " << question.second;
    EXPECT_EQ(score.answer, other.answer);
    EXPECT_EQ(score.likeliest, other.likeliest) << question.first;
  }
  EXPECT_EQ(a.completions, b.completions);
  if (!with_kl) return;
  for (const auto& [prompt, kl] : a.next_token_kl)
    EXPECT_NEAR(kl, b.next_token_kl.at(prompt), tolerance) << prompt;
}

std::vector<Answers> answer_base(const AnswerEngine& engine) {
  return engine.answer({}).front();
}

class AnswerEngineTest : public testing::TestWithParam<const char*> {};

// Many edited models as overlays in one batch are what one really rewritten model after the other is.
TEST_P(AnswerEngineTest, OverlaysEqualWrittenWeights) {
  Asked asked(GetParam());
  const auto answers = asked.both(asked.engine(kLayer, asked.questions));
  const auto &base = answers[0], &overlaid = answers[1];
  double moved = 0;
  for (std::size_t r = 0; r < kRecords; ++r) {
    SCOPED_TRACE(asked.records[r].request.id);
    const ScopedEdit written(asked.model, asked.edits[r]);
    expect_same(overlaid[r], answer_base(asked.engine(0, {asked.questions[r]}))[0], 1e-4,
                false);  // alone knows no other base
    for (const auto& [question, score] : overlaid[r].scores)
      moved = std::max(moved, std::abs(score.nll - base[r].scores.at(question).nll));
  }
  EXPECT_GT(moved, 1.0);  // the edits do something
}

// An edit of several changes, two of them on one block, as sequential runs have it.
TEST_P(AnswerEngineTest, ChangesOfOneBlockAddUp) {
  Asked asked(GetParam());
  const auto later = test::formula_change(asked.model, kLayer + 2, 9, 2);
  std::vector<WeightChange> sum = asked.edits[0];
  sum.insert(sum.end(), asked.edits[1].begin(), asked.edits[1].end());
  sum.insert(sum.end(), later.begin(), later.end());
  sum.insert(sum.end(), asked.edits[2].begin(), asked.edits[2].end());
  const std::vector<Questions> some(asked.questions.begin(), asked.questions.begin() + 4);
  const std::vector<std::vector<WeightChange>> edits = {asked.edits[5], sum};
  const auto overlaid = asked.engine(kLayer, some).answer({{&edits, {1, 1, -1, 1}}})[1];
  const auto untouched = answer_base(asked.engine(0, some));
  expect_same(overlaid[2], untouched[2], 1e-4, false);
  const ScopedEdit written(asked.model, sum);
  const auto plain = answer_base(asked.engine(0, some));
  for (const std::size_t r : {0u, 1u, 3u}) expect_same(overlaid[r], plain[r], 2e-4, false);
}

// Where the upper blocks begin, how rows are batched, and what was asked in between changes nothing.
TEST_P(AnswerEngineTest, BatchesAndLowerBlocksChangeNothing) {
  Asked asked(GetParam());
  const EditedModels edited{&asked.edits, asked.edit_of_record};
  const auto answers = asked.engine(kLayer, asked.questions).answer({edited, edited});
  const auto &base = answers[0], &first = answers[1], &again = answers[2];
  const auto small = asked.both(asked.engine(0, asked.questions, 64));
  const auto &small_base = small[0], &small_edited = small[1];
  for (std::size_t r = 0; r < kRecords; ++r) {
    expect_same(first[r], again[r], 0);
    expect_same(base[r], small_base[r], 2e-5);
    expect_same(first[r], small_edited[r], 2e-4);
    for (const auto& [prompt, kl] : base[r].next_token_kl) EXPECT_EQ(kl, 0) << prompt;
  }
}

// An edit of the last block leaves nothing to run above it.
TEST_P(AnswerEngineTest, TheLastBlockCanBeEdited) {
  Asked asked(GetParam());
  const int last = asked.model.config().layers - 1;
  const std::vector<std::vector<WeightChange>> edits = {test::formula_change(asked.model, last, 4, 2)};
  const auto overlaid = asked.engine(last, {asked.questions[0]}).answer({{&edits, {0}}})[1];
  const ScopedEdit written(asked.model, edits[0]);
  expect_same(overlaid[0], answer_base(asked.engine(0, {asked.questions[0]}))[0], 1e-4, false);
}

// The public scoring and generation, which run whole prompts, say the same of the base.
TEST_P(AnswerEngineTest, EqualsPlainScoring) {
  Asked asked(GetParam());
  const auto base = answer_base(asked.engine(kLayer, asked.questions));
  for (std::size_t r = 0; r < 5; ++r)
    for (const auto& [question, score] : base[r].scores) {
      const TokenIds prompt = prompt_ids(asked.model.tokenizer(), question.first, asked.form);
      const auto plain = score_continuations(asked.model, {prompt}, {{0, score.answer}})[0];
      EXPECT_NEAR(score.nll, plain.nll, 2e-5) << question.first;
      EXPECT_EQ(score.argmax(), plain.argmax);
      if (base[r].completions.count(question.first) == 0) continue;
      GenerateOptions greedy;
      greedy.max_new = 3;
      const std::string text =
          asked.model.tokenizer().decode(generate(asked.model, {prompt}, greedy)[0], true);
      EXPECT_EQ(base[r].completions.at(question.first).substr(0, text.size()), text);
    }
}

// A sampled text depends on its record and prompt, not on who is in the batch.
TEST_P(AnswerEngineTest, TextsDoNotDependOnTheBatch) {
  Asked asked(GetParam());
  const auto texts = [&](std::size_t begin, std::size_t end) {
    const std::vector<Questions> some(asked.questions.begin() + static_cast<std::ptrdiff_t>(begin),
                                      asked.questions.begin() + static_cast<std::ptrdiff_t>(end));
    AnswerOptions options;
    options.draw = {1.0, 5, 7};
    options.records = static_cast<std::int64_t>(some.size());
    return answer_base(AnswerEngine(
        asked.model, writing_sheet(asked.model.tokenizer(), some, asked.form, 24, begin), options));
  };
  const auto all = texts(0, 8), last = texts(6, 8);
  EXPECT_EQ(all[6].texts, last[0].texts);
  EXPECT_EQ(all[7].texts, last[1].texts);
  EXPECT_NE(all[0].texts[0], all[1].texts[0]);
  EXPECT_EQ(all[0].texts[0].find(asked.records[0].request.subject), 0u);
  ASSERT_EQ(all[0].texts.size(), 2u);
  EXPECT_NE(all[0].texts[0], all[0].texts[1]);  // a prompt asked twice is sampled twice
}

// Free texts and samples of one run draw apart, whatever the record.
TEST(QuestionSheets, OfFreeTextsAndOfSamplesShareNoStream) {
  const Model model = test::load_world("llama");
  const RowForm form;
  Questions asked;
  for (int twice = 0; twice < 2; ++twice) asked.write_from("Josov");
  asked.sample("Josov", "city");
  const std::vector<Questions> records(300, asked);
  const QuestionSheet written = writing_sheet(model.tokenizer(), records, form, 24, 0),
                      sampled = sampling_sheet(model.tokenizer(), records, form, 5, 3, 0);
  std::set<std::uint64_t> streams(written.stream.begin(), written.stream.end());
  streams.insert(sampled.stream.begin(), sampled.stream.end());
  EXPECT_EQ(streams.size(), 300U * (2 + 5));
}

// Drift of overlays is that of written weights; none without a change.
TEST_P(AnswerEngineTest, DriftEqualsWrittenWeights) {
  Asked asked(GetParam());
  const auto ids = [&](std::size_t r) {
    return prompt_ids(asked.model.tokenizer(), asked.records[r].request.prompt, asked.form);
  };
  const std::vector<TokenIds> rows = {ids(0), ids(1), ids(2), ids(3)};
  const DriftProbe probe(asked.model, rows, kLayer, 4096);
  EXPECT_NEAR(probe.measure({}).kl, 0, 1e-7);
  EXPECT_NEAR(probe.measure({}).perplexity, 1, 1e-6);
  const Drift drift = probe.measure(asked.edits[3]);
  const double before = mean_nll(asked.model, rows);
  const ScopedEdit written(asked.model, asked.edits[3]);
  EXPECT_NEAR(drift.perplexity, std::exp(mean_nll(asked.model, rows) - before), 1e-4 * drift.perplexity);
  EXPECT_GT(drift.kl, 0.001);
  std::int64_t tokens = 0;
  for (const TokenIds& row : rows) tokens += static_cast<std::int64_t>(row.size()) - 1;
  EXPECT_EQ(probe.tokens(), tokens);
}

INSTANTIATE_TEST_SUITE_P(World, AnswerEngineTest, testing::Values("gpt2", "llama"),
                         [](const auto& param) { return std::string(param.param); });

}  // namespace
}  // namespace emend
