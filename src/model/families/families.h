// The families that there are. A new one is a function here, its file, and a line in registry.cpp.
#pragma once

#include "model/families/family.h"

namespace emend {

Family gpt2_family();
Family gptj_family();
// llama.cpp
Family llama_family();
Family mistral_family();
Family qwen2_family();
Family qwen3_family();
Family olmo2_family();
Family smollm3_family();
Family granite_family();
// gemma.cpp
Family gemma_family();
Family gemma2_family();
Family gemma3_family();

Family phi_family();
Family phi3_family();
Family gpt_neox_family();
Family stablelm_family();
Family starcoder2_family();
Family opt_family();
Family falcon_family();

}  // namespace emend
