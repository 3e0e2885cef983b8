// --layer auto|depth|N of commands that edit.
#pragma once

#include <optional>

#include "console/option_list.h"
#include "emend/records.h"

namespace emend {

// What --layer says; std::nullopt: it was not given. A number that no model has is told as the largest one.
// The option throws Error(kUsage) for another form.
void add_layer_option(OptionList& options, std::optional<LayerChoice>& layer, const char* help);

}  // namespace emend
