#include "reports/edit_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/layer_number.h"
#include "base/strings.h"
#include "report/html.h"
#include "report/numbers.h"
#include "reports/bleed_report.h"
#include "reports/budget_report.h"
#include "reports/edit_charts.h"
#include "reports/edit_page_facts.h"
#include "reports/edit_report.h"
#include "reports/fact_report.h"
#include "reports/page.h"

namespace emend {
namespace {

using Data = nlohmann::ordered_json;
using Facts = std::vector<FactRecord>;

constexpr std::size_t kShownFacts = 200;

const char* const kSections = R"html({{#has_warnings}}
<section>
<h2>Warnings</h2>
<ul>
{{#warnings}}
<li>{{text}}</li>
{{/warnings}}
</ul>
</section>
{{/has_warnings}}
{{#checks}}
<section>
<h2>Checks</h2>
{{{checks}}}<p class="note">Efficacy, paraphrase and neighbourhood are shares of prompts that hold; drift is the perplexity of held text, edited over base; bleed the largest rise of p(target) at another subject.</p>
</section>
{{/checks}}
<section>
<h2>Facts</h2>
{{{facts}}}<p class="note">A fact holds if the target is likelier than the present answer and is the greedy continuation of the prompt. Probabilities are per token, in neighbours those of whole answers.</p>
{{{charts}}}</section>
{{#has_answers}}
<section>
<h2>Answers, before and after</h2>
<p class="note">A paraphrase holds if the target is likelier than the present answer, a neighbour if its own answer is likelier than the target. p(other): of the present answer, in neighbours of the target.</p>
{{#answers}}
<details{{#open}} open{{/open}}>
<summary><strong>{{id}}</strong> · {{prompt}} → <em>{{target}}</em>{{#lost}} · <span class="bad">{{lost}}</span>{{/lost}}</summary>
<div class="inside">{{{table}}}</div>
</details>
{{/answers}}
{{#more}}<p class="note">{{more}}</p>{{/more}}
</section>
{{/has_answers}}
{{#bleed}}
<section>
<h2>Other subjects</h2>
{{{bleed}}}</section>
{{/bleed}}
{{#solved}}
<section>
<h2>How it was solved</h2>
{{{solved}}}</section>
{{/solved}}
<section>
<h2>How it was made</h2>
{{{settings}}}
</section>
)html";

std::string checks_verdict(const Patch& patch) {
  std::vector<std::string> failed, unmeasured;
  for (const CheckResult& check : patch.checks) {
    if (!check.value)
      unmeasured.push_back(check.name);
    else if (!check.passed)
      failed.push_back(check.name);
  }
  std::string text =
      failed.empty() ? "Every check that was measured passed." : "Failed: " + join(failed) + ".";
  if (!patch.passed && !patch.edit.changes.empty()) text += " The patch is marked as failed.";
  if (!unmeasured.empty()) text += " Not measured: " + join(unmeasured) + ".";
  return text;
}

std::string summary(const EditOutcome& outcome) {
  if (outcome.nothing_to_do) return "Every target is the model's answer already: there is nothing to do.";
  const Facts& facts = outcome.patch.edit.facts;
  const HeldCounts counts = held_counts(facts);
  std::vector<std::string> parts = {part_text(counts.held_facts, counts.facts, "edits")};
  if (counts.paraphrases > 0)
    parts.push_back(part_text(counts.held_paraphrases, counts.paraphrases, "paraphrases"));
  if (counts.neighbours > 0)
    parts.push_back(part_text(counts.held_neighbours, counts.neighbours, "neighbours"));
  std::string text = join(parts) + " hold.";
  if (counts.paraphrases > 0)
    text += " The model says the target on " +
            part_text(counts.said_paraphrases, counts.paraphrases, "paraphrases.");
  const auto skipped = std::count_if(facts.begin(), facts.end(), [](const FactRecord& fact) {
    return fact.status == FactStatus::kAlreadyTrue;
  });
  if (skipped > 0) text += fmt::format(" True already, and left out: {}.", count_text(skipped));
  const std::vector<std::string> failed = failed_ids(outcome.patch.edit);
  if (!failed.empty()) text += " The search failed for " + join(failed) + ".";
  if (outcome.budget) {
    std::string budget = budget_text(*outcome.budget);
    budget.pop_back();  // the last line end
    std::replace(budget.begin(), budget.end(), '\n', ' ');
    text += " " + budget;
  }
  return text + " " + checks_verdict(outcome.patch);
}

std::string checks_section(const std::vector<CheckResult>& checks) {
  PageTable table{"Checks", "", {{"check"}, {"value"}, {"threshold"}, {"n"}, {"result"}}, {}};
  for (const CheckResult& check : checks)
    table.rows.push_back({{check.name},
                          {number_text(check.value, 4)},
                          {(is_upper_bound(check) ? "≤ " : "≥ ") + number_text(check.threshold, 4)},
                          {count_text(check.n)},
                          {verdict_text(check), !check.value   ? ""
                                                : check.passed ? "good"
                                                               : "bad"}});
  return checks.empty() ? "" : table_html(table);
}

std::string solutions_table(const Facts& facts) {
  PageTable table{"Search and update of each fact",
                  "Search and update of each fact. The norm is that of the change of the weights.",
                  {{"id", true},
                   {"layer"},
                   {"steps"},
                   {"loss"},
                   {"update norm"},
                   {"relative"},
                   {"reason of a failure", true}},
                  {}};
  for (const FactRecord& fact : facts) {
    if (fact.status == FactStatus::kAlreadyTrue) continue;
    table.rows.push_back({{fact.request.id},
                          {layers_text(fact)},
                          {std::to_string(fact.steps)},
                          {fact.is_edited() ? number_text(fact.loss) : "-"},
                          {number_text(fact.update_norm())},
                          {number_text(fact.relative_norm())},
                          {fact.reason, fact.reason.empty() ? "" : "bad"}});
  }
  return table.rows.empty() ? "" : table_html(table);
}

// "factors of rank 3", "dense".
std::string form_text(const WeightChange* change) {
  if (change == nullptr) return "-";
  return change->is_dense() ? "dense" : fmt::format("rank {}", change->A.size(0));
}

std::string weights_table(const Edit& edit) {
  PageTable table{"How each weight was solved",
                  "How each weight was solved. C is the second moment of its keys.",
                  {{"weight"},
                   {"change"},
                   {"rule"},
                   {"relative ridge"},
                   {"ridge"},
                   {"lambda"},
                   {"condition of C"},
                   {"with ridge"},
                   {"statistics", true}},
                  {}};
  for (const WeightSolve& solve : edit.solves) {
    const bool identity = solve.statistics_fingerprint.empty();
    table.rows.push_back({{weight_name(solve.weight)},
                          {form_text(edit.change_of(solve.weight))},
                          {std::string(to_string(solve.rule))},
                          {number_text(solve.relative_ridge)},
                          {number_text(solve.ridge)},
                          {number_text(solve.lambda)},
                          {number_text(solve.condition_of_moments)},
                          {number_text(solve.condition)},
                          {identity ? "C = I" : solve.statistics_fingerprint}});
  }
  return table.rows.empty() ? "" : table_html(table);
}

std::string times_text(const EditSeconds& seconds) {
  return fmt::format("load {}, statistics {}, search {}, solve {}, checks {}", human_seconds(seconds.load),
                     human_seconds(seconds.statistics), human_seconds(seconds.search),
                     human_seconds(seconds.solve), human_seconds(seconds.check));
}

std::string statistics_text(const EditOutcome& outcome) {
  if (!outcome.uses_statistics) return "none: C = I";
  if (outcome.statistics.empty()) return "none were needed";
  std::map<int, std::string> texts;
  for (const UsedStatistics& layer : outcome.statistics)
    texts[layer.layer] = fmt::format("{}; {} keys", layer.source, count_text(layer.tokens));
  return text_by_layer(texts);
}

std::string begin_text(const Patch& patch) {
  std::vector<std::string> ids;
  for (const std::int64_t id : patch.prefix) ids.push_back(std::to_string(id));
  return patch.bos + (ids.empty() ? " (nothing)" : " (token " + join(ids) + ")");
}

std::string settings(const EditOutcome& outcome) {
  const Patch& patch = outcome.patch;
  std::vector<std::pair<std::string, std::string>> rows = {
      {"model", patch.base_name},
      {"fingerprint", patch.edit.base_fingerprint},
      {"method", patch.edit.method},
      {"objective", std::string(to_string(patch.edit.objective))}};
  for (const auto& [name, value] : patch.edit.options) rows.emplace_back("option " + name, value);
  rows.emplace_back("statistics", statistics_text(outcome));
  rows.emplace_back("text begins with", begin_text(patch));
  rows.emplace_back("form of prompts", to_string(patch.form));
  rows.emplace_back("device", to_string(patch.conditions.devices));
  rows.emplace_back("type of the weights", to_string_or_empty(patch.conditions.dtype));
  if (const std::optional<std::uint64_t> seed = patch.conditions.seed)
    rows.emplace_back("seed", std::to_string(*seed));
  rows.emplace_back("token budget", count_text(patch.conditions.token_budget));
  rows.emplace_back("time", times_text(outcome.seconds));
  return settings_html(rows);
}

Data body_data(const EditOutcome& outcome) {
  const Edit& edit = outcome.patch.edit;
  Data warnings = Data::array();
  for (const std::string& warning : edit.warnings) warnings.push_back({{"text", warning}});
  const FactAnswers answers = fact_answers(edit.facts, kShownFacts);
  const std::vector<TitledChart> charts = answer_charts(edit.facts), norms = norm_charts(edit.facts);
  const std::string solved = solutions_table(edit.facts) + (norms.empty() ? "" : charts_html(norms)) +
                             weights_table(edit) + protection_html(edit);
  return {
      {"has_warnings", !warnings.empty()},
      {"warnings", warnings},
      {"checks", or_false(checks_section(outcome.patch.checks))},
      {"facts", facts_table(edit.facts)},
      {"charts", charts.empty() ? "" : charts_html(charts)},
      {"has_answers", answers.measured > 0},
      {"answers", answers.shown},
      {"more", answers.measured > kShownFacts
                   ? Data(fmt::format("{} more facts are in the table above and in the JSON.",
                                      count_text(static_cast<std::int64_t>(answers.measured - kShownFacts))))
                   : Data(false)},
      {"bleed", or_false(bleed_html(edit.facts))},
      {"solved", or_false(solved)},
      {"settings", settings(outcome)}};
}

}  // namespace

std::string edit_page(const EditOutcome& outcome) {
  const Patch& patch = outcome.patch;
  Page page;
  page.title = "Edits of " + patch.base_name;
  page.subtitle = method_line(patch.edit.method, patch.edit.objective, outcome.uses_statistics);
  page.summary = summary(outcome);
  page.version = patch.emend_version;
  page.body = fill_template(kSections, body_data(outcome));
  return page_html(page);
}

}  // namespace emend
