#include "reports/memory_set_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/page.h"

namespace emend {
namespace {

std::string next_text(const SetSide& side, std::size_t k) {
  if (k >= side.top.size()) return "";
  return fmt::format("{} {}", quote(side.top[k].text), probability_text(std::exp(side.top[k].logprob)));
}

std::string change_sentence(const SetOutcome& outcome) {
  return fmt::format(
      "KL of the next token at the prompt's end {} nats, mean {}, largest {}. Perplexity of the prompt and "
      "the "
      "unchanged completion: {} unchanged, {} changed.",
      number_text(outcome.kl_at_end), number_text(outcome.kl_mean), number_text(outcome.kl_largest),
      number_text(outcome.unchanged.perplexity), number_text(outcome.changed.perplexity));
}

// Whether a setting is of a token that either text has.
bool is_reached(const MemorySetting& setting, std::int64_t prompt, std::int64_t tokens) {
  if (setting.where == MemorySetting::Where::kGenerated) return tokens > prompt;
  if (setting.where != MemorySetting::Where::kListed) return true;
  return std::any_of(setting.positions.begin(), setting.positions.end(),
                     [&](std::int64_t position) { return position < tokens; });
}

// Settings that changed nothing, as both texts ended in front of their positions.
std::string idle_sentences(const SetOutcome& outcome) {
  const auto prompt = static_cast<std::int64_t>(outcome.ids.size());
  const auto written = static_cast<std::int64_t>(
      std::max(outcome.unchanged.completion.size(), outcome.changed.completion.size()));
  std::string text;
  for (const SetOutcome::Applied& one : outcome.settings)
    if (!is_reached(one.setting, prompt, prompt + written))
      text += fmt::format("{} changed nothing: the texts end with position {}.\n", to_string(one.setting),
                          prompt + written - 1);
  return text;
}

ResultJson side_json(const SetSide& side) {
  ResultJson top = ResultJson::array();
  for (const NextToken& token : side.top)
    top.push_back({{"id", token.id}, {"text", token.text}, {"logprob", token.logprob}});
  return {{"completion", side.text},
          {"completion_tokens", side.completion},
          {"top", top},
          {"perplexity", side.perplexity}};
}

}  // namespace

std::string memory_set_text(const SetOutcome& outcome, const SetOptions& options, std::size_t columns) {
  Table settings({{"setting"}, {"m before", Align::kRight}, {"m set", Align::kRight}});
  for (const SetOutcome::Applied& one : outcome.settings)
    settings.add_row({to_string(one.setting), number_text(one.before), number_text(one.after)});
  Table next({{"next token, unchanged"}, {"changed"}});
  for (std::size_t k = 0; k < std::max(outcome.unchanged.top.size(), outcome.changed.top.size()); ++k)
    next.add_row({next_text(outcome.unchanged, k), next_text(outcome.changed, k)});
  return fmt::format("{}\nunchanged: {}{}\nchanged:   {}{}\n\n{}\n{}\n{}", settings.text(columns),
                     options.prompt, outcome.unchanged.text, options.prompt, outcome.changed.text,
                     next.text(columns), change_sentence(outcome), idle_sentences(outcome));
}

ResultJson memory_set_json(const SetOutcome& outcome, const SetOptions& options, const Model& model) {
  ResultJson settings = ResultJson::array();
  for (const SetOutcome::Applied& one : outcome.settings)
    settings.push_back({{"setting", to_string(one.setting)},
                        {"cell", to_string(one.setting.cell)},
                        {"before", one.before},
                        {"after", one.after}});
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"prompt", options.prompt},
          {"ids", outcome.ids},
          {"settings", settings},
          {"unchanged", side_json(outcome.unchanged)},
          {"changed", side_json(outcome.changed)},
          {"kl_at_end", outcome.kl_at_end},
          {"kl_mean", outcome.kl_mean},
          {"kl_largest", outcome.kl_largest}};
}

std::string memory_set_page(const SetOutcome& outcome, const SetOptions& options, const Model& model) {
  PageTable texts{"texts", "", {{"model"}, {"what it writes", true}, {"perplexity"}}, {}};
  for (const auto& [name, side] : {std::pair("unchanged", &outcome.unchanged), {"changed", &outcome.changed}})
    texts.rows.push_back(
        {{name}, {options.prompt + side->text, "model-text"}, {number_text(side->perplexity)}});
  PageTable settings{"settings", "", {{"setting"}, {"coefficient before"}, {"set to"}}, {}};
  for (const SetOutcome::Applied& one : outcome.settings)
    settings.rows.push_back({{to_string(one.setting)}, {number_text(one.before)}, {number_text(one.after)}});
  PageTable next{"next tokens", "", {{"rank"}, {"unchanged", true}, {"changed", true}}, {}};
  for (std::size_t k = 0; k < std::max(outcome.unchanged.top.size(), outcome.changed.top.size()); ++k)
    next.rows.push_back({{std::to_string(k + 1)},
                         {next_text(outcome.unchanged, k), "model-text"},
                         {next_text(outcome.changed, k), "model-text"}});
  Page page;
  page.title = "Cells set by hand";
  page.subtitle = options.prompt;
  page.summary = change_sentence(outcome);
  page.body = "<section>\n<h2>Texts</h2>\n" + table_html(texts) +
              "</section>\n<section>\n<h2>Settings</h2>\n" + table_html(settings) +
              "</section>\n<section>\n<h2>The next token</h2>\n" + table_html(next) +
              "</section>\n<section>\n<h2>How this was made</h2>\n" +
              settings_html({{"model", model.path().string()},
                             {"fingerprint of the model", model.fingerprint()},
                             {"text begins with", options.bos}}) +
              "</section>\n";
  return page_html(page);
}

}  // namespace emend
