// The text of eval/forms.yaml, which the build puts into the program.
#pragma once

#include <string_view>

namespace emend {

extern const std::string_view kDefaultForms;

}  // namespace emend
