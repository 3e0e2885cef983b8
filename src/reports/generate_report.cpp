#include "reports/generate_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/strings.h"
#include "report/display_text.h"
#include "report/numbers.h"
#include "report/table.h"

namespace emend {

std::string generated_text(const PromptOutcome& outcome, const std::string& prompt, PromptForm form,
                           std::size_t columns) {
  const std::string text = (form == PromptForm::kRaw ? prompt : "") + outcome.text + "\n";
  if (outcome.top.empty()) return text;
  Table table({{"next token"}, {"id", Align::kRight}, {"p", Align::kRight}, {"log p", Align::kRight}});
  for (const NextToken& token : outcome.top)
    table.add_row({quote(token.text), std::to_string(token.id), probability_text(std::exp(token.logprob)),
                   number_text(token.logprob, 4)});
  return text + "\n" + table.text(columns);
}

namespace {

ResultJson top_json(const PromptOutcome& outcome) {
  ResultJson top = ResultJson::array();
  for (const NextToken& token : outcome.top)
    top.push_back({{"id", token.id}, {"text", token.text}, {"logprob", token.logprob}});
  return top;
}

}  // namespace

ResultJson generated_json(const PromptOutcome& outcome, const std::string& prompt) {
  return {{"prompt", prompt},
          {"tokens", outcome.prompt},
          {"pieces", outcome.pieces},
          {"completion", outcome.text},
          {"completion_tokens", outcome.completion},
          {"ended", outcome.ended},
          {"top", top_json(outcome)}};
}

std::string compared_text(const PromptOutcome& base, const PromptOutcome& edited, std::size_t columns) {
  std::string text =
      "base:   " + one_line(trim(base.text)) + "\nedited: " + one_line(trim(edited.text)) + "\n";
  const std::size_t rows = std::max(base.top.size(), edited.top.size());
  if (rows == 0) return text;
  Table table({{"base"}, {"p", Align::kRight}, {"edited"}, {"p", Align::kRight}});
  const auto cells = [](const PromptOutcome& outcome, std::size_t row) -> std::vector<std::string> {
    if (row >= outcome.top.size()) return {"", ""};
    return {quote(outcome.top[row].text), probability_text(std::exp(outcome.top[row].logprob))};
  };
  for (std::size_t row = 0; row < rows; ++row) {
    std::vector<std::string> line = cells(base, row);
    for (const std::string& cell : cells(edited, row)) line.push_back(cell);
    table.add_row(line);
  }
  return text + "\n" + table.text(columns);
}

ResultJson compared_json(const PromptOutcome& base, const PromptOutcome& edited, const std::string& prompt) {
  ResultJson json = generated_json(edited, prompt);
  json["base"] = {{"completion", base.text},
                  {"completion_tokens", base.completion},
                  {"ended", base.ended},
                  {"top", top_json(base)}};
  return json;
}

std::string limit_remark(const PromptOutcome& outcome, std::int64_t asked, const Model& model) {
  if (outcome.max_new >= asked) return {};
  return fmt::format(
      "the option max-new {} goes beyond the model's {} positions: at most {} tokens follow this prompt",
      asked, model.config().max_positions, outcome.max_new);
}

std::string unended_remark(const PromptOutcome& outcome) {
  if (outcome.ended) return {};
  return fmt::format("not ended within {} token{}", outcome.max_new, outcome.max_new == 1 ? "" : "s");
}

}  // namespace emend
