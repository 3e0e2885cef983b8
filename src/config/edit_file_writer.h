// Edits as the text of an edit file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "emend/records.h"

namespace emend {

// What of a list of edits an edit file can hold.
struct FittedEdits {
  std::vector<EditRequest> edits;                // in their order; texts as the reader would give them
  std::map<std::string, std::int64_t> left_out;  // reason -> edits
  std::map<std::string, std::int64_t> left_out_questions;  // reason -> paraphrases and neighbours
  std::size_t beyond = 0;                                  // edits after the last one that was wanted
};

// Takes edits in order until there are `most` of them; 0: all. Left out is what read_edit_file would refuse:
// control characters, an empty field, a target that is the present answer, an id or an edit for the second
// time, another target for a prompt met before; the paraphrases to which another edit of the list wants
// another answer; and the neighbours that are themselves edited by another edit of the list.
FittedEdits fit_edits(const std::vector<EditRequest>& requests, std::size_t most);

// The text of an edit file with these edits, as fit_edits left them: parse_edit_file gives them back. Each
// line of `comment` is put on top behind "# ".
std::string edit_file_text(const std::vector<EditRequest>& edits, const std::vector<std::string>& comment);

// The same as JSON lines, one edit a line (config/edit_lines.h), which have no comments.
std::string edit_lines_text(const std::vector<EditRequest>& edits);

}  // namespace emend
