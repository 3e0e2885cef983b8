#include "reports/knowledge_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/numbers.h"
#include "report/svg.h"
#include "report/table.h"
#include "reports/page.h"

namespace emend {
namespace {

constexpr int kWidth = 520;
constexpr std::size_t kNamed = 4;  // neurons that a row names

// "+31.0 %", "-29.4 %"; "-" of NaN.
std::string change_text(double ratio) {
  return fmt::format("{}{}", ratio > 0 ? "+" : "", percent_text(ratio));
}

std::string neurons_text(const FactKnowledge& fact) {
  std::vector<std::string> names;
  for (const KnowledgeNeuron& neuron : fact.neurons)
    if (names.size() < kNamed) names.push_back(to_string(neuron.cell));
  if (fact.neurons.size() > kNamed) names.push_back("...");
  return names.empty() ? "none" : join(names, " ");
}

const std::vector<std::string> kFactColumns = {"token", "p",          "prompts' cells", "neurons", "off",
                                               "x2",    "random off", "others off",     "k90",     "layers"};

std::vector<std::string> fact_row(const FactKnowledge& fact) {
  const bool has = !fact.neurons.empty();
  return {quote(fact.token),
          probability_text(fact.probability),
          number_text(fact.coarse),
          std::to_string(fact.neurons.size()),
          has ? change_text(fact.change.off) : "-",
          has ? change_text(fact.change.doubled) : "-",
          has ? change_text(fact.random.off) : "-",
          has ? change_text(fact.others.off) : "-",
          std::to_string(fact.cells_of_90),
          std::to_string(fact.layers_of_90)};
}

std::vector<std::string> damage_row(const DamagePoint& point) {
  return {std::to_string(point.size), percent_text(point.contribution), percent_text(point.attribution),
          percent_text(point.random)};
}

const std::vector<std::string> kDamageColumns = {"cells off", "by contribution", "by attribution", "random"};

std::string knowledge_summary(const KnowledgeOutcome& outcome) {
  const KnowledgeSummary& mean = outcome.mean;
  std::string text =
      fmt::format("{} fact{}, {} with knowledge neurons, {} each on the mean.", outcome.facts.size(),
                  outcome.facts.size() == 1 ? "" : "s", mean.with_neurons, number_text(mean.neurons));
  if (mean.with_neurons > 0)
    text += fmt::format(
        " Without them p changes by {}, doubled by {}; as many random cells of the same layers: {} and {}{}.",
        change_text(mean.change.off), change_text(mean.change.doubled), change_text(mean.random.off),
        change_text(mean.random.doubled),
        std::isnan(mean.others.off)
            ? "; there is no other fact to compare with"
            : fmt::format("; p of other facts: {} and {}", change_text(mean.others.off),
                          change_text(mean.others.doubled)));
  return text + fmt::format(" 90 % of the push on the answer at once comes from {} of {} cells in {} layers.",
                            count_text(std::llround(mean.cells_of_90)), count_text(outcome.cells),
                            count_text(std::llround(mean.layers_of_90)));
}

ResultJson change_json(const KnowledgeChange& change) {
  return {{"off", change.off}, {"doubled", change.doubled}};
}

ResultJson damage_json(const std::vector<DamagePoint>& points) {
  ResultJson list = ResultJson::array();
  for (const DamagePoint& point : points)
    list.push_back({{"cells", point.size},
                    {"contribution", point.contribution},
                    {"attribution", point.attribution},
                    {"random", point.random}});
  return list;
}

ResultJson fact_json(const FactKnowledge& fact) {
  ResultJson neurons = ResultJson::array();
  for (const KnowledgeNeuron& neuron : fact.neurons)
    neurons.push_back(
        {{"cell", to_string(neuron.cell)}, {"attribution", neuron.attribution}, {"prompts", neuron.prompts}});
  return {{"id", fact.id},
          {"prompt", fact.prompt},
          {"token", {{"id", fact.token_id}, {"text", fact.token}}},
          {"prompts", fact.prompts},
          {"p", fact.probability},
          {"p_first", fact.first},
          {"cells_of_a_prompt", fact.coarse},
          {"neurons", neurons},
          {"change", change_json(fact.change)},
          {"random", change_json(fact.random)},
          {"others", change_json(fact.others)},
          {"incomplete", fact.incomplete},
          {"cells_of_90", fact.cells_of_90},
          {"layers_of_90", fact.layers_of_90},
          {"damage", damage_json(fact.damage)},
          {"by_layer", fact.by_layer}};
}

LineChart::Point point(double x, double y) {
  return {x, {y, NAN, NAN}};
}

// ---- layers

std::string span_text(const LayerEffect& effect) {
  return effect.first == effect.last ? std::to_string(effect.first)
                                     : fmt::format("{}-{}", effect.first, effect.last);
}

// The effects of one kind.
std::vector<LayerEffect> effects_of(const LayerChangeOutcome& outcome, LayerChange change) {
  std::vector<LayerEffect> effects;
  for (const LayerEffect& effect : outcome.effects)
    if (effect.change == change) effects.push_back(effect);
  return effects;
}

const std::vector<LayerChange> kChanges = {LayerChange::kSkip,        LayerChange::kSwap,
                                           LayerChange::kNoFfn,       LayerChange::kNoAttention,
                                           LayerChange::kNoFfnWindow, LayerChange::kNoAttentionWindow};

const LayerEffect& least_of(const std::vector<LayerEffect>& effects) {
  return *std::min_element(effects.begin(), effects.end(),
                           [](const LayerEffect& a, const LayerEffect& b) { return a.kl < b.kl; });
}
const LayerEffect& most_of(const std::vector<LayerEffect>& effects) {
  return *std::max_element(effects.begin(), effects.end(),
                           [](const LayerEffect& a, const LayerEffect& b) { return a.kl < b.kl; });
}

std::string layers_summary(const LayerChangeOutcome& outcome) {
  std::string text = fmt::format("{} prompt{}; p of the answer {}, the likeliest token at {}.",
                                 outcome.prompts, outcome.prompts == 1 ? "" : "s",
                                 probability_text(outcome.probability), percent_text(outcome.right));
  for (const LayerChange change : {LayerChange::kSkip, LayerChange::kSwap}) {
    const std::vector<LayerEffect> effects = effects_of(outcome, change);
    if (effects.empty()) continue;
    const LayerEffect &least = least_of(effects), &most = most_of(effects);
    text += fmt::format(" {}: least at {} (KL {}, {} keep their token), most at {} (KL {}, {}).",
                        to_string(change), span_text(least), number_text(least.kl), percent_text(least.kept),
                        span_text(most), number_text(most.kl), percent_text(most.kept));
  }
  return text;
}

// One row a layer, two columns (KL, kept) a kind of change.
std::vector<std::vector<std::string>> layer_rows(const LayerChangeOutcome& outcome) {
  int layers = 0;
  for (const LayerEffect& effect : outcome.effects) layers = std::max(layers, effect.last + 1);
  std::vector<std::vector<std::string>> rows(static_cast<std::size_t>(layers));
  for (std::size_t l = 0; l < rows.size(); ++l) {
    rows[l] = {std::to_string(l)};
    for (const LayerChange change : kChanges) {
      std::string kl = "-", kept = "-";
      for (const LayerEffect& effect : effects_of(outcome, change))
        if (effect.first == static_cast<int>(l)) {
          kl = number_text(effect.kl);
          kept = percent_text(effect.kept);
        }
      rows[l].push_back(kl);
      rows[l].push_back(kept);
    }
  }
  return rows;
}

}  // namespace

std::string knowledge_text(const KnowledgeOutcome& outcome, std::size_t columns) {
  std::vector<TableColumn> names = {{"fact"}};
  for (const std::string& name : kFactColumns)
    names.push_back({name, name == "token" ? Align::kLeft : Align::kRight});
  names.push_back({"neurons", Align::kLeft, 16});
  Table facts(std::move(names));
  for (const FactKnowledge& fact : outcome.facts) {
    std::vector<std::string> row = fact_row(fact);
    row.insert(row.begin(), fact.id);
    row.push_back(neurons_text(fact));
    facts.add_row(row);
  }
  std::vector<TableColumn> sizes;
  for (const std::string& name : kDamageColumns) sizes.push_back({name, Align::kRight});
  Table damage(std::move(sizes));
  for (const DamagePoint& point : outcome.mean.damage) damage.add_row(damage_row(point));
  return fmt::format("{}\np left at the first prompt, mean over facts:\n{}\n{}\n", facts.text(columns),
                     damage.text(columns), knowledge_summary(outcome));
}

ResultJson knowledge_json(const KnowledgeOutcome& outcome, const KnowledgeOptions& options,
                          const Model& model) {
  ResultJson facts = ResultJson::array();
  for (const FactKnowledge& fact : outcome.facts) facts.push_back(fact_json(fact));
  const KnowledgeSummary& mean = outcome.mean;
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"steps", options.steps},
          {"threshold", options.threshold},
          {"shared", options.shared},
          {"draws", options.draws},
          {"seed", options.seed},
          {"cells", outcome.cells},
          {"facts", facts},
          {"mean",
           {{"p", mean.probability},
            {"cells_of_a_prompt", mean.coarse},
            {"neurons", mean.neurons},
            {"with_neurons", mean.with_neurons},
            {"change", change_json(mean.change)},
            {"random", change_json(mean.random)},
            {"others", change_json(mean.others)},
            {"cells_of_90", mean.cells_of_90},
            {"layers_of_90", mean.layers_of_90},
            {"damage", damage_json(mean.damage)},
            {"by_layer", mean.by_layer}}},
          {"seconds", outcome.seconds}};
}

std::string knowledge_page(const KnowledgeOutcome& outcome, const KnowledgeOptions& options,
                           const Model& model) {
  PageTable facts{"facts", "", {{"fact"}}, {}};
  for (const std::string& name : kFactColumns) facts.columns.push_back({name, name == "token"});
  facts.columns.push_back({"neurons", true});
  for (const FactKnowledge& fact : outcome.facts) {
    std::vector<PageCell> row = {{fact.id}};
    for (const std::string& text : fact_row(fact)) row.push_back({text});
    row.push_back({neurons_text(fact)});
    facts.rows.push_back(std::move(row));
  }
  PageTable damage{"damage", "", {}, {}};
  for (const std::string& name : kDamageColumns) damage.columns.push_back({name});
  for (const DamagePoint& size : outcome.mean.damage) {
    std::vector<PageCell> row;
    for (const std::string& text : damage_row(size)) row.push_back({text});
    damage.rows.push_back(std::move(row));
  }
  LineChart::Series layers{"attribution", {}}, contribution{"by contribution", {}},
      attribution{"by attribution", {}}, random{"random", {}};
  for (std::size_t l = 0; l < outcome.mean.by_layer.size(); ++l)
    layers.points.push_back(point(static_cast<double>(l), outcome.mean.by_layer[l]));
  double widest = 1, highest = 1;
  for (const DamagePoint& size : outcome.mean.damage) {
    const double x = std::log10(size.size);
    contribution.points.push_back(point(x, size.contribution));
    attribution.points.push_back(point(x, size.attribution));
    random.points.push_back(point(x, size.random));
    widest = std::max(widest, x);
    highest = std::max({highest, size.contribution, size.attribution, size.random});
  }
  const std::string summary = knowledge_summary(outcome);
  LineChart by_layer{.frame = {"Attributions by layer", summary, kWidth},
                     .x = {"layer", -0.5, static_cast<double>(outcome.mean.by_layer.size()) - 0.5},
                     .y = axis_around("sum of attributions", outcome.mean.by_layer),
                     .series = {layers}};
  LineChart left{.frame = {"What is left of p without cells", summary, kWidth},
                 .x = {"log10 of the number of cells", 0, widest},
                 .y = {"p without them over p", 0, highest},
                 .series = {contribution, attribution, random}};
  Page page;
  page.title = "Cells that hold facts";
  page.summary = summary;
  page.body =
      "<section>\n<h2>Knowledge neurons</h2>\n<p class=\"note\">Cells by integrated gradients of the "
      "answer's "
      "probability over the coefficients of a layer at the prompt's last token. Off, x2: change of p when "
      "the "
      "fact's neurons are switched off or doubled. k90, layers: the fewest cells with 90 % of the push on "
      "the "
      "answer's logit at once, and the layers they lie in.</p>\n" +
      table_html(facts) + "</section>\n<section>\n<h2>Damage</h2>\n" +
      charts_html({{"What is left of p without cells", line_band_svg(left)},
                   {"Attributions by layer", line_band_svg(by_layer)}}) +
      table_html(damage) + "</section>\n<section>\n<h2>How this was made</h2>\n" +
      settings_html({{"model", model.path().string()},
                     {"fingerprint of the model", model.fingerprint()},
                     {"text begins with", options.bos},
                     {"steps", std::to_string(options.steps)},
                     {"threshold", number_text(options.threshold)},
                     {"shared by more than", percent_text(options.shared)},
                     {"random draws", std::to_string(options.draws)},
                     {"seed", std::to_string(options.seed)}}) +
      "</section>\n";
  return page_html(page);
}

std::string layer_changes_text(const LayerChangeOutcome& outcome, std::size_t columns) {
  std::vector<TableColumn> names = {{"from layer", Align::kRight}};
  for (const LayerChange change : kChanges) {
    names.push_back({to_string(change), Align::kRight});
    names.push_back({"kept", Align::kRight});
  }
  Table table(std::move(names));
  for (const std::vector<std::string>& row : layer_rows(outcome)) table.add_row(row);
  return fmt::format("KL of the next token in nats, and how often the likeliest token stays:\n{}\n{}\n",
                     table.text(columns), layers_summary(outcome));
}

ResultJson layer_changes_json(const LayerChangeOutcome& outcome, const LayerChangeOptions& options,
                              const Model& model) {
  ResultJson effects = ResultJson::array();
  for (const LayerEffect& effect : outcome.effects)
    effects.push_back({{"change", to_string(effect.change)},
                       {"first", effect.first},
                       {"last", effect.last},
                       {"kl", effect.kl},
                       {"kept", effect.kept},
                       {"p", effect.probability}});
  return {{"emend", emend_version()},   {"model", model_json(model)}, {"window", options.window},
          {"prompts", outcome.prompts}, {"p", outcome.probability},   {"right", outcome.right},
          {"effects", effects},         {"seconds", outcome.seconds}};
}

std::string layer_changes_page(const LayerChangeOutcome& outcome, const LayerChangeOptions& options,
                               const Model& model) {
  PageTable table{"changes by layer", "", {{"from layer"}}, {}};
  std::vector<LineChart::Series> kl, kept;
  std::vector<double> sizes = {0};
  for (const LayerChange change : kChanges) {
    table.columns.push_back({to_string(change)});
    table.columns.push_back({"kept"});
    if (change == LayerChange::kNoAttentionWindow) continue;  // charts have five colours
    LineChart::Series first{to_string(change), {}}, second = first;
    for (const LayerEffect& effect : effects_of(outcome, change)) {
      first.points.push_back(point(effect.first, effect.kl));
      second.points.push_back(point(effect.first, effect.kept));
      sizes.push_back(effect.kl);
    }
    if (first.points.empty()) continue;
    kl.push_back(std::move(first));
    kept.push_back(std::move(second));
  }
  const std::vector<std::vector<std::string>> rows = layer_rows(outcome);
  for (const std::vector<std::string>& row : rows) {
    std::vector<PageCell> cells;
    for (const std::string& text : row) cells.push_back({text});
    table.rows.push_back(std::move(cells));
  }
  const std::string summary = layers_summary(outcome);
  const Axis layers{"layer", -0.5, static_cast<double>(rows.size()) - 0.5}, share{"share", 0, 1};
  LineChart loss{.frame = {"KL of the next token", summary, kWidth},
                 .x = layers,
                 .y = axis_around("KL, nats", sizes),
                 .series = kl};
  LineChart stays{
      .frame = {"Prompts that keep their token", summary, kWidth}, .x = layers, .y = share, .series = kept};
  Page page;
  page.title = "Without a layer, or in another order";
  page.summary = summary;
  page.body =
      "<section>\n<h2>Changes by layer</h2>\n<p class=\"note\">Skip: the block does not run. Swap: it and "
      "the "
      "next one in each other's place. No ffn, no attention: that half puts out zeros at all tokens, of one "
      "layer or of a window from it on.</p>\n" +
      charts_html({{"KL of the next token", line_band_svg(loss)},
                   {"Prompts that keep their token", line_band_svg(stays)}}) +
      table_html(table) + "</section>\n<section>\n<h2>How this was made</h2>\n" +
      settings_html({{"model", model.path().string()},
                     {"fingerprint of the model", model.fingerprint()},
                     {"text begins with", options.bos},
                     {"prompts", std::to_string(outcome.prompts)},
                     {"window", std::to_string(options.window)}}) +
      "</section>\n";
  return page_html(page);
}

}  // namespace emend
