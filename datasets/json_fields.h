// Fields of a record in the forms that the field's files use.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "emend/records.h"

namespace emend {

// The id under `key`, a text or an integer; a record without one has its number.
std::string id_or_number(const JsonView& record, std::string_view key, std::size_t number);

// Sets prompt, subject and subject_begin from the prompt under `prompt_key` and the field "subject"
// (find_subject).
void read_prompt_and_subject(EditRequest& request, const JsonView& record, std::string_view prompt_key);

// A list of texts; a missing one is empty.
std::vector<std::string> texts_or_none(const JsonView& record, std::string_view key);

// The first text of a text or of lists of lists of texts, as EasyEdit writes answers: [["Paris", "paris"]] is
// "Paris". Integers count as texts; empty when the lists are.
std::string first_leaf(const JsonView& value);

}  // namespace emend
