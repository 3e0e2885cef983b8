#include "pipeline/edit_identity.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

#include "analysis/text_file.h"
#include "base/files.h"
#include "base/fingerprint.h"
#include "base/strings.h"
#include "emend/version.h"

namespace emend {
namespace {

std::string digest_of(const std::vector<EditRequest>& requests) {
  Sha256 digest;
  for (const EditRequest& request : requests) {
    for (const std::string& field :
         {request.id, request.prompt, request.subject, request.target, request.was})
      digest.update_field(field);
    digest.update_number(request.subject_begin);
    digest.update_number(request.paraphrases.size());
    for (const std::string& paraphrase : request.paraphrases) digest.update_field(paraphrase);
    digest.update_number(request.neighbours.size());
    for (const Neighbour& neighbour : request.neighbours) {
      digest.update_field(neighbour.prompt);
      digest.update_field(neighbour.answer);
    }
    for (const OtherSubject& other : request.bleed) {
      digest.update_field(other.subject);
      digest.update_field(other.answer);
    }
  }
  return digest.hex();
}

std::string layers_text(const std::vector<int>& layers) {
  std::vector<std::string> names;
  for (const int layer : layers) names.push_back(std::to_string(layer));
  return join(names);
}

std::string budget_text(const std::optional<DriftBudget>& budget) {
  if (!budget) return "none";
  const bool kl = budget->measure == DriftBudget::Measure::kKl;
  return fmt::format("{}{} by {}", kl ? "kl:" : "", budget->limit, budget->batch);
}

}  // namespace

void identify_edit(RunFile& file, const EditJob& job, const EditRunOptions& options) {
  file.identify("version of emend", emend_version());
  file.identify("model", job.model->fingerprint());
  file.identify("dtype", std::string(to_string(job.model->compute_type())));
  file.identify("device", job.model->devices());
  file.identify("method", job.editor->name());
  for (const auto& [name, value] : job.editor->options()) file.identify("option " + name, value);
  file.identify("layers", layers_text(job.context.layers));
  file.identify("BOS", ids_text(job.context.prefix));
  file.identify("form of prompts", std::string(to_string(job.context.form)));
  file.identify("seed", std::to_string(job.context.seed));
  file.identify("token budget", std::to_string(job.context.token_budget));
  file.identify("tokens of a search batch", std::to_string(job.context.search_tokens));
  file.identify("earlier patch", options.on.empty() ? "none" : sha256_hex(read_text_file(options.on)));
  file.identify("drift budget", budget_text(options.budget));
  file.identify("protection", std::string(to_string(protection_of(*job.file, *job.editor))));
  file.identify("ends that are taught", ids_text(job.context.ends));
  file.identify("list of edits", digest_of(job.file->edits));
}

}  // namespace emend
