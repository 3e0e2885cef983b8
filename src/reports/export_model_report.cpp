#include "reports/export_model_report.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "emend/adapter.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/numbers.h"
#include "reports/adapter_report.h"

namespace emend {
namespace {

std::vector<std::string> names_of(const std::vector<NamedPatch>& patches) {
  std::vector<std::string> names;
  for (const NamedPatch& named : patches) names.push_back(named.name);
  return names;
}

}  // namespace

std::string exported_model_text(const ExportModelOutcome& outcome, const std::vector<NamedPatch>& patches) {
  const std::string edited = patches.empty() ? "" : " as edited by " + join(names_of(patches));
  const std::string subjects =
      patches.empty() ? "" : subjects_line("Subjects: ", subjects_of(without_names(patches)));
  const std::string rounding =
      outcome.rounding == 0
          ? fmt::format("The numbers are those of the GGUF file{}, exactly.", edited)
          : fmt::format(
                "The numbers are those of the GGUF file{}; rounding to {} moved one by at most {} of "
                "the largest one of its tensor.",
                edited, outcome.type, number_text(outcome.rounding));
  return fmt::format("Written: {}\n{}, {} tensors in {}, {}{}.\n{}\n{}", outcome.written.string(),
                     outcome.architecture, outcome.tensors, outcome.type,
                     human_bytes(static_cast<std::uint64_t>(outcome.bytes)),
                     outcome.has_tokenizer ? ", with its tokenizer" : "", rounding, subjects);
}

ResultJson exported_model_json(const ExportModelOutcome& outcome, const Model& model,
                               const std::vector<NamedPatch>& patches) {
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"patches", names_of(patches)},
          {"subjects", subjects_of(without_names(patches))},
          {"path", outcome.written.string()},
          {"outputs", ResultJson::array({outcome.written.string()})},
          {"architecture", outcome.architecture},
          {"type", outcome.type},
          {"tensors", outcome.tensors},
          {"bytes", outcome.bytes},
          {"rounding", outcome.rounding},
          {"tokenizer", outcome.has_tokenizer},
          {"warnings", outcome.warnings}};
}

}  // namespace emend
