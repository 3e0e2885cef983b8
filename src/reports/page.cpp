#include "reports/page.h"

#include "report/html.h"

namespace emend {
namespace {

using Data = nlohmann::ordered_json;

// On paper all details are open.
const char* const kFrame = R"html(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="emend {{version}}">
<title>{{title}}</title>
<style>{{{style}}}
@media print { details::details-content { content-visibility: visible; block-size: auto; } }
</style>
</head>
<body>
<header>
<h1>{{title}}</h1>
<p class="note">{{subtitle}}</p>
</header>
<main>
{{{body}}}</main>
</body>
</html>
)html";

const char* const kCharts = R"html(<div class="charts">
{{#charts}}
<figure><figcaption>{{title}}</figcaption>
{{{svg}}}</figure>
{{/charts}}
</div>
)html";

const char* const kSettings = R"html(<table class="words"><tbody>
{{#settings}}
<tr><th scope="row">{{name}}</th><td>{{value}}</td></tr>
{{/settings}}
</tbody></table>
)html";

}  // namespace

std::string page_html(const Page& page) {
  return fill_template(kFrame, {{"title", page.title},
                                {"subtitle", page.subtitle},
                                {"version", page.version},
                                {"style", page_style()},
                                {"body", page.body}});
}

std::string charts_html(const std::vector<TitledChart>& charts) {
  Data list = Data::array();
  for (const TitledChart& chart : charts) list.push_back({{"title", chart.title}, {"svg", chart.svg}});
  return fill_template(kCharts, {{"charts", list}});
}

std::string settings_html(const std::vector<std::pair<std::string, std::string>>& settings) {
  Data list = Data::array();
  for (const auto& [name, value] : settings) list.push_back({{"name", name}, {"value", value}});
  return fill_template(kSettings, {{"settings", list}});
}

}  // namespace emend
