#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/prompt_rows.h"
#include "eval/metric.h"
#include "measure/answer_engine.h"
#include "support/eval_world.h"
#include "support/world.h"

namespace emend {
namespace {

// 3 of 4 at the prompt; 1 of 2 and 0 of 2 at the paraphrases; the neighbour keeps its answer in 1 of 2.
TEST(Sampled, IsTheShareOfTextsThatBeginWithTheAnswer) {
  EvalRecord record;
  record.request = test::request_of("a", "Eiffel is in", "Eiffel", "Rome");
  record.request.was = "Paris";
  record.request.paraphrases = {"p1", "p2"};
  record.request.neighbours = {{"n1", "Paris"}, {"n2", "Rome"}};
  const auto metric = make_sampled_metric();
  Questions questions;
  metric->ask(record, questions);
  using Pair = Questions::Pair;
  EXPECT_THAT(questions.sampled, testing::ElementsAre(Pair("Eiffel is in", "Rome"), Pair("n1", "Paris"),
                                                      Pair("p1", "Rome"), Pair("p2", "Rome")));
  Answers answers;
  answers.samples = {{"Eiffel is in", {" Rome", " the Rome of", " Romeo", " Rome."}},
                     {"p1", {" Rome", " Paris"}},
                     {"p2", {" Paris", " not Rome"}},
                     {"n1", {" Paris", " Rome"}}};
  MetricValues values;
  metric->judge({record, answers, answers}, values);
  EXPECT_THAT(values, testing::UnorderedElementsAre(testing::Pair("efficacy_sampled", 0.75),
                                                    testing::Pair("paraphrase_sampled", 0.25),
                                                    testing::Pair("neighbourhood_sampled", 0.5)));
}

struct Drawn {
  Model model = test::load_world("llama");
  RowForm form{model.tokenizer().automatic_prefix(), PromptForm::kRaw};
  std::vector<EvalRecord> records = test::world_records(4);

  // The samples of records [begin, end).
  std::vector<Answers> answers(std::size_t begin, std::size_t end, double temperature, std::uint64_t seed,
                               std::int64_t budget) const {
    std::vector<Questions> questions;
    for (std::size_t r = begin; r < end; ++r) {
      questions.emplace_back();
      questions.back().sample(records[r].request.prompt, records[r].request.target);
    }
    AnswerOptions options;
    options.token_budget = budget;
    options.records = static_cast<std::int64_t>(questions.size());
    options.samples = true;
    options.draw = {temperature, 0, seed};
    return AnswerEngine(model, sampling_sheet(model.tokenizer(), questions, form, 5, 3, begin), options)
        .answer({})
        .front();
  }
};

// Draws are addressed by record, prompt and number: neither the batch nor the other records change them.
TEST(Sampled, TextsDoNotDependOnTheBatch) {
  const Drawn drawn;
  const std::vector<Answers> all = drawn.answers(0, 4, 1, 7, 4096), small = drawn.answers(0, 4, 1, 7, 1),
                             last = drawn.answers(3, 4, 1, 7, 4096), other = drawn.answers(0, 4, 1, 8, 4096);
  std::set<std::string> different;
  bool seed_matters = false;
  for (std::size_t r = 0; r < 4; ++r) {
    const std::string& prompt = drawn.records[r].request.prompt;
    ASSERT_EQ(all[r].samples.at(prompt).size(), 5u);
    EXPECT_EQ(all[r].samples, small[r].samples);
    seed_matters = seed_matters || all[r].samples != other[r].samples;
    different.insert(all[r].samples.at(prompt).begin(), all[r].samples.at(prompt).end());
  }
  EXPECT_EQ(last[0].samples, all[3].samples);
  EXPECT_TRUE(seed_matters);
  EXPECT_GT(different.size(), 4u) << "texts are drawn";
}

// Next to no temperature draws the greedy text.
TEST(Sampled, WithoutTemperatureTheTextIsTheGreedyOne) {
  const Drawn drawn;
  const std::vector<Answers> cold = drawn.answers(0, 4, 1e-4, 7, 4096);
  for (std::size_t r = 0; r < 4; ++r) {
    const EditRequest& request = drawn.records[r].request;
    Questions questions;
    questions.complete(request.prompt, request.target);
    AnswerOptions options;
    options.records = 1;
    const Answers greedy =
        AnswerEngine(drawn.model, question_sheet(drawn.model.tokenizer(), {questions}, drawn.form, 3),
                     options)
            .answer({})
            .front()
            .front();
    for (const std::string& text : cold[r].samples.at(request.prompt))
      EXPECT_EQ(text, greedy.completions.at(request.prompt));
  }
}

}  // namespace
}  // namespace emend
