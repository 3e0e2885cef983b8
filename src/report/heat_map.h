// A table of numbers as a picture: rows of cells, the fuller the larger the value.
#pragma once

#include <string>
#include <vector>

#include "report/drawing.h"

namespace emend {

struct HeatMap {
  struct Row {
    std::string label;
    bool marked = false;         // drawn with a bar beside the label
    std::vector<double> values;  // one a column; empty: the row is left out; not finite: the cell stays empty
    std::vector<bool> faint;     // cells that are estimates: drawn half as high; empty: none
  };
  ChartFrame frame;
  std::vector<Row> rows;
  double low = 0, high = 1;  // values at or below `low` stay empty, those at or above `high` are full
  std::string x_label, scale_label;
  int series = 1;  // colour, 1 to 5
};

// Columns count from 0 and are marked every five. Neighbouring cells of nearly the same value (a twentieth of
// the scale) become one shape, so that a page of many maps stays small; the numbers themselves belong into a
// table or a file beside it.
std::string heat_map_svg(const HeatMap& map);

}  // namespace emend
