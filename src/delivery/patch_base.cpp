#include "base/strings.h"
#include "emend/error.h"
#include "emend/patch.h"

namespace emend {

void require_base(const Patch& patch, const Model& model, const std::filesystem::path& file) {
  const std::string fingerprint = model.fingerprint();
  if (fingerprint == patch.edit.base_fingerprint) return;
  throw Error(ErrorKind::kModel, file.string() + ": this patch was made for another model, " +
                                     quote(patch.base_name) + " with fingerprint " +
                                     patch.edit.base_fingerprint + "; " + model.path().string() +
                                     " has fingerprint " + fingerprint);
}

}  // namespace emend
