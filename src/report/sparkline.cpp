#include "report/sparkline.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace emend {

std::string sparkline(const std::vector<double>& values, std::size_t columns, double low, double high) {
  static constexpr std::array<const char*, 8> kBlocks = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  columns = std::min(columns, values.size());
  std::string line;
  for (std::size_t column = 0; column < columns; ++column) {
    const std::size_t begin = column * values.size() / columns, end = (column + 1) * values.size() / columns;
    double sum = 0;
    int count = 0;
    for (std::size_t i = begin; i < end; ++i)
      if (std::isfinite(values[i])) {
        sum += values[i];
        ++count;
      }
    if (count == 0) {
      line += " ";
      continue;
    }
    const double height = (sum / count - low) / (high - low) * static_cast<double>(kBlocks.size());
    line +=
        kBlocks[static_cast<std::size_t>(std::clamp(height, 0.0, static_cast<double>(kBlocks.size()) - 1))];
  }
  return line;
}

}  // namespace emend
