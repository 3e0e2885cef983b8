// What people say about prefixes, as a CSV file (docs/formats.md, "Annotation of memories").
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "emend/memory_patterns.h"

namespace emend {

// Labels of the prefixes of each cell that an annotator looked at; a cell with a line without ranks was
// looked at, too.
struct Annotation {
  struct Looked {
    std::vector<int> shallow, semantic;  // ranks
  };
  // A line as it stands in its file.
  struct Row {
    std::string place;  // file and line
    MemoryId cell;
    std::vector<int> ranks;
  };
  std::map<std::string, std::map<MemoryId, Looked>> by_annotator;
  std::vector<Row> rows;
};

// The fields of a line of CSV (RFC 4180; a quoted field may not hold a line end). Throws
// Error(kFormat) naming `place` for a quote that is not closed or stands inside a field.
std::vector<std::string> csv_fields(const std::string& line, const std::string& place);
std::string csv_line(const std::vector<std::string>& fields);

// Adds a file. Throws Error(kFormat) naming file and line.
void read_annotation(const std::filesystem::path& file, Annotation& annotation);

PrefixLabel label_of(const Annotation::Looked& looked, int rank);

}  // namespace emend
