#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/prompt_rows.h"
#include "eval/metric.h"
#include "measure/answer_engine.h"
#include "support/eval_world.h"
#include "support/world.h"
#include "text/end_tokens.h"

namespace emend {
namespace {

EvalRecord record_of(const std::string& prompt, const std::string& target) {
  EvalRecord record;
  record.request = test::request_of("a", prompt, prompt.substr(0, prompt.find(' ')), target);
  record.request.was = "Paris";
  record.request.paraphrases = {"p1", "p2"};
  record.request.neighbours = {{"n1", "Paris"}, {"n2", target}};
  return record;
}

// A text counts if it is the whole answer and the model ended it.
TEST(NaturalStop, IsTheWholeAnswerAndAnEnd) {
  EXPECT_TRUE(is_whole_answer({" The Rome.", " The Rome.<|eos|>", true}, "Rome"));
  EXPECT_FALSE(is_whole_answer({" Rome", " Rome", false}, "Rome"));
  EXPECT_FALSE(is_whole_answer({" Rome, not Paris", "", true}, "Rome"));
  EXPECT_FALSE(is_whole_answer({"", "<|eos|>", true}, "."));
}

// 1 of 1 prompts, 1 of 2 paraphrases; the neighbour whose answer is the target is not asked.
TEST(NaturalStop, IsTheMeanOverPrompts) {
  const EvalRecord record = record_of("Eiffel is in", "Rome");
  const auto metric = make_natural_stop_metric();
  Questions questions;
  metric->ask(record, questions);
  EXPECT_THAT(questions.to_end, testing::ElementsAre("Eiffel is in", "n1", "p1", "p2"));
  Answers answers;
  answers.to_end = {{"Eiffel is in", {"Rome", "", true}},
                    {"p1", {"Rome", "", true}},
                    {"p2", {"Rome and so on", "", false}},
                    {"n1", {"Rome", "", true}}};
  MetricValues values;
  metric->judge({record, answers, answers}, values);
  EXPECT_THAT(values, testing::UnorderedElementsAre(testing::Pair("efficacy_natural", 1),
                                                    testing::Pair("paraphrase_natural", 0.5),
                                                    testing::Pair("neighbourhood_natural", 0)));
}

struct Asked {
  Model model = test::load_world("llama");
  RowForm form{model.tokenizer().automatic_prefix(), PromptForm::kRaw};
  std::vector<Questions> questions;

  Asked() {
    for (const EvalRecord& record : test::world_records(6)) {
      questions.emplace_back();
      questions.back().complete_to_end(record.request.prompt);
    }
  }
  std::vector<Answers> answer(const std::vector<std::int64_t>& ends, std::int64_t bound,
                              std::int64_t budget) const {
    AnswerOptions options;
    options.token_budget = budget;
    options.records = static_cast<std::int64_t>(questions.size());
    options.ends = ends;
    return AnswerEngine(model, ending_sheet(model.tokenizer(), questions, form, bound, 128), options)
        .answer({})
        .front();
  }
};

// Texts to their end are those of generate() with the same stops, whatever the token budget. The model writes
// on for ever, so a full stop has to stand for an end here.
TEST(NaturalStop, TextsAreThoseOfPlainGeneration) {
  constexpr std::int64_t kBound = 8;
  const Asked asked;
  const Tokenizer& tokenizer = asked.model.tokenizer();
  ASSERT_THAT(end_tokens(tokenizer), testing::ElementsAre(*tokenizer.eos()));
  const TokenIds full_stop = tokenizer.encode(".", SpecialTokens::kNone, Position::kContinuation).ids;
  ASSERT_EQ(full_stop.size(), 1u);
  std::size_t ended = 0;
  for (const TokenIds& ends : {end_tokens(tokenizer), TokenIds{*tokenizer.eos(), full_stop[0]}})
    for (const std::int64_t budget : {1, 4096}) {
      const std::vector<Answers> answers = asked.answer(ends, kBound, budget);
      for (std::size_t r = 0; r < answers.size(); ++r) {
        const std::string& prompt = *asked.questions[r].to_end.begin();
        GenerateOptions plain;
        plain.max_new = kBound;
        plain.stop = ends;
        const TokenIds ids = generate(asked.model, {prompt_ids(tokenizer, prompt, asked.form)}, plain)[0];
        const std::string text = tokenizer.decode(ids, true, Position::kContinuation);
        const EndedText& seen = answers[r].to_end.at(prompt);
        EXPECT_EQ(seen.text, text);
        EXPECT_EQ(seen.ended, static_cast<std::int64_t>(ids.size()) < kBound);
        EXPECT_EQ(seen.raw, seen.ended ? text + "." : text);
        EXPECT_EQ(is_whole_answer(seen, text), seen.ended);
        ended += seen.ended ? 1 : 0;
      }
    }
  EXPECT_EQ(ended, 12u);  // with the full stop all six, twice
}

// No more tokens than the model has positions for.
TEST(NaturalStop, KeepsWithinThePositions) {
  Model model = test::load_world("gpt2");
  Questions questions;
  questions.complete_to_end("Grullwen works as a");
  const RowForm form{model.tokenizer().automatic_prefix(), PromptForm::kRaw};
  const QuestionSheet sheet = ending_sheet(model.tokenizer(), {questions}, form, 1000, 20);
  EXPECT_EQ(sheet.max_new[0] + static_cast<std::int64_t>(sheet.prompts[0].size()), 20);
}

}  // namespace
}  // namespace emend
