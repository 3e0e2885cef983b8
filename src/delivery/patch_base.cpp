#include <fmt/format.h>

#include "base/strings.h"
#include "emend/error.h"
#include "emend/patch.h"

namespace emend {
namespace {

void require_known_ids(const std::string& place, const std::vector<std::int64_t>& ids, std::int64_t vocab) {
  for (const std::int64_t id : ids)
    if (id < 0 || id >= vocab)
      throw Error(
          ErrorKind::kFormat,
          fmt::format("{} holds the token id {}, but the model's vocabulary has {}", place, id, vocab));
}

}  // namespace

void require_base(const Patch& patch, const Model& model, const std::filesystem::path& file) {
  const std::string fingerprint = model.fingerprint();
  if (fingerprint != patch.edit.base_fingerprint)
    throw Error(
        ErrorKind::kModel,
        fmt::format(
            "{}: this patch was made for another model, {} with fingerprint {}; {} has fingerprint {}",
            file.string(), quote(patch.base_name), patch.edit.base_fingerprint, model.path().string(),
            fingerprint));
  require_sizes(patch, model, file);
}

void require_sizes(const Patch& patch, const Model& model, const std::filesystem::path& file) {
  for (const WeightChange& change : patch.edit.changes)
    require_fit(change, model.config(), file.string(), ErrorKind::kFormat);
  const std::int64_t vocab = model.config().vocab;
  require_known_ids(file.string() + ": metadata \"emend.prefix\"", patch.prefix, vocab);
  for (const auto& row : patch.edit.context_ids)
    require_known_ids(file.string() + ": tensor \"contexts.ids\"", row, vocab);
  for (const auto& row : patch.held_text)
    require_known_ids(file.string() + ": tensor \"held_text.ids\"", row, vocab);
}

}  // namespace emend
