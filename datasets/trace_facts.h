// Facts for causal tracing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emend/trace_fact.h"

namespace emend {

// A JSON array of objects, or JSON lines, with `prompt`, `subject`, an optional `subject_occurrence` (from 1;
// needed if the subject stands there more than once), an id as `id` or `known_id` (else the number), and the
// expected answer, if any, as `answer`, `attribute` (known_1000.json) or `was`. Other members are ignored.
// Throws Error(kFormat or kConfig) naming file, record (from 0) and field; Error(kIo) when the file cannot be
// read.
std::vector<TraceFact> read_trace_facts(const std::filesystem::path& path);

// Byte offset of the subject in the prompt. Throws Error(kConfig) beginning with `where` if it is not there,
// there are fewer than `occurrence` of it, or there are several and `occurrence` is 0: then it
// says that `chosen_by` tells which one.
std::size_t place_of_subject(const std::string& prompt, const std::string& subject, std::int64_t occurrence,
                             const std::string& where,
                             const std::string& chosen_by = "the number of its occurrence");

}  // namespace emend
