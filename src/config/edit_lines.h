// Edits as JSON lines: one edit a line, with the keys that an entry of `edits:` has.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "config/edit_entry.h"

namespace emend {

// Whether a file of this name holds JSON lines: it ends in .jsonl.
bool is_edit_lines(const std::filesystem::path& name);

// The edits of a text, without the check of what several of them must not say together. Empty lines are
// skipped. What only a benchmark needs of a record (docs/formats.md, "Records of emend") may stand in a line
// and is passed over; so a file of such records is an edit file as it is. What is wrong with a line is added
// to `errors` as "NAME:LINE: ...". Throws Error(kConfig) if there is none.
std::vector<EditEntry> read_edit_lines(std::string_view text, const std::string& name, ErrorList& errors);

}  // namespace emend
