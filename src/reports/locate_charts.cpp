#include "reports/locate_charts.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "report/heat_map.h"
#include "report/numbers.h"
#include "report/svg.h"

namespace emend {
namespace {

struct Kind {
  const char* key;
  const char* title;
  int series;
};
constexpr std::array<Kind, 3> kKinds = {{{"block", "Residual stream after one block", 1},
                                         {"mlp", "MLP outputs of a window of layers", 2},
                                         {"attention", "Attention outputs of a window of layers", 3}}};

LineChart::Series line(const std::string& name, const LayerCurve& curve) {
  LineChart::Series series{name, {}};
  for (std::size_t l = 0; l < curve.mean.size(); ++l)
    series.points.push_back({static_cast<double>(l),
                             {curve.mean[l], curve.mean[l] - curve.ci95[l], curve.mean[l] + curve.ci95[l]}});
  return series;
}

// Lines over layers; none when no series has points. The y axis holds them and what is in `seen`.
std::optional<TitledChart> line_chart(const std::string& name, const std::string& title, const Axis& y_label,
                                      const std::vector<LineChart::Series>& series, int width,
                                      std::vector<double> seen = {}) {
  LineChart chart;
  double layers = 0;
  for (const LineChart::Series& s : series) {
    if (s.points.empty()) continue;
    for (const LineChart::Point& p : s.points) {
      seen.insert(seen.end(), {p.y.value, p.y.low, p.y.high});
      layers = std::max(layers, p.x);
    }
    chart.series.push_back(s);
  }
  if (chart.series.empty()) return std::nullopt;
  seen.push_back(0);
  std::string said;
  for (const LineChart::Series& s : chart.series) {
    const auto best = std::max_element(s.points.begin(), s.points.end(), [](const auto& a, const auto& b) {
      return std::abs(a.y.value) < std::abs(b.y.value);
    });
    said += s.name + ": largest " + number_text(best->y.value) + " at layer " +
            std::to_string(static_cast<int>(best->x)) + ". ";
  }
  chart.frame = {title, said, width};
  chart.x = {"layer", -0.5, layers + 0.5, false};
  chart.y = axis_around(y_label.label, seen);
  chart.y.percent = y_label.percent;
  return TitledChart{title, line_band_svg(chart), name};
}

HeatMap::Row map_row(const std::string& label, bool marked, const std::vector<double>& values) {
  return {label, marked, values, {}};
}

std::string map_text(const FactTrace& trace, const Grid& grid) {
  double best = trace.low;
  std::size_t token = 0, layer = 0;
  for (std::size_t t = 0; t < grid.size(); ++t)
    for (std::size_t l = 0; l < grid[t].size(); ++l)
      if (grid[t][l] > best) {
        best = grid[t][l];
        token = t;
        layer = l;
      }
  return "Largest probability " + number_text(best) + " after restoring token " + std::to_string(token) +
         " (" + trace.tokens[token] + ") at layer " + std::to_string(layer) + "; " + number_text(trace.low) +
         " without restoring, " + number_text(trace.high) + " clean.";
}

}  // namespace

std::vector<TitledChart> fact_maps(const FactTrace& trace, const std::string& name) {
  const std::array<const Grid*, 3> grids = {&trace.block, &trace.mlp, &trace.attention};
  const std::array<const std::vector<std::vector<bool>>*, 3> exact = {&trace.block_exact, &trace.mlp_exact,
                                                                      &trace.attention_exact};
  std::vector<TitledChart> charts;
  for (std::size_t k = 0; k < grids.size(); ++k) {
    if (grids[k]->empty()) continue;
    HeatMap map;
    map.frame = {std::string(kKinds[k].title) + ": " + trace.prompt, map_text(trace, *grids[k]), 520};
    map.low = trace.low;
    map.high = std::max(trace.high, trace.low);
    map.x_label = "layer";
    map.scale_label = "p(answer)";
    map.series = kKinds[k].series;
    for (std::size_t t = 0; t < grids[k]->size(); ++t) {
      const bool subject = static_cast<std::int64_t>(t) >= trace.subject_begin &&
                           static_cast<std::int64_t>(t) < trace.subject_end;
      HeatMap::Row row = map_row(trace.tokens[t], subject, (*grids[k])[t]);
      if (!exact[k]->empty())
        for (const bool ran : (*exact[k])[t]) row.faint.push_back(!ran);
      map.rows.push_back(std::move(row));
    }
    charts.push_back({kKinds[k].title, heat_map_svg(map), name + "-" + kKinds[k].key});
  }
  return charts;
}

std::vector<TitledChart> role_maps(const TraceAverage& average) {
  double top = 0;
  for (const RoleAverage& role : average.roles)
    for (const LayerCurve* curve : {&role.block, &role.mlp, &role.attention})
      for (const double mean : curve->mean) top = std::max(top, mean);
  std::vector<TitledChart> charts;
  for (std::size_t k = 0; k < kKinds.size(); ++k) {
    HeatMap map;
    map.frame = {std::string("Average indirect effect: ") + kKinds[k].title, "", 520};
    map.high = top > 0 ? top : 1;
    map.x_label = "layer";
    map.scale_label = "probability regained";
    map.series = kKinds[k].series;
    bool any = false;
    for (const RoleAverage& role : average.roles) {
      const LayerCurve& curve = k == 0 ? role.block : k == 1 ? role.mlp : role.attention;
      any = any || !curve.mean.empty();
      map.rows.push_back(map_row(role.role, role.role.find("subject ") != std::string::npos, curve.mean));
    }
    if (any) charts.push_back({kKinds[k].title, heat_map_svg(map), std::string("average-") + kKinds[k].key});
  }
  return charts;
}

std::vector<TitledChart> role_curves(const TraceAverage& average) {
  std::vector<TitledChart> charts;
  std::vector<double> seen;  // one scale for all roles
  for (const RoleAverage& role : average.roles)
    for (const LayerCurve* curve : {&role.block, &role.mlp, &role.attention})
      seen.insert(seen.end(), curve->mean.begin(), curve->mean.end());
  for (const RoleAverage& role : average.roles) {
    std::string file = "role-" + role.role;
    std::replace(file.begin(), file.end(), ' ', '-');
    if (auto chart = line_chart(file, role.role, {"indirect effect"},
                                {line("residual stream", role.block), line("MLP window", role.mlp),
                                 line("attention window", role.attention)},
                                460, seen))
      charts.push_back(std::move(*chart));
  }
  return charts;
}

std::vector<TitledChart> path_curves(const TraceAverage& average) {
  std::vector<TitledChart> charts;
  if (average.severed_mlp.facts > 0)
    if (auto chart = line_chart(
            "severed",
            "State of the subject's last token restored, with its later MLPs or attention held corrupted",
            {"indirect effect"},
            {line("nothing severed", average.severed_ordinary), line("MLP severed", average.severed_mlp),
             line("attention severed", average.severed_attention)},
            560))
      charts.push_back(std::move(*chart));
  if (average.knockout_subject.facts > 0) {
    Axis change{"change of the answer's probability"};
    change.percent = true;
    if (auto chart = line_chart(
            "knockout", "Attention from the last token cut in a window of layers", change,
            {line("to the subject", average.knockout_subject),
             line("to other tokens", average.knockout_others), line("to itself", average.knockout_last)},
            560))
      charts.push_back(std::move(*chart));
  }
  return charts;
}

std::vector<TitledChart> decision_charts(const std::vector<LayerScore>& ranking,
                                         const std::vector<TrialScore>& trial) {
  std::vector<TitledChart> charts;
  LayerCurve trace, scores;
  std::vector<LayerScore> by_layer = ranking;
  std::sort(by_layer.begin(), by_layer.end(),
            [](const LayerScore& a, const LayerScore& b) { return a.layer < b.layer; });
  for (const LayerScore& score : by_layer) {
    trace.mean.push_back(score.score);
    trace.ci95.push_back(score.ci95);
  }
  if (auto chart = line_chart("ranking", "Effect of MLP windows at the subject's last token",
                              {"indirect effect"}, {line("MLP window", trace)}, 560))
    charts.push_back(std::move(*chart));
  LineChart::Series edits{"score of edits at the layer", {}};
  for (const TrialScore& score : trial)
    edits.points.push_back({static_cast<double>(score.layer),
                            {score.score, score.score - score.ci95, score.score + score.ci95}});
  std::sort(edits.points.begin(), edits.points.end(), [](const auto& a, const auto& b) { return a.x < b.x; });
  if (!edits.points.empty())
    if (auto chart = line_chart("trial", "Score of real edits, each fact alone", {"score"}, {edits}, 560))
      charts.push_back(std::move(*chart));
  return charts;
}

}  // namespace emend
