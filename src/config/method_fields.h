// Values that name a method and its options: in an edit file, and in an options file of a benchmark.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "config/config_node.h"
#include "emend/records.h"

namespace emend {

// auto, depth, a layer number or a list of layer numbers. Throws Error(kConfig) with the place.
LayerChoice read_layer_choice(const ConfigNode& node);

// none, neighbours or auto. Throws Error(kConfig) with the place.
Protect read_protect(const ConfigNode& node);

// auto, eos or none. Throws Error(kConfig) with the place.
TargetEnd read_target_end(const ConfigNode& node);

// NAME: VALUE, whatever the names; the method knows which there are.
std::map<std::string, OptionText> read_option_texts(const ConfigNode& node);

// A path, resolved against `folder`.
std::filesystem::path read_path(const ConfigNode& node, const std::filesystem::path& folder);

}  // namespace emend
