// The frame that all pages share, and pieces that several of them have.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "emend/version.h"

namespace emend {

struct Page {
  std::string title, subtitle;
  std::string body;                       // HTML: sections, each with a heading <h2>
  std::string version = emend_version();  // of the program that found out what the page shows
  std::string summary = {};               // what was found, in a sentence or two; may be empty
};

// The whole document in one file. It loads nothing from a network, contains no script unless `body` brings
// one (only memories_page.h does, for its search), and is light or dark by the reader's setting. Title,
// subtitle and summary are escaped.
std::string page_html(const Page& page);

// A drawing (report/svg.h, report/heat_map.h) with its title.
struct TitledChart {
  std::string title;
  std::string svg;
  std::string name = {};  // "fact-3-mlp": of a file of its own; empty: it has none
};
// Side by side as far as the page is wide.
std::string charts_html(const std::vector<TitledChart>& charts);

// A table in the form that all pages have: the first column names the rows.
struct PageCell {
  std::string text;
  std::string style = {};  // "good", "bad" or "model-text"; may be empty
};
struct PageColumn {
  std::string name;
  bool is_text = false;  // sentences: at the left, in several lines if need be; numbers are at the right
};
struct PageTable {
  std::string label;    // what it is, for a screen reader
  std::string caption;  // above the table; may be empty
  std::vector<PageColumn> columns;
  std::vector<std::vector<PageCell>> rows;  // a row of one cell heads a group of rows
};
// Wider tables than the page are scrolled by themselves.
std::string table_html(const PageTable& table);

// Names and values, such as what a run was made with, one a row.
std::string settings_html(const std::vector<std::pair<std::string, std::string>>& settings);

}  // namespace emend
