#include "reports/first_edit_report.h"

#include <fmt/format.h>

#include "emend/version.h"

namespace emend {

std::string first_edit_line(const FirstEdit& first, const std::filesystem::path& file) {
  return fmt::format("{}: {} {}\n", file.string(), first.request.prompt,
                     first.known ? first.request.was : first.says);
}

ResultJson first_edit_json(const FirstEdit& first, const std::filesystem::path& file) {
  return {{"emend", emend_version()},
          {"id", first.request.id},
          {"prompt", first.request.prompt},
          {"target", first.request.target},
          {"was", first.request.was},
          {"known", first.known},
          {"says", first.says},
          {"asked", first.asked},
          {"outputs", {file.string()}}};
}

std::string unknown_facts_remark(const FirstEdit& first, const std::filesystem::path& file) {
  return fmt::format("the model knows none of {} well-known facts: put one into {} that it knows",
                     first.asked, file.string());
}

}  // namespace emend
