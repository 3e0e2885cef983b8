#include "reports/values_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/stage_clock.h"
#include "base/strings.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/values_words.h"

namespace emend {
namespace {

constexpr std::size_t kListedOnTerminal = 12;

std::string layers_table(const ValuesOutcome& outcome, std::size_t columns) {
  Table table({{"layer", Align::kRight},
               {"cells", Align::kRight},
               {"max p: quartiles"},
               {"entropy", Align::kRight},
               {"length", Align::kRight}});
  for (const LayerValues& layer : outcome.layers)
    table.add_row({std::to_string(layer.layer), count_text(layer.cells),
                   quartiles_text(layer.largest_probability), number_text(layer.entropy),
                   number_text(layer.norm)});
  return table.text(columns);
}

std::string agreement_table(const ValuesOutcome& outcome, std::size_t columns) {
  if (outcome.layers.empty() || !outcome.layers.front().agreement) return "";
  Table table({{"layer", Align::kRight},
               {"agreement", Align::kRight},
               {"shuffled", Align::kRight},
               {"rank: quartiles"},
               {"MRR", Align::kRight},
               {"hit@10", Align::kRight},
               {precision_name(outcome), Align::kRight},
               {"echo", Align::kRight},
               {"of cells", Align::kRight}});
  for (const LayerValues& layer : outcome.layers) {
    if (!layer.agreement) continue;
    const ValueAgreement& found = *layer.agreement;
    table.add_row({std::to_string(layer.layer), share_text(found.agreement), share_text(found.shuffled),
                   ranks_text(found.rank), number_text(found.mean_reciprocal_rank), share_text(found.hit10),
                   share_text(found.precision), share_text(found.echo), count_text(found.defined)});
  }
  return "\n" + table.text(columns);
}

std::string sharpest_table(const ValuesOutcome& outcome, std::size_t columns) {
  Table table({{"cell"}, {"", Align::kRight}, {"max p", Align::kRight}, {"first tokens", Align::kLeft, 20}});
  for (std::size_t i = 0; i < std::min(outcome.sharpest.size(), kListedOnTerminal); ++i) {
    const SharpValue& value = outcome.sharpest[i];
    table.add_row({to_string(value.cell), value.positive ? "+v" : "-v", probability_text(value.probability),
                   tokens_text(value.tokens)});
  }
  return table.empty() ? "" : "\nThe sharpest values:\n" + table.text(columns);
}

ResultJson agreement_json(const std::optional<ValueAgreement>& found) {
  if (!found) return nullptr;
  return {{"defined", found->defined},     {"agreement", found->agreement},
          {"shuffled", found->shuffled},   {"uniform", found->uniform},
          {"rank_quartiles", found->rank}, {"mean_reciprocal_rank", found->mean_reciprocal_rank},
          {"hit_10", found->hit10},        {"precision", found->precision},
          {"triggers", found->triggers},   {"echo_rate", found->echo}};
}

ResultJson layers_json(const ValuesOutcome& outcome) {
  ResultJson list = ResultJson::array();
  for (const LayerValues& layer : outcome.layers)
    list.push_back({{"layer", layer.layer},
                    {"cells", layer.cells},
                    {"largest_probability_quartiles", layer.largest_probability},
                    {"entropy_median", layer.entropy},
                    {"norm_median", layer.norm},
                    {"agreement", agreement_json(layer.agreement)}});
  return list;
}

ResultJson sharpest_json(const ValuesOutcome& outcome) {
  ResultJson list = ResultJson::array();
  for (const SharpValue& value : outcome.sharpest) {
    ResultJson tokens = ResultJson::array();
    for (std::size_t i = 0; i < value.ids.size(); ++i)
      tokens.push_back({{"id", value.ids[i]}, {"text", value.tokens[i]}});
    list.push_back({{"cell", to_string(value.cell)},
                    {"layer", value.cell.layer},
                    {"index", value.cell.index},
                    {"direction", value.positive ? "+v" : "-v"},
                    {"probability", value.probability},
                    {"tokens", tokens},
                    {"next", or_null(value.next)},
                    {"precision", or_null(value.precision)}});
  }
  return list;
}

ResultJson bins_json(const std::vector<PredictiveBin>& bins) {
  ResultJson list = ResultJson::array();
  for (const PredictiveBin& bin : bins)
    list.push_back(
        {{"low", bin.low}, {"high", bin.high}, {"cells", bin.cells}, {"agreement", bin.agreement}});
  return list;
}

}  // namespace

std::string values_text(const ValuesOutcome& outcome, const ValueOptions& options, std::size_t columns) {
  std::string text = layers_table(outcome, columns) + agreement_table(outcome, columns) +
                     sharpest_table(outcome, columns) + "\n" + values_summary(outcome, options) + "\n";
  if (!outcome.outputs.empty())
    text += fmt::format("{} tables in {}\n", outcome.outputs.size(),
                        outcome.outputs.front().parent_path().string());
  return text;
}

ResultJson values_json(const ValuesOutcome& outcome, const ValueOptions& options, const Model& model) {
  ResultJson outputs = ResultJson::array();
  for (const std::filesystem::path& path : outcome.outputs) outputs.push_back(path.string());
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"lens", to_string(options.lens)},
          {"vocabulary", outcome.vocabulary},
          {"cells", outcome.cells},
          {"top", outcome.top},
          {"layers", layers_json(outcome)},
          {"sharpest", sharpest_json(outcome)},
          {"sharpest_in_top_third", outcome.sharpest_in_top_third},
          {"sharpest_agreeing", outcome.sharpest_agreeing},
          {"bins_of_equal_width", bins_json(outcome.equal_width)},
          {"bins_of_equal_count", bins_json(outcome.equal_count)},
          {"seconds", outcome.seconds},
          {"peak_memory_bytes", peak_memory_bytes()},
          {"outputs", outputs}};
}

}  // namespace emend
