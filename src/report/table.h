// A table in plain text: a header, a rule, rows; columns two spaces apart.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "report/display_text.h"

namespace emend {

struct TableColumn {
  std::string header;
  Align align = Align::kLeft;
  // Columns of the terminal below which this one is never cut when the table is too wide; 0: never cut at
  // all.
  std::size_t least = 0;
};

class Table {
 public:
  explicit Table(std::vector<TableColumn> columns);

  // One cell a column, in order; missing ones at the end are empty, too many are a mistake
  // (std::invalid_argument). Cells are made safe to print (see one_line).
  void add_row(const std::vector<std::string>& cells);
  bool empty() const { return rows_.empty(); }

  // Lines with a line feed each, indented by `indent`. When wider than `columns` (0: no limit), the columns
  // that may be cut are cut, the widest first, down to their `least`; what still does not fit runs over.
  std::string text(std::size_t columns, std::size_t indent = 0) const;

 private:
  std::vector<std::size_t> fitted_widths(std::size_t columns) const;
  std::string line(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths) const;

  std::vector<TableColumn> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace emend
