#include "cli/edit_prepare.h"

#include <fmt/format.h>

#include "cli/output_check.h"
#include "emend/error.h"

namespace emend {

namespace fs = std::filesystem;

EditFile prepare_edit_file(const EditOptions& options) {
  EditFile file = read_edit_file(options.file);
  if (!options.common.model.empty()) file.model = options.common.model;
  if (file.model.empty())
    throw Error(ErrorKind::kUsage,
                fmt::format("edit: no model: {} names none, so --model PATH is needed", options.file));
  if (options.common.bos) file.bos = *options.common.bos;
  if (!options.common.statistics.empty()) file.statistics = options.common.statistics;
  if (options.layer) file.layer = {{*options.layer}, fmt::format("--layer {}", *options.layer)};
  return file;
}

fs::path prepare_patch_path(const EditFile& file, const EditOptions& options) {
  const fs::path name =
      file.patch.empty() ? fs::path(options.file).stem().concat(".safetensors") : file.patch;
  const fs::path folder = options.out.empty() ? fs::path(options.file).parent_path() : fs::path(options.out);
  const fs::path path = (folder / name).lexically_normal();
  if (!options.out.empty()) require_writable_folder(options.out);
  require_writable_file(path);
  require_not_among(path, {options.file, file.model});
  return path;
}

}  // namespace emend
