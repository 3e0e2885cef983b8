#include <fmt/format.h>

#include "emend/dataset.h"

namespace emend {

DatasetFile records_of(const EditFile& file) {
  DatasetFile result;
  result.dataset = "emend";
  result.path = file.path;
  for (const EditRequest& request : file.edits) {
    EvalRecord record;
    record.request = request;
    record.where = fmt::format("{}: edit {}", file.path.filename().string(), result.records.size() + 1);
    result.records.push_back(std::move(record));
  }
  return result;
}

}  // namespace emend
