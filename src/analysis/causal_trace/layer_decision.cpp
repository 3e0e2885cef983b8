// The decision on the layer beside the statistics.
#include <fmt/format.h>

#include "analysis/causal_trace/trace_json.h"
#include "base/atomic_file.h"
#include "base/json.h"
#include "emend/error.h"
#include "emend/locate.h"

namespace emend {

namespace {

std::filesystem::path decision_file(const std::filesystem::path& folder) {
  return folder / "layer_decision.json";
}

}  // namespace

void save_layer_decision(const LayerDecision& decision, const std::filesystem::path& folder) {
  write_file_atomically(decision_file(folder), decision_json(decision).dump(1) + "\n");
}

std::optional<LayerDecision> load_layer_decision(const Model& model, const std::vector<std::int64_t>& prefix,
                                                 const std::filesystem::path& folder) {
  const std::filesystem::path file = decision_file(folder);
  if (!std::filesystem::exists(file)) return std::nullopt;
  const LayerDecision decision = decision_from_json(read_json_file(file), file.string());
  const std::string remedy = "; make it anew with `emend locate --facts`, or remove the file";
  if (decision.model_fingerprint != model.fingerprint())
    throw Error(ErrorKind::kModel,
                fmt::format("{}: the layer was decided for another model{}", file.string(), remedy));
  if (decision.prefix != prefix)
    throw Error(ErrorKind::kModel,
                fmt::format("{}: the layer was decided with another BOS{}", file.string(), remedy));
  if (decision.layer < 0 || decision.layer >= model.config().layers)
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: layer {} is not one of this model", file.string(), decision.layer));
  return decision;
}

}  // namespace emend
