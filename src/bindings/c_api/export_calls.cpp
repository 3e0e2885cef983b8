// emend_export
#include <fmt/format.h>

#include "base/strings.h"
#include "bindings/c_api/call.h"
#include "bindings/c_api/objects.h"
#include "emend/adapter.h"
#include "emend/report.h"

namespace emend::c_api {
namespace {

// Throws Error(kUsage).
AdapterFormat format_of(const char* name) {
  const std::string format = text_of(name, "lora");
  if (format == "lora") return AdapterFormat::kPeft;
  if (format == "gguf-lora") return AdapterFormat::kGguf;
  throw Error(ErrorKind::kUsage, fmt::format("format must be lora or gguf-lora, found {}", quote(format)));
}

emend_status export_patches(emend_model* model, emend_patch* const* patches, std::size_t count,
                            const char* out, const emend_export_options* given, emend_text** json) {
  if (json != nullptr) *json = nullptr;
  const ModelCall call(model);
  if (count < 1) throw Error(ErrorKind::kUsage, "patches: at least 1 must be given, found 0");
  const std::vector<NamedPatch> named = named_patches(patches, count);
  require_given(out, "out");
  const emend_export_options options = options_of(given, emend_export_options EMEND_EXPORT_OPTIONS_INIT);
  require_known_flags(options.flags);
  AdapterOptions how;
  how.format = format_of(options.format);
  how.out = out;
  how.base_name = text_of(options.base_name, "");
  const BaseRun run(call, nullptr, nullptr);
  const std::vector<std::string> warnings = require_usable(named, (options.flags & EMEND_FORCE) != 0);
  for (const NamedPatch& patch : named) require_base(patch.patch, call->model, patch.name);
  AdapterOutcome outcome = export_adapter(call->model, without_names(named), how);
  outcome.warnings = warnings;
  if (json != nullptr) give_text(json, to_json(outcome, call->model));
  if (outcome.exact) return EMEND_OK;
  return note_status(EMEND_CHECK_FAILED,
                     fmt::format("what was read back from {} is not what the patches hold", out));
}

}  // namespace
}  // namespace emend::c_api

using namespace emend::c_api;

emend_status emend_export(emend_model* model, emend_patch* const* patches, size_t count, const char* out,
                          const emend_export_options* options, emend_text** json) {
  return guarded([&] { return export_patches(model, patches, count, out, options, json); });
}
