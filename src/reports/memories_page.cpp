#include "reports/memories_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <numeric>

#include "base/json.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/memory_labels.h"
#include "report/html.h"
#include "report/numbers.h"
#include "reports/aggregate_report.h"
#include "reports/layer_curves.h"
#include "reports/memory_page.h"
#include "reports/page.h"
#include "reports/patterns_report.h"

namespace emend {
namespace {

constexpr std::size_t kTokens = 10;
constexpr int kBinsWidth = 520;

const char* const kSearch =
    R"html(<p><label>Search cells: words of values, triggers and labels, or an address such as L12D771 <input id="search" type="search" autocomplete="off"></label> <output id="found" for="search"></output></p>
)html";

// Without a bare less-than sign or ampersand, so that the page stays well formed.
const char* const kScript = R"html(<script>
(() => {
  const box = document.getElementById("search"), found = document.getElementById("found");
  const cells = Array.from(document.querySelectorAll("details.cell"));
  const show = () => {
    const words = box.value.toLowerCase().split(" ").filter((word) => word !== "");
    let count = 0;
    for (const cell of cells) {
      const hit = words.every((word) => cell.dataset.words.includes(word));
      cell.hidden = !hit;
      if (hit) count += 1;
    }
    found.textContent = count + " of " + cells.length + " cells";
  };
  box.addEventListener("input", show);
  show();
})();
</script>
)html";

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) {
    return c < 0x80 ? static_cast<char>(std::tolower(c)) : static_cast<char>(c);
  });
  return text;
}

std::string first_tokens(const std::vector<ValueToken>& tokens) {
  std::vector<std::string> words;
  for (std::size_t k = 0; k < std::min(kTokens, tokens.size()); ++k) words.push_back(quote(tokens[k].text));
  return join(words, " ");
}

std::string value_lines(const MemoryRecord& record) {
  if (!record.value) return "";
  return settings_html({{"+v promotes", first_tokens(record.value->top)},
                        {"-v promotes", first_tokens(record.value->bottom)}});
}

std::string examples_table(const MemoryRecord& record, std::size_t count) {
  PageTable table{"Triggers of " + to_string(record.id),
                  "",
                  {{"coefficient"}, {"text up to the token", true}, {"next", true}, {"document", true}},
                  {}};
  for (const auto* list : {&record.high, &record.low})
    for (std::size_t k = 0; k < std::min(count, list->size()); ++k) {
      const MemoryExample& example = (*list)[k];
      table.rows.push_back({{number_text(static_cast<double>(example.coefficient))},
                            {example.text, "model-text"},
                            {example.next_id ? example.next : "-", "model-text"},
                            {example.source}});
    }
  return table_html(table);
}

// What the search looks in, in lower case.
std::string words_of_cell(const MemoryRecord& record, std::size_t count) {
  std::vector<std::string> words = {to_string(record.id)};
  words.insert(words.end(), record.labels.begin(), record.labels.end());
  if (record.value)
    for (const auto* tokens : {&record.value->top, &record.value->bottom})
      for (std::size_t k = 0; k < std::min(kTokens, tokens->size()); ++k) words.push_back((*tokens)[k].text);
  for (const auto* list : {&record.high, &record.low})
    for (std::size_t k = 0; k < std::min(count, list->size()); ++k)
      words.push_back((*list)[k].text + (*list)[k].next);
  return lower(join(words, " "));
}

std::string cell_details(const MemoryRecord& record, std::size_t count) {
  std::string title = to_string(record.id);
  if (!record.labels.empty()) title += " " + join(record.labels, "; ");
  if (record.value) title += ": " + first_tokens(record.value->top);
  return "<details class=\"cell\" data-words=\"" + escape_html(words_of_cell(record, count)) +
         "\"><summary>" + escape_html(title) + "</summary>\n" +
         settings_html({{"active", percent_text(record.active_share)},
                        {"least and largest coefficient",
                         number_text(record.least) + " and " + number_text(record.most)},
                        {"length of the value", number_text(record.value_norm)}}) +
         value_lines(record) + examples_table(record, count) + "</details>\n";
}

// The cells of a layer with the largest contributions, and those with labels, by index.
std::vector<int> chosen_cells(const MemoryIndex& index, int layer, int wanted) {
  const std::vector<double> largest = index.largest_contributions(layer);
  std::vector<int> cells(largest.size());
  std::iota(cells.begin(), cells.end(), 0);
  if (wanted == 0 || static_cast<std::size_t>(wanted) >= cells.size()) return cells;
  std::stable_sort(cells.begin(), cells.end(), [&](int a, int b) {
    return largest[static_cast<std::size_t>(a)] > largest[static_cast<std::size_t>(b)];
  });
  cells.resize(static_cast<std::size_t>(wanted));
  for (const auto& [cell, labels] : read_labels(index.folder()))
    if (cell.layer == layer) cells.push_back(cell.index);
  std::sort(cells.begin(), cells.end());
  cells.erase(std::unique(cells.begin(), cells.end()), cells.end());
  return cells;
}

// Figure 6 of Geva et al. 2021.
TitledChart bins_chart(const ResultJson& values, const std::string& title, const std::string& key) {
  if (!values.contains(key) || values[key].empty()) return {title, ""};
  BarChart chart;
  chart.frame = {title, title + ".", kBinsWidth};
  chart.x_label = "agreement, %";
  for (const ResultJson& bin : values[key])
    chart.rows.push_back({fmt::format("{} to {} ({} cells)", number_text(number_at(bin, "low")),
                                      number_text(number_at(bin, "high")), count_text(bin["cells"])),
                          100 * number_at(bin, "agreement")});
  return {title, bar_svg(chart)};
}

std::string values_sections(const ResultJson& values) {
  const ResultJson& layers = values["layers"];
  std::vector<TitledChart> charts = {
      layer_chart(layers, "Values that foretell what follows their triggers", {"share of cells", true},
                  {{"agreement", "agreement.agreement"}, {"shuffled", "agreement.shuffled"}}),
      layer_chart(layers, "Rank of the next token in the value", {"rank"},
                  {{"median and quartiles", "agreement.rank_quartiles.1", "agreement.rank_quartiles.0",
                    "agreement.rank_quartiles.2"}}),
      layer_chart(layers, "Favourites that echo the trigger", {"share of cells", true},
                  {{"echo", "agreement.echo_rate"}}),
      layer_chart(layers, "Largest probability of a value", {"p"},
                  {{"median and quartiles", "largest_probability_quartiles.1",
                    "largest_probability_quartiles.0", "largest_probability_quartiles.2"}})};
  for (const auto& [title, key] :
       {std::pair("Agreement by largest probability, bins of equal width", "bins_of_equal_width"),
        {"Agreement by largest probability, bins of equal count", "bins_of_equal_count"}})
    charts.push_back(bins_chart(values, title, key));
  std::erase_if(charts, [](const TitledChart& chart) { return chart.svg.empty(); });
  return "<section>\n<h2>Values</h2>\n" +
         (charts.empty() ? std::string("<p>One layer has no curve.</p>\n") : charts_html(charts)) +
         "</section>\n";
}

// Which command wrote a result; empty: none of those that are known here.
std::string kind_of(const ResultJson& result) {
  if (!result.is_object() || !result.contains("layers")) return "";
  if (result.contains("decision_layer_quartiles")) return "aggregate";
  if (result.contains("crossover")) return "patterns";
  if (result.contains("sharpest_in_top_third")) return "values";
  return "";
}

std::string result_sections(const std::filesystem::path& file, const MemoryIndexHead& head,
                            MemoriesPage& page) {
  const ResultJson result = ResultJson::parse(read_json_file(file).dump());
  const std::string kind = kind_of(result);
  if (kind.empty())
    throw Error(ErrorKind::kFormat,
                file.string() +
                    ": this is no result as JSON of the analyses of memories: values, aggregate or patterns");
  if (result.contains("model") && result["model"].value("fingerprint", "") != head.model_fingerprint)
    throw Error(ErrorKind::kModel, file.string() + ": this result is of another model than the index");
  page.results.push_back(kind);
  if (kind == "aggregate") return aggregate_sections(result);
  return kind == "patterns" ? patterns_sections(result) : values_sections(result);
}

}  // namespace

MemoriesPage memories_page(const MemoryIndex& index, const MemoriesPageOptions& options) {
  const MemoryIndexHead& head = index.head();
  MemoriesPage made;
  std::string body = "<section>\n<h2>Layers</h2>\n" + scan_layers_html(index.layers()) + "</section>\n";
  for (const std::filesystem::path& file : options.results) body += result_sections(file, head, made);
  body += "<section>\n<h2>Cells</h2>\n" + std::string(kSearch);
  for (const int layer : head.layers) {
    body += fmt::format("<h3>Layer {}</h3>\n", layer);
    for (const int cell : chosen_cells(index, layer, options.cells)) {
      body += cell_details(index.cell({layer, cell}), static_cast<std::size_t>(options.examples));
      ++made.cells;
    }
  }
  body += "</section>\n<section>\n<h2>How it was scanned</h2>\n" + scan_settings_html(head) + "</section>\n" +
          kScript;
  Page page;
  page.title = "Memories of " + head.model;
  page.subtitle = "The feed-forward layers as key-value memories.";
  page.summary =
      fmt::format("{} layers of {} cells over {} tokens of text; {} cells are shown.", head.layers.size(),
                  count_text(head.cells), count_text(head.tokens), count_text(made.cells));
  page.body = body;
  made.html = page_html(page);
  return made;
}

}  // namespace emend
