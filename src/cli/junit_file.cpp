#include "cli/junit_file.h"

#include "base/atomic_file.h"
#include "cli/interrupt.h"

namespace emend {

void require_junit_writable(const std::string& file, const CommonOptions& common, const OtherFiles& others) {
  if (file.empty()) return;
  require_writable_file(file);
  OtherFiles all = others;
  all.files.push_back(common.json);
  require_output_apart("--junit", file, all);
}

void write_junit(const std::string& file, const std::vector<JunitSuite>& suites) {
  if (file.empty()) return;
  throw_if_interrupted();
  write_file_atomically(file, junit_xml(suites));
}

}  // namespace emend
