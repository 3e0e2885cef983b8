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
{{#summary}}
<p class="summary">{{summary}}</p>
{{/summary}}
</header>
<main>
{{{body}}}</main>
<footer class="note">Made by emend {{version}}. Layers count from 0.</footer>
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

const char* const kTable =
    R"html(<div class="scroll" role="region" tabindex="0" aria-label="{{label}}"><table>
{{#caption}}
<caption>{{caption}}</caption>
{{/caption}}
<thead><tr>{{#columns}}<th scope="col"{{#style}} class="{{style}}"{{/style}}>{{name}}</th>{{/columns}}</tr></thead>
<tbody>
{{#rows}}
<tr>{{#group}}<th class="group" colspan="{{width}}" scope="rowgroup">{{text}}</th>{{/group}}{{#member}}<th scope="row"{{#style}} class="{{style}}"{{/style}}>{{text}}</th>{{#cells}}<td{{#style}} class="{{style}}"{{/style}}>{{text}}</td>{{/cells}}{{/member}}</tr>
{{/rows}}
</tbody></table></div>
)html";

const char* const kSettings = R"html(<table class="words"><tbody>
{{#settings}}
<tr><th scope="row">{{name}}</th><td>{{value}}</td></tr>
{{/settings}}
</tbody></table>
)html";

// "text good": the classes of a cell. `class_of_column` may be empty, too.
Data style_of(const std::string& class_of_column, const PageCell& cell) {
  return or_false(class_of_column + (class_of_column.empty() || cell.style.empty() ? "" : " ") + cell.style);
}

Data row_data(const PageTable& table, const std::vector<PageCell>& row, bool grouped) {
  if (row.size() == 1 && table.columns.size() > 1)
    return {{"group", {{"text", row.front().text}, {"width", table.columns.size()}}}, {"member", false}};
  const auto column_class = [&](std::size_t i) { return table.columns.at(i).is_text ? "text" : ""; };
  Data cells = Data::array();
  for (std::size_t i = 1; i < row.size(); ++i)
    cells.push_back({{"text", row[i].text}, {"style", style_of(column_class(i), row[i])}});
  const std::string head = std::string(grouped ? "member" : "") +
                           (grouped && table.columns.front().is_text ? " " : "") + column_class(0);
  return {{"group", false},
          {"member", {{"text", row.front().text}, {"style", style_of(head, row.front())}, {"cells", cells}}}};
}

}  // namespace

std::string page_html(const Page& page) {
  return fill_template(kFrame, {{"title", page.title},
                                {"subtitle", page.subtitle},
                                {"summary", or_false(page.summary)},
                                {"version", page.version},
                                {"style", page_style()},
                                {"body", page.body}});
}

std::string charts_html(const std::vector<TitledChart>& charts) {
  Data list = Data::array();
  for (const TitledChart& chart : charts) list.push_back({{"title", chart.title}, {"svg", chart.svg}});
  return fill_template(kCharts, {{"charts", list}});
}

std::string table_html(const PageTable& table) {
  const bool grouped = !table.rows.empty() && table.rows.front().size() == 1 && table.columns.size() > 1;
  Data columns = Data::array(), rows = Data::array();
  for (const PageColumn& column : table.columns)
    columns.push_back({{"name", column.name}, {"style", column.is_text ? Data("text") : Data(false)}});
  for (const std::vector<PageCell>& row : table.rows) rows.push_back(row_data(table, row, grouped));
  return fill_template(
      kTable,
      {{"label", table.label}, {"caption", or_false(table.caption)}, {"columns", columns}, {"rows", rows}});
}

std::string settings_html(const std::vector<std::pair<std::string, std::string>>& settings) {
  Data list = Data::array();
  for (const auto& [name, value] : settings) list.push_back({{"name", name}, {"value", value}});
  return fill_template(kSettings, {{"settings", list}});
}

}  // namespace emend
