// One YAML document from a text; yaml-cpp with its rough edges taken off.
#pragma once

#include <yaml-cpp/yaml.h>

#include "config/yaml_text.h"

namespace emend {

// The one document in `text`. Throws Error(kConfig) for broken syntax, an empty text, or more than one
// document, with the place and, where there is a usual one, the cause.
YAML::Node parse_yaml(const YamlText& text);

}  // namespace emend
