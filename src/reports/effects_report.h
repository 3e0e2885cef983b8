// Cells switched off at their triggers (emend/memory_effects.h): on a terminal, as JSON, as a page.
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "emend/memory_effects.h"

namespace emend {

std::string effects_text(const EffectOutcome& outcome, std::size_t columns);
ResultJson effects_json(const EffectOutcome& outcome, const EffectOptions& options, const Model& model);
std::string effects_page(const EffectOutcome& outcome, const EffectOptions& options, const Model& model);

}  // namespace emend
