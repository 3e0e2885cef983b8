#include "emend/abilities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "../base/expect_error.h"
#include "../base/temp_folder.h"
#include "analysis/prompt_rows.h"
#include "base/json.h"
#include "eval/results/mcnemar.h"
#include "support/eval_world.h"
#include "support/world.h"

namespace emend {
namespace {

using test::TempFolder;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Pointwise;

std::filesystem::path data_file(const std::string& name) {
  return test::data_path("abilities/" + name);
}

AbilityTask task_of(const std::string& text) {
  const TempFolder folder;
  return read_ability_tasks({folder.write("x.jsonl", text)}).front();
}

std::string refusal(const std::string& text) {
  return test::error_of(ErrorKind::kFormat, [&] { task_of(text); });
}

// n = 9, 1 lost: 2 (1 + 9) / 2^9. n = 5, none lost: 2 / 2^5. n = 20, 5 lost: 2 * 21700 / 2^20.
TEST(McNemar, IsTwiceTheTailOfTheBinomial) {
  EXPECT_NEAR(mcnemar_exact_p(1, 8), 0.0390625, 1e-12);
  EXPECT_NEAR(mcnemar_exact_p(8, 1), 0.0390625, 1e-12);
  EXPECT_NEAR(mcnemar_exact_p(0, 5), 0.0625, 1e-12);
  EXPECT_NEAR(mcnemar_exact_p(5, 15), 0.04138946533203125, 1e-12);
  EXPECT_EQ(mcnemar_exact_p(0, 0), 1);
  EXPECT_EQ(mcnemar_exact_p(3, 3), 1);
  EXPECT_NEAR(mcnemar_exact_p(3, 4), 1, 1e-12);
}

// 10,000 fair throws: the standard deviation is 50, and 4,900 lie 1.99 of it below the mean (with half a
// throw as correction).
TEST(McNemar, StaysExactForManyItems) {
  EXPECT_NEAR(mcnemar_exact_p(4900, 5100), std::erfc(1.99 / std::sqrt(2.0)), 2e-4);
  EXPECT_NEAR(mcnemar_exact_p(5000, 5000), 1, 1e-9);
}

TEST(AbilityTasks, AreWordedAsTheHarnessWordsThem) {
  const Json recorded = read_json_file(data_file("harness.json"))["tasks"];
  for (const std::string name : {"arc", "boolq", "hellaswag", "mmlu", "piqa"}) {
    const AbilityTask task = read_ability_tasks({data_file(name + ".jsonl")}).front();
    EXPECT_EQ(task.name, name);
    const Json& items = recorded[name]["items"];
    ASSERT_EQ(task.items.size(), items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
      EXPECT_EQ(task.items[i].context, items[i]["context"].get<std::string>());
      for (std::size_t c = 0; c < task.items[i].choices.size(); ++c)
        EXPECT_EQ(" " + task.items[i].choices[c], items[i]["continuations"][c].get<std::string>());
    }
  }
}

TEST(AbilityTasks, TellFormsByTheirKeys) {
  EXPECT_EQ(task_of(R"({"goal": "g", "sol1": "a", "sol2": "b", "label": 1})").form, "PIQA");
  const AbilityTask mmlu =
      task_of(R"([{"question": " q ", "subject": "a_b", "choices": ["w", "x", "y", "z"], "answer": "C"}])");
  EXPECT_EQ(mmlu.form, "MMLU");
  EXPECT_FALSE(mmlu.normalised);
  EXPECT_EQ(mmlu.items[0].right, 2u);
  EXPECT_THAT(mmlu.items[0].where, EndsWith("x.jsonl: record 0"));
  EXPECT_EQ(mmlu.items[0].context,
            "The following are multiple choice questions (with answers) about a b.\n\nq\nA. w\nB. x\nC. y\n"
            "D. z\nAnswer:");
  const AbilityTask boolq = task_of(
      "{\"question\": \"q\", \"passage\": \"p\", \"answer\": true}\n\n{\"question\": \"q\", "
      "\"passage\": \"p\", \"label\": 0}\n");
  EXPECT_EQ(boolq.form, "BoolQ");
  EXPECT_EQ(boolq.items[0].right, 1u);
  EXPECT_EQ(boolq.items[1].right, 0u);
  EXPECT_THAT(boolq.items[1].where, EndsWith("x.jsonl:3"));
}

// Python: "ÉTÉ d'hiver".capitalize() is "Été d'hiver"; marks in brackets go, once two blanks become one.
TEST(AbilityTasks, CleanHellaSwagAsItsTaskDoes) {
  const AbilityTask task = task_of(
      R"([{"activity_label": "A", "ctx_a": "x [a] y [title] z.", "ctx_b": "ÉTÉ D'hiver [b", "label": "0",
          "endings": [" one   two ", "[c]d[e\n]"]}])");
  EXPECT_EQ(task.items[0].context, "A: x y. z. Été d'hiver [b");
  EXPECT_THAT(task.items[0].choices, ElementsAre("one  two", "d[e\n]"));
}

TEST(AbilityTasks, RefuseWhatIsOfNoForm) {
  EXPECT_THAT(
      refusal(R"({"prompt": "x"})"),
      EndsWith("x.jsonl:1: the item is of none of the forms MMLU, ARC, HellaSwag, BoolQ, PIQA; it has the "
               "keys prompt"));
  EXPECT_THAT(refusal(R"({"question": "q", "choices": {"text": ["a", "b"], "label": ["A", "B"]}})"),
              HasSubstr("the nearest is ARC, of which \"answerKey\" is missing"));
  EXPECT_THAT(refusal(R"({"passage": "p", "question": "q"})"),
              HasSubstr("the nearest is BoolQ, of which \"label\" or \"answer\" is missing"));
  EXPECT_THAT(
      refusal("{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\", \"label\": 1}\n\n{\"goal\": \"g\"}\n"),
      EndsWith("x.jsonl:3: \"sol1\", \"sol2\", \"label\" is missing; the file began with items of PIQA"));
  EXPECT_THAT(refusal(R"({"question": "q", "choices": ["a"], "subject": "s", "answer": 0})"),
              HasSubstr("x.jsonl:1: \"choices\" must be a list of four texts"));
  EXPECT_THAT(
      refusal(R"({"question": "q", "choices": {"text": ["a", "b"], "label": ["A"]}, "answerKey": "A"})"),
      HasSubstr("\"choices\" must be as many labels as texts"));
  EXPECT_THAT(
      refusal(R"({"question": "q", "choices": {"text": ["a", "b"], "label": ["B", "B"]}, "answerKey": "B"})"),
      HasSubstr("labels that are all different"));
  EXPECT_THAT(refusal(R"({"question": "q", "choices": {"text": ["a"], "label": ["A"]}, "answerKey": "A"})"),
              EndsWith("x.jsonl:1: the item has 1 choice, and needs two or more"));
  EXPECT_THAT(refusal(R"({"goal": "g", "sol1": "a", "sol2": "", "label": 1})"),
              EndsWith("x.jsonl:1: choice 1 (from 0) is an empty text"));
  EXPECT_THAT(refusal(R"({"goal": "g", "sol1": "a", "sol2": 5, "label": 1})"),
              HasSubstr("x.jsonl:1: \"sol2\" must be a string"));
  EXPECT_THAT(
      refusal(R"({"activity_label": "A", "ctx_a": "x", "ctx_b": "xİ", "label": 0, "endings": ["a", "b"]})"),
      HasSubstr("x.jsonl:1: \"ctx_b\" must be a text that can be written with one capital"));
  EXPECT_THAT(refusal("[]"), EndsWith("x.jsonl: the file holds no items"));
}

TEST(AbilityTasks, RefuseItemsWithoutARightAnswer) {
  EXPECT_THAT(refusal(R"({"goal": "g", "sol1": "a", "sol2": "b", "label": -1})"),
              EndsWith("x.jsonl:1: the item has no right answer: \"label\" is -1"));
  EXPECT_THAT(
      refusal(R"({"activity_label": "A", "ctx_a": "x", "ctx_b": "", "label": "", "endings": ["a", "b"]})"),
      EndsWith("x.jsonl:1: the item has no right answer: \"label\" is \"\""));
  EXPECT_THAT(
      refusal(R"({"question": "q", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "C"})"),
      EndsWith("x.jsonl:1: the item has no right answer: \"answerKey\" is \"C\""));
  EXPECT_THAT(refusal(R"({"question": "q", "subject": "s", "choices": ["w", "x", "y", "z"], "answer": 4})"),
              HasSubstr("the item has no right answer: \"answer\" is 4"));
}

std::vector<AbilityTask> all_tasks() {
  return read_ability_tasks({data_file("arc.jsonl"), data_file("boolq.jsonl"), data_file("hellaswag.jsonl"),
                             data_file("mmlu.jsonl"), data_file("piqa.jsonl")});
}

// Item by item what lm-evaluation-harness got from `transformers` (tools/fixtures/harness_reference.py).
TEST(Abilities, AgreeWithTheHarness) {
  const Json recorded = read_json_file(data_file("harness.json"))["tasks"];
  Model model = test::load_world("llama");
  const AbilityOutcome outcome = measure_abilities(model, all_tasks(), {});
  std::int64_t cut = 0;
  for (const AbilityResult& task : outcome.tasks) {
    const Json& items = recorded[task.name]["items"];
    for (std::size_t i = 0; i < items.size(); ++i) {
      const ItemAnswer& answer = task.items[i].before;
      EXPECT_THAT(answer.loglikelihoods,
                  Pointwise(DoubleNear(1e-4), items[i]["loglikelihoods"].get<std::vector<double>>()))
          << task.items[i].where;
      EXPECT_EQ(answer.chosen == task.items[i].right, items[i]["acc"] == 1.0) << task.items[i].where;
      if (!items[i].contains("acc_norm")) continue;
      EXPECT_EQ(answer.chosen_normalised == task.items[i].right, items[i]["acc_norm"] == 1.0)
          << task.items[i].where;
    }
    const Json& figures = recorded[task.name]["figures"];
    ASSERT_EQ(task.figures.size(), figures.size());
    for (const AbilityFigure& figure : task.figures)
      EXPECT_NEAR(figure.before.mean, figures[figure.metric].get<double>(), 1e-6);
    cut += task.cut;
  }
  EXPECT_GE(cut, 1);  // one item of MMLU is longer than the model's positions
  EXPECT_FALSE(outcome.edited);
}

// Plain passes over one row at a time, before and after; the figures counted anew from them.
TEST(Abilities, BeforeAndAfterAnEditArePaired) {
  Model model = test::load_world("gpt2");
  const std::vector<AbilityTask> tasks = all_tasks();
  const std::vector<WeightChange> changes = test::formula_change(model, 2, 0, 8);
  AbilityOptions options;
  options.bootstrap = {3, 500};
  const AbilityOutcome outcome = measure_abilities(model, tasks, changes, options);
  const TokenIds prefix = model.tokenizer().automatic_prefix();
  const auto likelihood = [&](const ChoiceItem& item, const std::string& choice) {
    const auto ids = [&](const std::string& text) {
      return prompt_ids(model.tokenizer(), text, {prefix, PromptForm::kRaw});
    };
    const TokenIds context = ids(item.context), whole = ids(item.context + " " + choice);
    const TokenIds target(whole.begin() + static_cast<std::ptrdiff_t>(context.size()), whole.end());
    return -score_continuations(model, {context}, {{0, target}})[0].nll * static_cast<double>(target.size());
  };
  const AbilityTask& task = tasks[0];
  const AbilityResult& result = outcome.tasks[0];
  const auto expect_plain = [&](const auto& answer_of) {
    for (std::size_t i = 0; i < task.items.size(); ++i)
      for (std::size_t c = 0; c < task.items[i].choices.size(); ++c)
        EXPECT_NEAR(answer_of(result.items[i]).loglikelihoods[c],
                    likelihood(task.items[i], task.items[i].choices[c]), 1e-4);
  };
  expect_plain([](const ItemOutcome& item) { return item.before; });
  {
    const ScopedEdit scope(model, changes);
    expect_plain([](const ItemOutcome& item) { return *item.after; });
  }
  std::int64_t before = 0, after = 0, lost = 0, gained = 0, items = 0;
  for (const AbilityResult& one : outcome.tasks)
    for (const ItemOutcome& item : one.items) {
      const bool was = item.before.chosen == item.right, is = item.after->chosen == item.right;
      ++items;
      before += was;
      after += is;
      lost += was && !is;
      gained += is && !was;
    }
  ASSERT_TRUE(outcome.all && outcome.all->paired);
  EXPECT_NEAR(outcome.all->before.mean, static_cast<double>(before) / static_cast<double>(items), 1e-12);
  EXPECT_NEAR(outcome.all->after->mean, static_cast<double>(after) / static_cast<double>(items), 1e-12);
  EXPECT_EQ(outcome.all->lost, lost);
  EXPECT_EQ(outcome.all->gained, gained);
  EXPECT_GT(lost + gained, 0);  // the edit does something
  EXPECT_NEAR(outcome.all->p, mcnemar_exact_p(lost, gained), 1e-12);
  EXPECT_LE(outcome.all->paired->low, outcome.all->paired->difference);
  EXPECT_GE(outcome.all->paired->high, outcome.all->paired->difference);
}

TEST(Abilities, DoNotDependOnTheTokenBudget) {
  Model model = test::load_world("llama");
  AbilityOptions small;
  small.token_budget = 1;
  const AbilityOutcome one = measure_abilities(model, all_tasks(), {}),
                       two = measure_abilities(model, all_tasks(), {}, small);
  for (std::size_t t = 0; t < one.tasks.size(); ++t)
    for (std::size_t i = 0; i < one.tasks[t].items.size(); ++i)
      EXPECT_THAT(one.tasks[t].items[i].before.loglikelihoods,
                  Pointwise(DoubleNear(1e-4), two.tasks[t].items[i].before.loglikelihoods));
}

// Figures, items and the files for the harness are told apart by the name of the task.
TEST(Abilities, RefuseTwoFilesOfOneName) {
  const test::TempFolder folder;
  const std::string item = R"({"goal": "g", "sol1": "a", "sol2": "b", "label": 1})";
  const auto file = folder.write("arc.jsonl", item);
  EXPECT_THAT(test::error_of(ErrorKind::kConfig,
                             [&] {
                               read_ability_tasks({file, data_file("arc.jsonl")});
                             }),
              HasSubstr("arc.jsonl: both tasks would be called \"arc\""));
  test::error_of(ErrorKind::kConfig, [&] { read_ability_tasks({file, file}); });
}

TEST(Abilities, RefuseWhatCannotBeAsked) {
  Model model = test::load_world("llama");
  test::error_of(ErrorKind::kUsage, [&] { measure_abilities(model, {}, {}); });
  AbilityTask task = task_of(R"({"goal": "g", "sol1": "a", "sol2": "b", "label": 1})");
  for (int i = 0; i < 200; ++i) task.items[0].choices[1] += " x";
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { measure_abilities(model, {task}, {}); }),
              HasSubstr("x.jsonl:1: a choice of 401 tokens does not fit into the model's 128 positions"));
  task = task_of(R"({"activity_label": "A", "ctx_a": "x", "ctx_b": "", "label": 0, "endings": ["a", "b"]})");
  task.items[0].context = "";
  AbilityOptions bare;
  bare.bos = "none";
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { measure_abilities(model, {task}, {}, bare); }),
              HasSubstr("the context has no tokens"));
}

}  // namespace
}  // namespace emend
