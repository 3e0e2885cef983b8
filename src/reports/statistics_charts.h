// The charts of a report on statistics: which figures go into which.
#pragma once

#include <map>
#include <vector>

#include "emend/statistics_job.h"
#include "reports/page.h"

namespace emend {

// Condition, effective rank and estimated error, each over the layers; empty for fewer than two layers. What
// is not known has no point.
std::vector<TitledChart> layer_charts(const std::vector<LayerSummary>& layers);

// The error estimate of the worst layer as the keys came in; empty for fewer than two points.
std::vector<TitledChart> error_charts(const std::vector<CurvePoint>& curve);

// Eigenvalues of C over their mean, as log10, of up to five layers (StatisticsSummary::log_spectra).
TitledChart spectra_chart(const std::map<int, std::vector<double>>& log_spectra);
// The same of any number of layers, five a chart.
std::vector<TitledChart> spectra_charts(const std::map<int, std::vector<double>>& log_spectra);

}  // namespace emend
