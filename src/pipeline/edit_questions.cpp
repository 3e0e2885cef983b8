#include "pipeline/edit_questions.h"

#include <algorithm>

namespace emend {

std::vector<EditQuestion> edit_questions(const EditFile& file,
                                         std::map<std::string, std::int64_t>& left_out) {
  std::vector<EditQuestion> questions;
  const auto add = [&](const EditRequest& edit, const std::string& kind, const std::string& prompt,
                       const std::string& right, const std::string& wrong) {
    if (right.empty())
      ++left_out["the neighbour names no answer"];
    else if (wrong.empty())
      ++left_out["the edit names no present answer (was)"];
    else if (right == wrong)
      ++left_out["the neighbour's answer is the target"];
    else
      questions.push_back({edit.id, kind, prompt, right, wrong});
  };
  for (const EditRequest& edit : file.edits) {
    add(edit, "efficacy", edit.prompt, edit.target, edit.was);
    for (const std::string& prompt : edit.paraphrases) add(edit, "paraphrase", prompt, edit.target, edit.was);
    for (const Neighbour& neighbour : edit.neighbours)
      add(edit, "neighbourhood", neighbour.prompt, neighbour.answer, edit.target);
  }
  return questions;
}

std::string task_name(const std::filesystem::path& file) {
  std::string name = file.stem().string();
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return c < 128 && std::isalnum(c) == 0 && c != '_'; },
      '_');
  return name;
}

}  // namespace emend
