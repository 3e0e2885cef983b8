#include "report/html.h"

#include <fmt/format.h>

#include <kainjow/mustache.hpp>
#include <stdexcept>

#include "base/utf8.h"

namespace emend {
namespace {

using kainjow::mustache::data;
using kainjow::mustache::mustache;

std::string escape_character(std::string_view character) {
  if (character == "\xEF\xBF\xBE" || character == "\xEF\xBF\xBF")  // U+FFFE, U+FFFF: XML has neither
    return character.back() == '\xBE' ? "\\uFFFE" : "\\uFFFF";
  const auto first = static_cast<unsigned char>(character.front());
  switch (first) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    case '\n':
    case '\t':
      return std::string(character);
    default:
      break;
  }
  if (first >= 0x20 && first != 0x7F) return std::string(character);
  return fmt::format("\\x{:02X}", first);
}

data to_mustache(const nlohmann::ordered_json& json) {
  if (json.is_object()) {
    data object(data::type::object);
    for (const auto& [key, value] : json.items()) object.set(key, to_mustache(value));
    return object;
  }
  if (json.is_array()) {
    data list(data::type::list);
    for (const auto& value : json) list.push_back(to_mustache(value));
    return list;
  }
  if (json.is_string()) return data(json.get<std::string>());
  if (json.is_boolean()) return data(json.get<bool>());
  return json.is_null() ? data(false) : data(json.dump());
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text, at);
    escaped += length == 0 ? "\xEF\xBF\xBD" : escape_character(text.substr(at, length));
    at += length == 0 ? 1 : length;
  }
  return escaped;
}

std::string fill_template(const std::string& text, const nlohmann::ordered_json& json) {
  mustache page(text);
  page.set_custom_escape([](const std::string& value) { return escape_html(value); });
  std::string filled = page.is_valid() ? page.render(to_mustache(json)) : "";
  if (!page.is_valid()) throw std::logic_error("broken template: " + page.error_message());
  return filled;
}

nlohmann::ordered_json or_false(const std::string& text) {
  return text.empty() ? nlohmann::ordered_json(false) : nlohmann::ordered_json(text);
}

// Series 0 is the model as it was, in grey. Colours are told apart by readers who are colour-blind, and
// shapes and dashes tell the series apart without them.
std::string page_style() {
  return R"css(
:root { color-scheme: light dark;
  --paper: #ffffff; --ink: #1c1f23; --quiet: #59616b; --line: #d5d9de; --panel: #f5f6f8; --accent: #0a58a8;
  --s0: #6b7280; --s1: #0a58a8; --s2: #b8400a; --s3: #0b7a5c; --s4: #7a3fb5; --s5: #8a6a00;
  --good: #0b6b45; --bad: #a3221a; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #14171a; --ink: #e6e8eb; --quiet: #a3acb6; --line: #3a4149; --panel: #1d2125; --accent: #7ab8ff;
  --s0: #9aa3ad; --s1: #7ab8ff; --s2: #ff9f68; --s3: #4fd1a5; --s4: #cda6ff; --s5: #e8c547;
  --good: #6ddfa8; --bad: #ff8f85; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1.25rem 4rem; max-width: 70rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
p { margin: .25rem 0 .75rem; max-width: 48rem; }
a { color: var(--accent); }
.note, caption, figcaption { color: var(--quiet); font-size: .875rem; }
.summary { font-size: 1.125rem; margin: .75rem 0 0; }
footer { margin-top: 3rem; padding-top: .75rem; border-top: 1px solid var(--line); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0 1rem; font-size: .9375rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .25rem; }
th, td { padding: .25rem .75rem; text-align: right; vertical-align: top; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
thead th { border-bottom: 2px solid var(--quiet); white-space: nowrap; }
tbody th { font-weight: 400; }
tbody td { white-space: nowrap; }
tbody th.group { font-weight: 600; padding-top: .75rem; }
tbody th.member { padding-left: 1rem; }
th.text, td.text { text-align: left; white-space: normal; overflow-wrap: break-word; max-width: min(24rem, 60vw); }
table.words th, table.words td { text-align: left; }
table.words td { white-space: normal; overflow-wrap: anywhere; }
table.words tbody th { color: var(--quiet); white-space: nowrap; padding-left: 0; padding-right: 1.5rem; }
details { border: 1px solid var(--line); border-radius: .375rem; margin: .5rem 0; background: var(--panel); }
summary { cursor: pointer; padding: .5rem .75rem; overflow-wrap: anywhere; }
summary:focus-visible, a:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
details > .inside { padding: 0 .75rem .5rem; }
details table { margin-top: 0; }
td.model-text { white-space: pre-wrap; }
.model-text { white-space: pre-wrap; font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: .8125rem; }
.good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
.charts { display: flex; flex-wrap: wrap; gap: 1rem 1.5rem; align-items: flex-start; }
figure { margin: .5rem 0 1rem; max-width: 100%; }
figcaption { font-weight: 600; color: var(--ink); }
svg.chart { display: block; max-width: 100%; height: auto; color: var(--ink); }
.chart text { fill: currentColor; font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
.chart .quiet { fill: var(--quiet); }
.chart .grid { stroke: var(--line); } .chart .axis { stroke: var(--quiet); }
.chart .stroke { fill: none; stroke-width: 2; } .chart .dot { stroke-width: 2; } .chart .band { stroke: none; fill-opacity: .18; }
.chart .bar { fill-opacity: .55; stroke-width: 1; }
.s0 { --series: var(--s0); } .s1 { --series: var(--s1); } .s2 { --series: var(--s2); }
.s3 { --series: var(--s3); } .s4 { --series: var(--s4); } .s5 { --series: var(--s5); }
.chart .stroke, .chart .dot, .chart .bar { stroke: var(--series); }
.chart .dot, .chart .bar, .chart .band { fill: var(--series); }
.chart .hollow { fill: var(--paper); }
.chart .heat { fill: var(--series); stroke: none; } .chart .frame { fill: none; stroke: var(--line); }
.chart .mark { stroke: var(--series); stroke-width: 3; } .chart .marked { font-weight: 700; }
@media print { body { max-width: none; padding: 0; font-size: 11px; } details { break-inside: avoid; }
  figure, table { break-inside: avoid; }
  h2, h3 { break-after: avoid; } }
)css";
}

}  // namespace emend
