#include "reports/statistics_page.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "report/html.h"
#include "report/numbers.h"
#include "reports/page.h"
#include "reports/statistics_charts.h"

namespace emend {
namespace {

using Data = nlohmann::ordered_json;
using Layers = std::vector<LayerSummary>;

const char* const kSections = R"html(<section>
<h2>Layers</h2>
{{{layers}}}<p class="note">C is the mean of k kᵀ over the keys. Condition: largest over smallest eigenvalue of C. Effective rank: how many directions the keys fill. Error: estimated mean of 1 − cos between C⁻¹ k and its limit for endless text, between 0 and 2.</p>
{{{layer_charts}}}</section>
{{#has_curve}}
<section>
<h2>Error while collecting</h2>
<p class="note">Of the worst layer that was looked at.</p>
{{{curve}}}</section>
{{/has_curve}}
{{#has_spectra}}
<section>
<h2>Spectra</h2>
<p class="note">Eigenvalues of C over their mean, largest first.</p>
{{{spectra}}}</section>
{{/has_spectra}}
<section>
<h2>How they were made</h2>
{{{settings}}}
</section>
)html";

std::string layers_section(const Layers& layers) {
  PageTable table{"Layers",
                  "",
                  {{"layer"}, {"tokens"}, {"trace"}, {"condition"}, {"effective rank"}, {"error of C⁻¹ k"}},
                  {}};
  for (const LayerSummary& layer : layers) {
    const StatisticsQuality& quality = layer.quality;
    table.rows.push_back(
        {{std::to_string(layer.layer)},
         {count_text(layer.tokens)},
         {number_text(layer.trace, 5)},
         quality.condition ? PageCell{number_text(quality.condition)} : PageCell{"singular", "bad"},
         {number_text(quality.effective_rank)},
         {quality.error_estimate ? number_text(quality.error_estimate) : "not known"}});
  }
  return table_html(table);
}

std::string keys_text(const Layers& layers) {
  const auto [least, most] =
      std::minmax_element(layers.begin(), layers.end(),
                          [](const LayerSummary& a, const LayerSummary& b) { return a.tokens < b.tokens; });
  const std::string text = count_text(least->tokens);
  return least->tokens == most->tokens ? text : text + " to " + count_text(most->tokens);
}

// The worst layer by the error estimate, and the layers whose C is singular.
std::string quality_text(const Layers& layers) {
  const LayerSummary* worst = nullptr;
  std::vector<std::string> singular;
  for (const LayerSummary& layer : layers) {
    if (!layer.quality.condition) singular.push_back(std::to_string(layer.layer));
    if (!layer.quality.error_estimate) continue;
    if (worst == nullptr || *layer.quality.error_estimate > *worst->quality.error_estimate) worst = &layer;
  }
  std::string text;
  if (worst != nullptr)
    text += fmt::format(" The estimated error of C⁻¹ k is {} at most, at layer {}.",
                        number_text(worst->quality.error_estimate), worst->layer);
  if (!singular.empty())
    text += fmt::format(" C is singular at layer{} {}.", singular.size() == 1 ? "" : "s", join(singular));
  return text;
}

std::string diagonal_text(const Layers& layers) {
  const bool any =
      std::any_of(layers.begin(), layers.end(), [](const LayerSummary& layer) { return layer.diagonal; });
  return any ? " Only the diagonal of C is known: the figures are of diag(C)." : "";
}

std::string summary(const StatisticsPage& content) {
  const Layers& layers = content.layers;
  std::string text = "No layer is there.";
  if (!layers.empty())
    text = fmt::format("{} layer{} of {} keys{}.", layers.size(), layers.size() == 1 ? "" : "s",
                       keys_text(layers), layers.size() == 1 ? "" : " each") +
           quality_text(layers) + diagonal_text(layers);
  return text + (content.remark.empty() ? "" : " " + content.remark);
}

std::string charts_or_nothing(const std::vector<TitledChart>& charts) {
  return charts.empty() ? "" : charts_html(charts);
}

std::string name_of(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name.empty() ? path.parent_path().filename().string() : name;
}

std::string begin_text(const std::vector<std::int64_t>& prefix) {
  std::vector<std::string> ids;
  for (const std::int64_t id : prefix) ids.push_back(std::to_string(id));
  return ids.empty() ? "nothing" : "token " + join(ids);
}

std::string plan_text(const StatisticsPlan& plan) {
  return fmt::format("{} keys a layer in {} block{}, {} pass{} over the text", count_text(plan.tokens),
                     count_text(plan.blocks), plan.blocks == 1 ? "" : "s", plan.passes.size(),
                     plan.passes.size() == 1 ? "" : "es");
}

std::string times_text(const std::map<std::string, double>& seconds) {
  std::vector<std::string> parts;
  for (const auto& [stage, time] : seconds) parts.push_back(stage + " " + human_seconds(time));
  return parts.empty() ? "not measured" : join(parts);
}

}  // namespace

StatisticsPage collected_page(const StatisticsOutcome& outcome, const StatisticsOptions& options,
                              const Model& model, const std::filesystem::path& folder) {
  StatisticsPage content;
  content.name = name_of(model.path());
  content.layers = outcome.layers;
  content.curve = outcome.report.curve;
  if (outcome.has_until)
    content.remark = outcome.report.reached_until ? "The error asked for was reached."
                                                  : "The text ended before the error asked for was reached.";
  content.settings = {{"model", model.path().string()},
                      {"fingerprint of the model", model.fingerprint()},
                      {"source", outcome.report.source},
                      {"fingerprint of the statistics", outcome.report.fingerprint},
                      {"plan", plan_text(outcome.plan)},
                      {"text begins with", begin_text(options.prefix)},
                      {"tokens of a row", "at most " + count_text(options.window)},
                      {"error asked for", options.until ? number_text(*options.until) : "none"},
                      {"seed", std::to_string(options.seed)},
                      {"type of the weights", to_string(model.compute_type())},
                      {"device", model.devices()},
                      {"token budget", count_text(options.token_budget)},
                      {"time", times_text(outcome.seconds)},
                      {"folder", folder.string()}};
  return content;
}

StatisticsPage stored_page(const StatisticsSummary& summary, const std::filesystem::path& folder) {
  StatisticsPage content;
  content.name = name_of(folder);
  content.layers = summary.layers;
  content.log_spectra = summary.log_spectra;
  content.settings = {
      {"source", summary.source.empty() ? "not known" : summary.source},
      {"settings", summary.settings.empty() ? "not known" : summary.settings},
      {"fingerprint of the statistics", summary.fingerprint.empty() ? "not known" : summary.fingerprint},
      {"folder", folder.string()}};
  return content;
}

std::string statistics_html(const StatisticsPage& content) {
  const std::vector<TitledChart> curve = error_charts(content.curve);
  Page page;
  page.title = "Statistics of " + content.name;
  page.subtitle = "Second moments of the feed-forward keys.";
  page.summary = summary(content);
  page.body = fill_template(kSections, {{"layers", layers_section(content.layers)},
                                        {"layer_charts", charts_or_nothing(layer_charts(content.layers))},
                                        {"has_curve", !curve.empty()},
                                        {"curve", charts_or_nothing(curve)},
                                        {"has_spectra", !content.log_spectra.empty()},
                                        {"spectra", charts_or_nothing(spectra_charts(content.log_spectra))},
                                        {"settings", settings_html(content.settings)}});
  return page_html(page);
}

}  // namespace emend
