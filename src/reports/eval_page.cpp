#include "reports/eval_page.h"

#include <cmath>

#include "base/layer_number.h"
#include "base/strings.h"
#include "report/html.h"
#include "report/numbers.h"
#include "reports/eval_charts.h"
#include "reports/eval_curve.h"
#include "reports/eval_tables.h"
#include "reports/eval_worst_cases.h"
#include "reports/page.h"

namespace emend {
namespace {

using Data = nlohmann::ordered_json;

const char* const kSections = R"html({{#sections}}
<section>
<h2>{{title}}</h2>
{{{table}}}
<p class="note">{{note}}</p>
</section>
{{/sections}}
{{#has_intervals}}
<section>
<h2>Means with their intervals</h2>
<p class="note">A mark is the mean over records, the line through it the 95 % interval.</p>
{{{intervals}}}</section>
{{/has_intervals}}
{{#has_curve}}
<section>
<h2>Along the sequence</h2>
<p class="note">Edits go onto the same model one after the other. After so many edits (on a logarithmic axis) each point is the mean over all records so far, the band its 95 % interval.</p>
{{{curve}}}{{#curve_sections}}
<h3>{{title}}</h3>
{{{table}}}
<p class="note">{{note}}</p>
{{/curve_sections}}
</section>
{{/has_curve}}
{{#has_retention}}
<section>
<h2>Retention</h2>
<p class="note">Edits go onto the same model one after the other; each point is the mean over all records edited so far, the band its 95 % interval.</p>
{{{retention}}}</section>
{{/has_retention}}
{{#has_histograms}}
<section>
<h2>Distributions</h2>
<p class="note">Each prompt counts once. Bars: after the edit; dashed outline: before.</p>
{{#histograms}}
<h3>{{title}}</h3>
<p class="note">{{note}}</p>
{{{charts}}}{{/histograms}}
</section>
{{/has_histograms}}
{{#worst}}
<section>
<h2>Worst cases: {{run}}</h2>
<p class="note">In front of each prompt: probability of the expected answer less that of the other one, after the edit.</p>
{{#kinds}}
<h3>{{title}} ({{count}})</h3>
<p class="note">{{meaning}}</p>
{{#cases}}
<details{{#first}} open{{/first}}>
<summary><strong>{{margin}}</strong> · {{prompt}} → <em>{{expected}}</em></summary>
<div class="inside">
{{#reason}}<p><span class="bad">Failed:</span> {{reason}}</p>{{/reason}}
{{#warnings}}<p><span class="bad">Warning:</span> {{text}}</p>{{/warnings}}
{{{answers}}}
<p class="note">{{about}}</p>
</div>
</details>
{{/cases}}
{{#rest}}<p class="note">{{rest}}</p>{{/rest}}
{{/kinds}}
</section>
{{/worst}}
<section>
<h2>How it was made</h2>
{{#runs}}
<details open>
<summary>{{name}}</summary>
<div class="inside">{{{settings}}}</div>
</details>
{{/runs}}
</section>
)html";

Data texts(const std::vector<std::string>& strings) {
  Data list = Data::array();
  for (const std::string& text : strings) list.push_back({{"text", text}});
  return list;
}

Data sections_data(const std::vector<SummarySection>& sections) {
  Data list = Data::array();
  for (const SummarySection& section : sections) {
    PageTable table{section.title, "", {}, {}};
    for (const std::string& column : section.columns) table.columns.push_back({column});
    for (const std::vector<std::string>& row : section.rows) {
      std::vector<PageCell>& cells = table.rows.emplace_back();
      for (const std::string& text : row) cells.push_back({text});
    }
    list.push_back({{"title", section.title}, {"note", section.note}, {"table", table_html(table)}});
  }
  return list;
}

Data distributions_data(const std::vector<EvalResults>& runs) {
  Data list = Data::array();
  for (const Distribution& distribution : distributions(runs))
    list.push_back({{"title", distribution.title},
                    {"note", distribution.note},
                    {"charts", charts_html(distribution.charts)}});
  return list;
}

const char* yes_no(bool yes) {
  return yes ? "yes" : "no";
}

const char* verdict_style(bool good) {
  return good ? "good" : "bad";
}

// For prompts and paraphrases argmax and generated are about the target, for neighbours about their own
// answer.
std::string answers_table(const RecordResult& record, const AnswerTrace& trace) {
  const bool neighbour = trace.role == "neighbour";
  const std::string expected = neighbour ? trace.answer : record.target;
  PageTable table{"Answers", "", {{"", true}, {"before", true}, {"after", true}}, {}};
  const auto probabilities = [&](const std::string& answer, double before, double after) {
    table.rows.push_back({{"p(" + answer + ")"}, {probability_text(before)}, {probability_text(after)}});
  };
  const auto verdicts = [&](const std::string& name, bool before, bool after) {
    table.rows.push_back({{name + " " + expected}, {yes_no(before)}, {yes_no(after), verdict_style(after)}});
  };
  table.rows.push_back({{"text"}, {trace.before.text, "model-text"}, {trace.after.text, "model-text"}});
  probabilities(record.target, trace.before.p_target, trace.after.p_target);
  if (!trace.answer.empty()) probabilities(trace.answer, trace.before.p_answer, trace.after.p_answer);
  verdicts("greedy continuation is", trace.before.argmax, trace.after.argmax);
  verdicts("text begins with", trace.before.generated, trace.after.generated);
  return table_html(table);
}

std::string margin_text(double margin) {
  if (!std::isfinite(margin)) return "not measured";
  return (margin < 0 ? "\u2212" : "+") + probability_text(std::abs(margin));
}

std::string about(const RecordResult& record) {
  return "Record " + record.id + ", subject " + record.subject + ": " + record.was + " → " + record.target +
         ", " + layer_names(record.layers.empty() ? std::vector<int>{record.layer} : record.layers) + ", " +
         std::to_string(record.steps) + " steps, loss " + number_text(record.loss) + ", relative norm " +
         number_text(record.relative_norm);
}

Data case_data(const WorstCase& worst) {
  const RecordResult& record = *worst.record;
  const bool asked = worst.answer != nullptr;
  const bool neighbour = asked && worst.answer->role == "neighbour";
  return {{"margin", asked ? margin_text(worst.margin) : "no update"},
          {"prompt", asked ? worst.answer->prompt : record.prompt},
          {"expected", neighbour ? worst.answer->answer : record.target},
          {"reason", record.reason.empty() ? Data(nullptr) : Data(record.reason)},
          {"warnings", texts(record.warnings)},
          {"answers", asked ? answers_table(record, *worst.answer) : ""},
          {"about", about(record)}};
}

Data kind_data(const WorstCases& kind, std::size_t most) {
  Data cases = Data::array();
  for (const WorstCase& worst : kind.cases) {
    if (cases.size() == most) break;
    cases.push_back(case_data(worst));
    cases.back()["first"] = cases.size() == 1;
  }
  const std::string total = count_text(static_cast<std::int64_t>(kind.cases.size()));
  const bool all = cases.size() == kind.cases.size();
  return {{"title", kind.title},
          {"count", kind.cases.empty() ? "none" : total},
          {"meaning", kind.meaning},
          {"cases", cases},
          {"rest",
           all ? Data(nullptr)
               : Data("The worst " + std::to_string(most) + " of " + total + "; records.jsonl has all.")}};
}

Data worst_data(const std::vector<EvalResults>& runs, std::size_t most) {
  Data list = Data::array();
  for (const EvalResults& run : runs) {
    Data kinds = Data::array();
    for (const WorstCases& kind : find_worst_cases(run.records)) kinds.push_back(kind_data(kind, most));
    list.push_back({{"run", run.summary.name()}, {"kinds", kinds}});
  }
  return list;
}

Data runs_data(const std::vector<EvalSummary>& runs) {
  Data list = Data::array();
  for (const EvalSummary& run : runs) {
    auto settings = provenance(run);
    for (const std::string& note : run.notes) settings.emplace_back("note", note);
    list.push_back({{"name", run.name()}, {"settings", settings_html(settings)}});
  }
  return list;
}

std::string file_name(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

std::string subtitle(const std::vector<EvalSummary>& runs) {
  if (runs.empty()) return "no runs";
  const EvalSummary& first = runs.front();
  return first.mode + ", " + counted(first.records, "record") + " of " + file_name(first.data_path) +
         ", seed " + std::to_string(first.seed) + ".";
}

// The score of each run, where it was measured.
std::string scores(const std::vector<EvalSummary>& runs) {
  std::vector<std::string> texts;
  for (const EvalSummary& run : runs) {
    const auto score = run.metrics.find("score");
    if (score != run.metrics.end()) texts.push_back(run.name() + ": " + figure_text("score", score->second));
  }
  return texts.empty() ? ""
                       : "Score of efficacy, paraphrase and neighbourhood, %. " + join(texts, "; ") + ".";
}

}  // namespace

std::string eval_page(const std::vector<EvalResults>& runs, const EvalPageOptions& options) {
  std::vector<EvalSummary> summaries;
  for (const EvalResults& run : runs) summaries.push_back(run.summary);
  const EvalSummary first = summaries.empty() ? EvalSummary{} : summaries.front();
  const std::vector<TitledChart> intervals = interval_charts(summaries);
  const std::vector<TitledChart> curve = curve_charts(summaries);
  const std::vector<TitledChart> retention = retention_charts(summaries);
  const Data histograms = distributions_data(runs);
  Page page;
  page.title = options.title.empty() ? "Editing " + file_name(first.model_path) + " on " + first.dataset
                                     : options.title;
  page.subtitle = subtitle(summaries);
  page.version = first.emend;
  page.summary = scores(summaries);
  page.body = fill_template(kSections, {{"sections", sections_data(summary_sections(summaries))},
                                        {"has_intervals", !intervals.empty()},
                                        {"intervals", charts_html(intervals)},
                                        {"has_curve", !curve.empty()},
                                        {"curve", charts_html(curve)},
                                        {"curve_sections", sections_data(curve_sections(summaries))},
                                        {"has_retention", !retention.empty()},
                                        {"retention", charts_html(retention)},
                                        {"has_histograms", !histograms.empty()},
                                        {"histograms", histograms},
                                        {"worst", worst_data(runs, options.worst_cases)},
                                        {"runs", runs_data(summaries)}});
  return page_html(page);
}

}  // namespace emend
