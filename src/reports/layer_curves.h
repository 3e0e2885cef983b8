// Curves over layers, as the pages about memories have them, from results as JSON.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "report/svg.h"
#include "reports/page.h"

namespace emend {

// One number a layer: of each entry of a list of layers the member at `path`, "agreement.shuffled" or
// "active_quartiles.1"; what is missing or null has no point. With `low` and `high` there is a band.
struct JsonCurve {
  std::string name, path;
  std::string low = {}, high = {};
};

struct CurveAxis {
  std::string label;
  bool percent = false;
  bool from_zero = true;
};

// `layers`: entries with "layer". A chart without any point has no svg.
TitledChart layer_chart(const ResultJson& layers, const std::string& title, const CurveAxis& axis,
                        const std::vector<JsonCurve>& curves);

// The member at a path as a number; NaN where it is missing or no number.
double number_at(const ResultJson& json, const std::string& path);

}  // namespace emend
