#include "reports/locate_page.h"

#include <cmath>

#include "base/atomic_file.h"
#include "report/drawing.h"
#include "report/html.h"
#include "report/numbers.h"
#include "reports/locate_charts.h"
#include "reports/page.h"

namespace emend {
namespace {

using Data = nlohmann::ordered_json;

const char* const kSections = R"html({{#has_decision}}
<section>
<h2>Which layer to edit</h2>
{{{decision_charts}}}
{{{ranks}}}
</section>
{{/has_decision}}
{{#has_average}}
<section>
<h2>Averages by token</h2>
<p class="note">{{average_note}}</p>
{{{role_maps}}}
<h3>Indirect effects by layer, with 95 % bands</h3>
{{{role_curves}}}
</section>
{{/has_average}}
{{#has_paths}}
<section>
<h2>Paths</h2>
{{{paths}}}
</section>
{{/has_paths}}
<section>
<h2>Facts</h2>
<p class="note">Rows are tokens of the prompt, those of the subject in bold; columns are layers, from 0. A cell is fuller the more probability the answer has after
restoring there. Cells of half height are estimates.</p>
{{#facts}}
<details{{#open}} open{{/open}}>
<summary>{{prompt}} → <strong>{{answer}}</strong> <span class="note">{{high}} clean, {{low}} corrupted{{remark}}</span></summary>
<div class="inside">{{{maps}}}</div>
</details>
{{/facts}}
{{#more}}<p class="note">{{more}}</p>{{/more}}
{{#has_skipped}}
<details>
<summary>Left out, because the model does not give the expected answer: {{skipped_count}}</summary>
<div class="inside">{{{skipped}}}</div>
</details>
{{/has_skipped}}
</section>
<section>
<h2>How it was made</h2>
{{{settings}}}
</section>
)html";

constexpr std::size_t kShownFacts = 40, kShownSkipped = 200, kShownLayers = 12;

std::string ranks_table(const LocateReport& report) {
  const std::vector<TrialScore> none;
  const std::vector<TrialScore>& trial = report.decision != nullptr ? report.decision->trial : none;
  PageTable table{"Layers by rank",
                  "The twelve best layers. Effect: mean over facts of the probability that the MLP window at "
                  "the subject's last token brings back.",
                  {{"by trace"}, {"effect"}, {"95 %"}, {"by edits"}, {"score"}, {"95 %"}},
                  {}};
  if (trial.empty()) table.columns.erase(table.columns.begin() + 3, table.columns.end());
  for (std::size_t i = 0; i < std::min(std::max(report.ranking->size(), trial.size()), kShownLayers); ++i) {
    std::vector<PageCell> row(table.columns.size());
    if (i < report.ranking->size()) {
      const LayerScore& score = (*report.ranking)[i];
      row[0].text = "layer " + std::to_string(score.layer);
      row[1].text = number_text(score.score);
      row[2].text = std::isfinite(score.ci95) ? "± " + number_text(score.ci95, 2) : "-";
    }
    if (i < trial.size()) {
      row[3].text = "layer " + std::to_string(trial[i].layer);
      row[4].text = number_text(trial[i].score);
      row[5].text = interval_text(trial[i]);
    }
    table.rows.push_back(std::move(row));
  }
  return table_html(table);
}

Data facts_data(const TraceResult& result) {
  Data list = Data::array();
  for (std::size_t i = 0; i < std::min(result.traces.size(), kShownFacts); ++i) {
    const FactTrace& trace = result.traces[i];
    list.push_back({{"open", i == 0},
                    {"prompt", trace.prompt},
                    {"answer", trace.answer},
                    {"high", probability_text(trace.high)},
                    {"low", probability_text(trace.low)},
                    {"remark", trace.is_void() ? "; the corruption hardly changes the answer"
                               : trace.correct ? ""
                                               : "; the model says " + trace.said},
                    {"maps", charts_html(fact_maps(trace, ""))}});
  }
  return list;
}

std::string skipped_table(const TraceResult& result) {
  PageTable table{
      "Facts that were left out", "", {{"prompt", true}, {"expected", true}, {"the model says", true}}, {}};
  for (std::size_t i = 0; i < std::min(result.skipped.size(), kShownSkipped); ++i)
    table.rows.push_back({{result.skipped[i].prompt}, {result.skipped[i].answer}, {result.skipped[i].said}});
  return table_html(table);
}

std::string average_note(const TraceAverage& average) {
  return count_text(average.facts) + (average.facts == 1 ? " fact" : " facts") +
         ". The answer's probability is " + number_text(average.high) + " clean and " +
         number_text(average.low) + " with the subject corrupted: a total effect of " +
         number_text(average.total_effect) +
         (average.facts > 1 ? " ± " + number_text(average.total_effect_ci95, 2) : "") +
         ". Shown is how much of it restoring brings back, less each fact's own corrupted probability.";
}

std::vector<TitledChart> decision_pictures(const LocateReport& report) {
  return decision_charts(*report.ranking,
                         report.decision != nullptr ? report.decision->trial : std::vector<TrialScore>());
}

}  // namespace

std::string interval_text(const TrialScore& score) {
  return score.facts > 1 && score.ci95 > 0 ? "± " + number_text(score.ci95, 2) : "± ?";
}

std::string locate_page(const LocateReport& report) {
  const TraceResult& result = *report.result;
  const std::size_t hidden = result.traces.size() - std::min(result.traces.size(), kShownFacts);
  const std::vector<TitledChart> paths = path_curves(*report.average);
  Page page;
  page.title = "Where the facts are: " + report.model;
  page.subtitle = "Causal tracing of " + count_text(static_cast<std::int64_t>(result.traces.size())) +
                  (result.traces.size() == 1 ? " fact." : " facts.");
  page.summary = report.ranking->empty() ? "" : report.decision_text;
  page.body = fill_template(kSections,
                            {{"has_decision", !report.ranking->empty()},
                             {"decision_charts", charts_html(decision_pictures(report))},
                             {"ranks", ranks_table(report)},
                             {"has_average", report.average->facts > 0},
                             {"average_note", average_note(*report.average)},
                             {"role_maps", charts_html(role_maps(*report.average))},
                             {"role_curves", charts_html(role_curves(*report.average))},
                             {"has_paths", !paths.empty()},
                             {"paths", charts_html(paths)},
                             {"facts", facts_data(result)},
                             {"more", hidden > 0 ? Data(count_text(static_cast<std::int64_t>(hidden)) +
                                                        " more facts are in the averages and in the JSON.")
                                                 : Data(false)},
                             {"has_skipped", !result.skipped.empty()},
                             {"skipped_count", count_text(static_cast<std::int64_t>(result.skipped.size()))},
                             {"skipped", skipped_table(result)},
                             {"settings", settings_html(report.settings)}});
  return page_html(page);
}

std::vector<std::filesystem::path> write_pictures(const LocateReport& report,
                                                  const std::filesystem::path& folder) {
  std::vector<TitledChart> charts;
  const auto add = [&](std::vector<TitledChart> more) {
    charts.insert(charts.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  };
  for (std::size_t i = 0; i < std::min(report.result->traces.size(), kShownFacts); ++i)
    add(fact_maps(report.result->traces[i], "fact-" + std::to_string(i)));
  if (report.average->facts > 0) {
    add(role_maps(*report.average));
    add(role_curves(*report.average));
    add(path_curves(*report.average));
  }
  add(decision_pictures(report));
  std::vector<std::filesystem::path> written;
  for (const TitledChart& chart : charts) {
    written.push_back(folder / (chart.name + ".svg"));
    write_file_atomically(written.back(), standalone_svg(chart.svg));
  }
  return written;
}

}  // namespace emend
