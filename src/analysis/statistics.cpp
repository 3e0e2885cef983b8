// What is said of the statistics of several layers together.
#include "emend/statistics.h"

#include <fmt/format.h>

#include <set>

#include "base/layer_number.h"
#include "base/strings.h"

namespace emend {

namespace {

std::string said_by_layer(const Statistics& statistics, std::string StatisticsOrigin::*what) {
  std::map<int, std::string> texts;
  for (const auto& [layer, value] : statistics.layers) texts[layer] = value.origin.*what;
  return text_by_layer(texts);
}

std::vector<int> numbers_of(const std::map<int, LayerStatistics>& layers) {
  std::vector<int> numbers;
  for (const auto& [layer, value] : layers) numbers.push_back(layer);
  return numbers;
}

}  // namespace

std::string Statistics::source() const {
  return said_by_layer(*this, &StatisticsOrigin::source);
}

std::string Statistics::settings() const {
  return said_by_layer(*this, &StatisticsOrigin::settings);
}

std::string Statistics::fingerprint() const {
  return fingerprint(numbers_of(layers));
}

std::string Statistics::fingerprint(const std::vector<int>& of_layers) const {
  std::set<std::string> different;
  for (const int layer : of_layers) different.insert(layers.at(layer).origin.fingerprint);
  return join({different.begin(), different.end()}, "+");
}

void Statistics::set_origin(const StatisticsOrigin& origin) {
  for (auto& [layer, value] : layers) value.origin = origin;
}

std::optional<std::string> warning_of(const Statistics& statistics) {
  std::vector<int> layers;
  for (const auto& [layer, value] : statistics.layers)
    if (value.is_diagonal()) layers.push_back(layer);
  if (layers.empty()) return std::nullopt;
  return fmt::format(
      "only the diagonal of C is known at {} ({}): how channels go together is not, so other facts move "
      "more than with statistics collected over text; figures: docs/statistics.md",
      layer_names(layers), statistics.source());
}

std::vector<std::string> notes_on(const Statistics& statistics) {
  std::vector<std::string> notes;
  std::set<std::string> sources;
  std::vector<int> unknown;
  for (const auto& [layer, value] : statistics.layers) {
    sources.insert(value.origin.source);
    if (!value.documents_known) unknown.push_back(layer);
  }
  if (sources.size() > 1)
    notes.push_back(
        fmt::format("The statistics of these layers are of different texts ({}); collecting them "
                    "together takes one text for all.",
                    statistics.source()));
  if (!unknown.empty() && !statistics.held_text.empty())
    notes.push_back(
        fmt::format("Whether drift is measured on text that the statistics of {} have seen is not "
                    "known: an earlier emend filled this folder in steps. Give a text for drift, "
                    "or collect the layers again.",
                    layer_names(unknown)));
  return notes;
}

}  // namespace emend
