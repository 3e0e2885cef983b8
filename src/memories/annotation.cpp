#include "memories/annotation.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/files.h"
#include "base/strings.h"
#include "emend/error.h"

namespace emend {
namespace {

const std::vector<std::string>& annotation_columns() {
  static const std::vector<std::string> columns = {"layer0", "memory",      "annotator",   "pattern_id",
                                                   "kind",   "description", "prefix_ranks"};
  return columns;
}

int whole_number(const std::string& text, const char* what, const std::string& place) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0 || text.empty())
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: {} must be a number from 0 on, found {}", place, what, quote(text)));
  return number;
}

}  // namespace

std::vector<std::string> csv_fields(const std::string& line, const std::string& place) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t at = 0; at < line.size(); ++at) {
    const char c = line[at];
    if (quoted && c == '"' && at + 1 < line.size() && line[at + 1] == '"') {
      fields.back() += '"';
      ++at;
    } else if (quoted && c == '"') {
      quoted = false;
      if (at + 1 < line.size() && line[at + 1] != ',')
        throw Error(ErrorKind::kFormat, place + ": a comma must follow the closing quote of a field");
    } else if (!quoted && c == '"') {
      if (!fields.back().empty())
        throw Error(ErrorKind::kFormat,
                    place + ": a quote stands inside a field that does not begin with one");
      quoted = true;
    } else if (!quoted && c == ',') {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  if (quoted) throw Error(ErrorKind::kFormat, place + ": a quote is not closed in its line");
  return fields;
}

std::string csv_line(const std::vector<std::string>& fields) {
  std::string line;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) line += ',';
    std::string text;
    bool plain = true;
    for (const char c : fields[i]) {
      if (c == '"' || c == ',') plain = false;
      if (c == '"') text += '"';
      text += c == '\n' || c == '\r' ? ' ' : c;
    }
    line += plain ? text : '"' + text + '"';
  }
  return line + "\n";
}

void read_annotation(const std::filesystem::path& file, Annotation& annotation) {
  const std::string text = read_text_file(file);
  const auto& columns = annotation_columns();
  std::size_t number = 0;
  for (const std::string& raw : split_at(text, '\n')) {
    const std::string line(trim_back(raw));
    const std::string place = fmt::format("{}:{}", file.string(), ++number);
    if (line.empty() && number > 1) continue;
    const std::vector<std::string> fields = csv_fields(line, place);
    if (number == 1 ? fields != columns : fields.size() != columns.size())
      throw Error(ErrorKind::kFormat,
                  number == 1 ? fmt::format("{}: the first line must name the columns {}, found {}", place,
                                            join(columns, ","), quote(line))
                              : fmt::format("{}: a line has {} columns, found {}", place, columns.size(),
                                            fields.size()));
    if (number == 1) continue;
    const MemoryId cell{whole_number(fields[0], "layer0", place), whole_number(fields[1], "memory", place)};
    if (fields[2].empty()) throw Error(ErrorKind::kFormat, place + ": annotator is empty");
    Annotation::Looked& looked = annotation.by_annotator[fields[2]][cell];
    annotation.rows.push_back({place, cell, {}});
    if (fields[4].empty() && fields[6].empty()) continue;  // looked at, nothing found
    if (fields[4] != "shallow" && fields[4] != "semantic")
      throw Error(ErrorKind::kFormat,
                  fmt::format("{}: kind must be shallow or semantic, found {}", place, quote(fields[4])));
    std::vector<int>& own = annotation.rows.back().ranks;
    for (const std::string& rank : split_at(fields[6], ' '))
      if (!rank.empty()) own.push_back(whole_number(rank, "prefix_ranks", place));
    std::vector<int>& ranks = fields[4] == "shallow" ? looked.shallow : looked.semantic;
    ranks.insert(ranks.end(), own.begin(), own.end());
  }
}

PrefixLabel label_of(const Annotation::Looked& looked, int rank) {
  const auto has = [&](const std::vector<int>& ranks) {
    return std::find(ranks.begin(), ranks.end(), rank) != ranks.end();
  };
  const bool shallow = has(looked.shallow), semantic = has(looked.semantic);
  return shallow    ? (semantic ? PrefixLabel::kBoth : PrefixLabel::kShallow)
         : semantic ? PrefixLabel::kSemantic
                    : PrefixLabel::kNotCovered;
}

}  // namespace emend
