#include "cli/try_it.h"

#include <algorithm>

#include "base/strings.h"

namespace emend {

std::string try_it_line(const EditOutcome& outcome, const std::filesystem::path& model,
                        const std::filesystem::path& patch) {
  const auto& facts = outcome.patch.edit.facts;
  const auto edited =
      std::find_if(facts.begin(), facts.end(), [](const FactRecord& fact) { return fact.is_edited(); });
  if (edited == facts.end()) return "";
  std::string line = "emend generate " + shell_word(edited->request.prompt) + " --model " +
                     shell_word(model.string()) + " --patch " + shell_word(patch.string());
  if (outcome.patch.form == PromptForm::kChat) line += " --form chat";
  if (outcome.patch.bos != "auto") line += " --bos " + shell_word(outcome.patch.bos);
  return line;
}

}  // namespace emend
