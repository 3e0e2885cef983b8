// What a model's chat template makes of one user message.
#pragma once

#include <string>
#include <string_view>

namespace emend::text {

// "ChatML", "Llama 3 headers", ...: for people; "a template of its own" where no sign of a known kind stands
// in it.
std::string kind_of_template(std::string_view jinja);

}  // namespace emend::text
