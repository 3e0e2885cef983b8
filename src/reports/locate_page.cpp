#include "reports/locate_page.h"

#include <cmath>

#include "base/atomic_file.h"
#include "report/heat_map.h"
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
<p><strong>{{decision}}</strong></p>
<div class="charts">
{{#decision_charts}}
<figure><figcaption>{{title}}</figcaption>
{{{svg}}}</figure>
{{/decision_charts}}
</div>
<div class="scroll" role="region" tabindex="0" aria-label="Layers by rank"><table>
<caption>The twelve best layers. Effect: mean over facts of the probability that the MLP window at the subject's last token brings back.</caption>
<thead><tr><th scope="col">by trace</th><th scope="col">effect</th><th scope="col">95 %</th><th scope="col">by edits</th><th scope="col">score</th><th scope="col">95 %</th></tr></thead>
<tbody>
{{#ranks}}
<tr><th scope="row">{{layer}}</th><td>{{effect}}</td><td>{{effect_ci}}</td><td>{{trial_layer}}</td><td>{{trial_score}}</td><td>{{trial_ci}}</td></tr>
{{/ranks}}
</tbody></table></div>
</section>
{{/has_decision}}
{{#has_average}}
<section>
<h2>Averages by token</h2>
<p class="note">{{average_note}}</p>
<div class="charts">
{{#role_maps}}
<figure><figcaption>{{title}}</figcaption>
{{{svg}}}</figure>
{{/role_maps}}
</div>
<h3>Indirect effects by layer, with 95 % bands</h3>
<div class="charts">
{{#role_curves}}
<figure><figcaption>{{title}}</figcaption>
{{{svg}}}</figure>
{{/role_curves}}
</div>
</section>
{{/has_average}}
{{#has_paths}}
<section>
<h2>Paths</h2>
<div class="charts">
{{#paths}}
<figure><figcaption>{{title}}</figcaption>
{{{svg}}}</figure>
{{/paths}}
</div>
</section>
{{/has_paths}}
<section>
<h2>Facts</h2>
<p class="note">Rows are tokens of the prompt, those of the subject in bold; columns are layers, from 0. A cell is fuller the more probability the answer has after
restoring there. Cells of half height are estimates.</p>
{{#facts}}
<details{{#open}} open{{/open}}>
<summary>{{prompt}} → <strong>{{answer}}</strong> <span class="note">{{high}} clean, {{low}} corrupted{{remark}}</span></summary>
<div class="inside"><div class="charts">
{{#maps}}
<figure><figcaption>{{title}}</figcaption>
{{{svg}}}</figure>
{{/maps}}
</div></div>
</details>
{{/facts}}
{{#more}}<p class="note">{{more}}</p>{{/more}}
{{#has_skipped}}
<details>
<summary>{{skipped_count}} facts were left out: the model does not give their answers</summary>
<div class="inside"><table class="words">
<thead><tr><th scope="col">prompt</th><th scope="col">expected</th><th scope="col">the model says</th></tr></thead>
<tbody>
{{#skipped}}
<tr><td>{{prompt}}</td><td>{{answer}}</td><td>{{said}}</td></tr>
{{/skipped}}
</tbody></table></div>
</details>
{{/has_skipped}}
</section>
<section>
<h2>How it was made</h2>
{{{settings}}}
</section>
)html";

constexpr std::size_t kShownFacts = 40, kShownSkipped = 200, kShownLayers = 12;

Data charts_data(const std::vector<LocateChart>& charts) {
  Data list = Data::array();
  for (const LocateChart& chart : charts) list.push_back({{"title", chart.title}, {"svg", chart.svg}});
  return list;
}

Data ranks_data(const LocateReport& report) {
  const std::vector<TrialScore> none;
  const std::vector<TrialScore>& trial = report.decision != nullptr ? report.decision->trial : none;
  Data rows = Data::array();
  for (std::size_t i = 0; i < std::min(std::max(report.ranking->size(), trial.size()), kShownLayers); ++i) {
    Data row{{"layer", ""},       {"effect", ""},      {"effect_ci", ""},
             {"trial_layer", ""}, {"trial_score", ""}, {"trial_ci", ""}};
    if (i < report.ranking->size()) {
      const LayerScore& score = (*report.ranking)[i];
      row["layer"] = "layer " + std::to_string(score.layer);
      row["effect"] = number_text(score.score);
      row["effect_ci"] = std::isfinite(score.ci95) ? "± " + number_text(score.ci95, 2) : "-";
    }
    if (i < trial.size()) {
      row["trial_layer"] = "layer " + std::to_string(trial[i].layer);
      row["trial_score"] = number_text(trial[i].score);
      row["trial_ci"] = "± " + number_text(trial[i].ci95, 2);
    }
    rows.push_back(std::move(row));
  }
  return rows;
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
                    {"maps", charts_data(fact_maps(trace, ""))}});
  }
  return list;
}

Data skipped_data(const TraceResult& result) {
  Data list = Data::array();
  for (std::size_t i = 0; i < std::min(result.skipped.size(), kShownSkipped); ++i)
    list.push_back({{"prompt", result.skipped[i].prompt},
                    {"answer", result.skipped[i].answer},
                    {"said", result.skipped[i].said}});
  return list;
}

std::string average_note(const TraceAverage& average) {
  return count_text(average.facts) + (average.facts == 1 ? " fact" : " facts") +
         ". The answer's probability is " + number_text(average.high) + " clean and " +
         number_text(average.low) + " with the subject corrupted: a total effect of " +
         number_text(average.total_effect) +
         (average.facts > 1 ? " ± " + number_text(average.total_effect_ci95, 2) : "") +
         ". Shown is how much of it restoring brings back, less each fact's own corrupted probability.";
}

std::vector<LocateChart> decision_pictures(const LocateReport& report) {
  return decision_charts(*report.ranking,
                         report.decision != nullptr ? report.decision->trial : std::vector<TrialScore>());
}

}  // namespace

std::string locate_page(const LocateReport& report) {
  const TraceResult& result = *report.result;
  const std::size_t hidden = result.traces.size() - std::min(result.traces.size(), kShownFacts);
  const std::vector<LocateChart> paths = path_curves(*report.average);
  Page page;
  page.title = "Where the facts are: " + report.model;
  page.subtitle = "Causal tracing. Layers count from 0.";
  page.body = fill_template(kSections,
                            {{"has_decision", !report.ranking->empty()},
                             {"decision", report.decision_text},
                             {"decision_charts", charts_data(decision_pictures(report))},
                             {"ranks", ranks_data(report)},
                             {"has_average", report.average->facts > 0},
                             {"average_note", average_note(*report.average)},
                             {"role_maps", charts_data(role_maps(*report.average))},
                             {"role_curves", charts_data(role_curves(*report.average))},
                             {"has_paths", !paths.empty()},
                             {"paths", charts_data(paths)},
                             {"facts", facts_data(result)},
                             {"more", hidden > 0 ? Data(count_text(static_cast<std::int64_t>(hidden)) +
                                                        " more facts are in the averages and in the JSON.")
                                                 : Data(false)},
                             {"has_skipped", !result.skipped.empty()},
                             {"skipped_count", count_text(static_cast<std::int64_t>(result.skipped.size()))},
                             {"skipped", skipped_data(result)},
                             {"settings", settings_html(report.settings)}});
  return page_html(page);
}

std::vector<std::filesystem::path> write_pictures(const LocateReport& report,
                                                  const std::filesystem::path& folder) {
  std::vector<LocateChart> charts;
  const auto add = [&](std::vector<LocateChart> more) {
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
  for (const LocateChart& chart : charts) {
    written.push_back(folder / (chart.name + ".svg"));
    write_file_atomically(written.back(), standalone_svg(chart.svg));
  }
  return written;
}

}  // namespace emend
