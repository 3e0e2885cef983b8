// Knowledge neurons of facts (emend/memory_knowledge.h), and a model without some of its layers
// (emend/memory_layers.h): on a terminal, as JSON, as a page.
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "emend/memory_knowledge.h"
#include "emend/memory_layers.h"

namespace emend {

std::string knowledge_text(const KnowledgeOutcome& outcome, std::size_t columns);
ResultJson knowledge_json(const KnowledgeOutcome& outcome, const KnowledgeOptions& options,
                          const Model& model);
std::string knowledge_page(const KnowledgeOutcome& outcome, const KnowledgeOptions& options,
                           const Model& model);

std::string layer_changes_text(const LayerChangeOutcome& outcome, std::size_t columns);
ResultJson layer_changes_json(const LayerChangeOutcome& outcome, const LayerChangeOptions& options,
                              const Model& model);
std::string layer_changes_page(const LayerChangeOutcome& outcome, const LayerChangeOptions& options,
                               const Model& model);

}  // namespace emend
