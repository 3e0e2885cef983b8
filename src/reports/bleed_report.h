// How far edits reach other subjects, and which of them were protected at what cost, as text, JSON and tables
// of a page. All are empty where the edits name no other subjects and protect none.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "emend/bleed.h"
#include "emend/edit.h"
#include "pipeline/result_json.h"

namespace emend {

// A summary, the other subjects that moved most, and a mark at those whose answer the unedited model does not
// say. `columns` is the width of the terminal; 0: no limit.
std::string bleed_text(const std::vector<FactRecord>& facts, std::size_t columns);

// Each protected key with what it costs; of long lists the dearest.
std::string protection_text(const Edit& edit, std::size_t columns);

// Names neighbours whose answer the unedited model does not say: they can show little. One line, or "".
std::string unknown_neighbours_text(const std::vector<FactRecord>& facts);

// What "kept" means where neighbours are the edit's own prompt about another subject with another answer, and
// the edit has no `bleed` list. One line, or "".
std::string other_subject_neighbours_text(const std::vector<FactRecord>& facts);

// {mean, worst, worst_at, mean_fall, worst_fall, worst_fall_at, n, unknown}, or null.
ResultJson bleed_json(const std::vector<FactRecord>& facts);

// The same two tables in HTML.
std::string bleed_html(const std::vector<FactRecord>& facts);
std::string protection_html(const Edit& edit);

}  // namespace emend
