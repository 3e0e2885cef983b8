// The names that llama.cpp's converter gives to the tensors of a GPT-2 checkpoint.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace emend::test {

// `text` with the first of each `from` replaced by its `to`.
inline std::string replaced(std::string text, const std::vector<std::pair<std::string, std::string>>& table) {
  for (const auto& [from, to] : table)
    if (const auto at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

inline std::string gpt2_gguf_name(const std::string& name) {
  return replaced(name, {{"transformer.wte", "token_embd"},
                         {"transformer.wpe", "position_embd"},
                         {"transformer.ln_f", "output_norm"},
                         {"transformer.h", "blk"},
                         {"ln_1", "attn_norm"},
                         {"ln_2", "ffn_norm"},
                         {"attn.c_attn", "attn_qkv"},
                         {"attn.c_proj", "attn_output"},
                         {"mlp.c_fc", "ffn_up"},
                         {"mlp.c_proj", "ffn_down"}});
}

}  // namespace emend::test
