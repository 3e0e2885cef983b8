#include "analysis/statistics_visitor.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/statistics_quality.h"
#include "analysis/text_source.h"
#include "base/strings.h"
#include "emend/error.h"

namespace emend {

namespace {

constexpr double kBetweenPoints = 1.3;        // growth of the keys from one point of the curve to the next
constexpr double kBetweenPointsUntil = 1.15;  // the same where the run waits for the estimate

}  // namespace

StatisticsVisitor::StatisticsVisitor(KeySums sums, std::map<int, at::Tensor> probes,
                                     std::optional<double> until)
    : state_{std::move(sums), std::move(probes), 0}, until_(until) {}

void StatisticsVisitor::visit(const TextPortion& portion) {
  state_.sums.add(portion.layer, portion.half, portion.vectors.front(), [&](std::int64_t key) {
    return portion.text.document(portion.tokens[static_cast<std::size_t>(key)].document).name;
  });
}

bool StatisticsVisitor::end_block() {
  const auto keys = static_cast<double>(state_.sums.count());
  if (keys < state_.next_point) return true;
  if (const auto point = worst_estimate()) curve_.push_back(*point);
  if (curve_.empty()) return true;
  state_.next_point = keys * (until_ ? kBetweenPointsUntil : kBetweenPoints);
  reached_until_ = until_ && curve_.back().error_estimate <= *until_;
  return !reached_until_;
}

// The worst of the first, middle and last layer; of all layers if the run stops by it.
std::optional<CurvePoint> StatisticsVisitor::worst_estimate() const {
  const std::size_t n = layers().size();
  CurvePoint point;
  point.tokens = state_.sums.count();
  for (std::size_t i = 0; i < n; ++i) {
    if (!until_ && i != 0 && i != n / 2 && i + 1 != n) continue;
    const auto probes = state_.probes.find(layers()[i]);
    const auto estimate =
        probes == state_.probes.end() ? std::nullopt : estimate_error(state_.sums, i, probes->second);
    if (!estimate) return std::nullopt;
    if (*estimate >= point.error_estimate) {
      point.error_estimate = *estimate;
      point.layer = layers()[i];
    }
  }
  return point;
}

// "error of C^-1 k 0.31 > 0.14 > 0.062 (layer 3)": the last points of the curve.
std::string StatisticsVisitor::note() const {
  constexpr std::size_t kMost = 5;
  std::vector<std::string> parts;
  for (std::size_t i = curve_.size() > kMost ? curve_.size() - kMost : 0; i < curve_.size(); ++i)
    parts.push_back(std::to_string(curve_[i].error_estimate).substr(0, 6));
  if (parts.empty()) return "";
  return fmt::format("error of C^-1 k {}{}", join(parts, " > "),
                     layers().size() > 1 ? " (layer " + std::to_string(curve_.back().layer) + ")" : "");
}

void StatisticsVisitor::save(FileWriter& writer) const {
  add_sums(writer, state_);
}

// The probes stay: they follow from the held text.
void StatisticsVisitor::load(const TensorFile& file) {
  SumsState loaded = read_sums(file);
  if (loaded.sums.layers() != layers() || loaded.sums.d_ff() != state_.sums.d_ff())
    throw Error(ErrorKind::kFormat, file.path().string() + ": these are sums of other layers");
  state_.sums = std::move(loaded.sums);
  state_.next_point = loaded.next_point;
}

void StatisticsVisitor::reduce(ShardGroup& group) {
  state_.sums.reduce(group);
}

LayerStatistics StatisticsVisitor::finish(std::size_t index, bool with_condition) const {
  const auto probes = state_.probes.find(layers()[index]);
  return finish_layer(state_.sums, index, probes == state_.probes.end() ? at::Tensor() : probes->second,
                      with_condition);
}

}  // namespace emend
