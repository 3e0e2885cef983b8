#include "report/markdown.h"

#include "report/display_text.h"

namespace emend {
namespace {

std::string row_line(const std::vector<std::string>& cells, std::size_t columns) {
  std::string line = "|";
  for (std::size_t i = 0; i < columns; ++i) line += " " + (i < cells.size() ? cells[i] : "") + " |";
  return line + "\n";
}

}  // namespace

std::string markdown_text(std::string_view text) {
  std::string escaped;
  for (const char c : one_line(text)) {
    if (c == '<') {
      escaped += "&lt;";
    } else if (c == '&') {
      escaped += "&amp;";
    } else {
      if (std::string_view("\\`*_[]|~#").find(c) != std::string_view::npos) escaped += '\\';
      escaped += c;
    }
  }
  return escaped;
}

std::string markdown_table(const std::vector<std::string>& columns,
                           const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::string> cells, rule;
  for (const std::string& column : columns) {
    rule.emplace_back(cells.empty() ? "---" : "---:");
    cells.push_back(markdown_text(column));
  }
  std::string table = row_line(cells, columns.size()) + row_line(rule, columns.size());
  for (const std::vector<std::string>& row : rows) {
    cells.clear();
    for (const std::string& cell : row) cells.push_back(markdown_text(cell));
    if (row.size() == 1 && columns.size() > 1) cells.front() = "**" + cells.front() + "**";
    table += row_line(cells, columns.size());
  }
  return table;
}

}  // namespace emend
