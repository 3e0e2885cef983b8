#include "reports/generate_report.h"

#include <fmt/format.h>

#include <cmath>

#include "base/strings.h"
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

ResultJson generated_json(const PromptOutcome& outcome, const std::string& prompt) {
  ResultJson top = ResultJson::array();
  for (const NextToken& token : outcome.top)
    top.push_back({{"id", token.id}, {"text", token.text}, {"logprob", token.logprob}});
  return {{"prompt", prompt},
          {"tokens", outcome.prompt},
          {"pieces", outcome.pieces},
          {"completion", outcome.text},
          {"completion_tokens", outcome.completion},
          {"top", top}};
}

std::string limit_remark(const PromptOutcome& outcome, std::int64_t asked, const Model& model) {
  if (outcome.max_new >= asked) return {};
  return fmt::format(
      "the option max-new {} goes beyond the model's {} positions: at most {} tokens follow this prompt",
      asked, model.config().max_positions, outcome.max_new);
}

}  // namespace emend
