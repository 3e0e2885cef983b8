// Markdown that shows text as it is (CommonMark with GitHub's tables).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace emend {

// One line of plain text: what Markdown or HTML would take for markup is escaped, line feeds and other
// control characters become their escapes (see one_line).
std::string markdown_text(std::string_view text);

// A table: the first column to the left, the others to the right. Cells are plain text. A row of fewer cells
// is filled up; a row of one cell in a wider table heads a group and is set in bold.
std::string markdown_table(const std::vector<std::string>& columns,
                           const std::vector<std::vector<std::string>>& rows);

}  // namespace emend
