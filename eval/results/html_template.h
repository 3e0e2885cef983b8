// The page of html_report as a Mustache template.
#pragma once

#include <string>

namespace emend {

std::string eval_report_template();

}  // namespace emend
