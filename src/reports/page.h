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
};

// The whole document: it needs nothing else, neither scripts nor network, and is light or dark by the
// reader's setting. Title and subtitle are escaped.
std::string page_html(const Page& page);

// A drawing (report/svg.h, report/heat_map.h) with its title.
struct TitledChart {
  std::string title;
  std::string svg;
};
// Side by side as far as the page is wide.
std::string charts_html(const std::vector<TitledChart>& charts);

// Names and values, such as what a run was made with, one a row.
std::string settings_html(const std::vector<std::pair<std::string, std::string>>& settings);

}  // namespace emend
