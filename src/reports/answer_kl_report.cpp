#include "reports/answer_kl_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/numbers.h"
#include "report/table.h"

namespace emend {
namespace {

std::vector<std::string> column_cells(const std::string& name, const AnswerKlColumn& column) {
  return {name, count_text(column.n), number_text(column.mean), number_text(column.largest),
          number_text(100 * column.same_top)};
}

struct Furthest {
  const AnswerKlQuestion* question = nullptr;
  std::size_t token = 0;
};

Furthest furthest_token(const std::vector<AnswerKlQuestion>& questions) {
  Furthest found;
  double largest = -1;
  for (const AnswerKlQuestion& question : questions)
    for (std::size_t j = 0; j < question.tokens.size(); ++j)
      if (question.tokens[j].kl > largest) {
        largest = question.tokens[j].kl;
        found = {&question, j};
      }
  return found;
}

std::string mean_text(const PairedDifference& mean) {
  if (mean.n == 0) return "No answer has a content token: nothing was measured.\n";
  std::string text = fmt::format("Mean over questions: {} nats a token", number_text(mean.b));
  if (mean.n > 1)
    text += fmt::format(", 95 % interval [{}, {}]", number_text(mean.low, 3), number_text(mean.high, 3));
  return text + ".\n";
}

ResultJson json_of(const AnswerKlColumn& column) {
  return {{"n", column.n}, {"mean", column.mean}, {"largest", column.largest}, {"same_top", column.same_top}};
}

ResultJson json_of(const AnswerKlQuestion& question) {
  ResultJson tokens = ResultJson::array();
  for (const AnswerKlToken& token : question.tokens)
    tokens.push_back({{"text", token.text}, {"kl", token.kl}, {"same_top", token.same_top}});
  return {{"question", question.question}, {"answer", question.answer}, {"tokens", tokens}};
}

}  // namespace

std::string answer_kl_text(const AnswerKlReport& report, std::size_t columns) {
  Table table({{"content token"},
               {"n", Align::kRight},
               {"mean KL", Align::kRight},
               {"largest", Align::kRight},
               {"same top, %", Align::kRight}});
  const auto& by_token = report.figures.by_token;
  for (std::size_t j = 0; j < by_token.size(); ++j)
    table.add_row(column_cells(std::to_string(j + 1), by_token[j]));
  table.add_row(column_cells("all", report.figures.all));
  const auto empty = std::count_if(report.questions.begin(), report.questions.end(),
                                   [](const AnswerKlQuestion& question) { return question.tokens.empty(); });
  std::string text = table.text(columns) + mean_text(report.figures.per_question);
  text += fmt::format(
      "KL(unedited || edited) in nats in front of each content token of the unedited model's own answers to "
      "{} questions in the {} form\n(special tokens and white space are passed over; at most {} tokens of "
      "each answer).\n",
      count_text(static_cast<std::int64_t>(report.questions.size())), to_string(report.options.form),
      report.options.tokens);
  if (empty > 0) text += fmt::format("{} of them are answered without content, and do not count.\n", empty);
  if (const Furthest far = furthest_token(report.questions); far.question != nullptr)
    text += fmt::format("Furthest: {} nats in front of {}, token {} of {}, the answer to {}.\n",
                        number_text(far.question->tokens[far.token].kl),
                        quote(far.question->tokens[far.token].text, 30), far.token + 1,
                        quote(far.question->answer), quote(far.question->question));
  return text;
}

ResultJson answer_kl_json(const AnswerKlReport& report, const Model& model) {
  ResultJson questions = ResultJson::array(), by_token = ResultJson::array();
  for (const AnswerKlQuestion& question : report.questions) questions.push_back(json_of(question));
  for (const AnswerKlColumn& column : report.figures.by_token) by_token.push_back(json_of(column));
  const PairedDifference& mean = report.figures.per_question;
  const auto measured = [&](double value) { return mean.n > 0 ? ResultJson(value) : ResultJson(nullptr); };
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"patches", report.patches},
          {"form", to_string(report.options.form)},
          {"answer_tokens", report.options.tokens},
          {"by_token", by_token},
          {"all", json_of(report.figures.all)},
          {"per_question",
           {{"n", mean.n},
            {"mean", measured(mean.b)},
            {"low", measured(mean.low)},
            {"high", measured(mean.high)}}},
          {"draws", report.options.bootstrap.draws},
          {"seed", report.options.bootstrap.seed},
          {"questions", questions}};
}

}  // namespace emend
