// How far an edit moves the unedited model's own answers (emend/answer_kl.h): on a terminal and as JSON.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/json.h"
#include "emend/answer_kl.h"
#include "emend/model.h"

namespace emend {

// What was asked, of which model with which patches, and what came of it.
struct AnswerKlReport {
  AnswerKlOptions options;
  std::vector<std::string> patches;  // names
  std::vector<AnswerKlQuestion> questions;
  AnswerKlFigures figures;
};

std::string answer_kl_text(const AnswerKlReport& report, std::size_t columns);
ResultJson answer_kl_json(const AnswerKlReport& report, const Model& model);

}  // namespace emend
