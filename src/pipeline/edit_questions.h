// The questions of an edit file as other programs ask them: a prompt, the answer that it should have and the
// one that it should not.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "emend/records.h"

namespace emend {

struct EditQuestion {
  std::string id;    // of the edit
  std::string kind;  // "efficacy", "paraphrase" or "neighbourhood"
  std::string prompt, right, wrong;
};

// Of all edits in their order. Those of which one answer is not known are left out: why -> how many.
std::vector<EditQuestion> edit_questions(const EditFile& file, std::map<std::string, std::int64_t>& left_out);

// The file's name without its ending, with letters, digits and _ alone.
std::string task_name(const std::filesystem::path& file);

}  // namespace emend
