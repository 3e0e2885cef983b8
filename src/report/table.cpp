#include "report/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>

namespace emend {
namespace {

constexpr std::size_t kGap = 2;

std::size_t total_width(const std::vector<std::size_t>& widths) {
  return std::accumulate(widths.begin(), widths.end(), widths.empty() ? 0 : kGap * (widths.size() - 1));
}

}  // namespace

Table::Table(std::vector<TableColumn> columns) : columns_(std::move(columns)) {}

void Table::add_row(const std::vector<std::string>& cells) {
  if (cells.size() > columns_.size())
    throw std::invalid_argument(
        fmt::format("a row of {} cells for a table of {} columns", cells.size(), columns_.size()));
  std::vector<std::string> row(columns_.size());
  std::transform(cells.begin(), cells.end(), row.begin(),
                 [](const std::string& cell) { return one_line(cell); });
  rows_.push_back(std::move(row));
}

std::vector<std::size_t> Table::fitted_widths(std::size_t columns) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = display_width(columns_[i].header);
    for (const auto& row : rows_) width = std::max(width, display_width(row[i]));
    widths.push_back(width);
  }
  while (columns > 0 && total_width(widths) > columns) {
    std::size_t* widest = nullptr;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const bool may_shrink = columns_[i].least > 0 && widths[i] > columns_[i].least;
      if (may_shrink && (widest == nullptr || widths[i] > *widest)) widest = &widths[i];
    }
    if (widest == nullptr) break;
    --*widest;
  }
  return widths;
}

std::string Table::line(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths) const {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line.append(kGap, ' ');
    line += pad_to_width(cut_to_width(cells[i], widths[i]), widths[i], columns_[i].align);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string Table::text(std::size_t columns, std::size_t indent) const {
  const std::vector<std::size_t> widths = fitted_widths(columns > indent ? columns - indent : columns);
  const std::string margin(indent, ' ');
  std::vector<std::string> headers;
  std::vector<std::string> rules;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    headers.push_back(columns_[i].header);
    rules.emplace_back(widths[i], '-');
  }
  std::string text = margin + line(headers, widths) + "\n" + margin + line(rules, widths) + "\n";
  for (const auto& row : rows_) text += margin + line(row, widths) + "\n";
  return text;
}

}  // namespace emend
