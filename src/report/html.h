// Parts of self-contained pages: they load nothing from a network, need no script, and are light or dark by
// the reader's setting. The one page with a script, for its search, is reports/memories_page.h.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace emend {

// For text and attribute values of HTML and XML: & < > " ' become entities, bytes that are not UTF-8 U+FFFD,
// what these cannot hold (control characters other than tab and line feed, U+FFFE, U+FFFF) visible escapes.
std::string escape_html(std::string_view text);

// A Mustache template (mustache.github.io) filled in: {{name}} is escaped, {{{name}}} taken as it is. Objects
// and lists of `data` are sections; numbers are printed as JSON prints them; null prints as nothing. A broken
// template is a mistake of ours: std::logic_error.
std::string fill_template(const std::string& mustache, const nlohmann::ordered_json& data);

// `text` for a section of a template that an empty text leaves out.
nlohmann::ordered_json or_false(const std::string& text);

// The style sheet that all reports share, for a <style> element: type, tables, details, charts (see svg.h).
std::string page_style();

}  // namespace emend
