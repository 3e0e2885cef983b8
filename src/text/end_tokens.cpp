#include "text/end_tokens.h"

#include <algorithm>
#include <array>

namespace emend {

std::vector<std::int64_t> end_tokens(const Tokenizer& tokenizer) {
  constexpr std::array<const char*, 9> kNames = {"<|endoftext|>", "<|im_end|>",      "<|eot_id|>",
                                                 "<|eom_id|>",    "<|end_of_text|>", "<end_of_turn>",
                                                 "<turn|>",       "<|end|>",         "<|return|>"};
  std::vector<std::int64_t> ends;
  if (const auto eos = tokenizer.eos()) ends.push_back(*eos);
  for (const char* const name : kNames) {
    const auto id = tokenizer.find(name);
    if (id && tokenizer.is_special(*id) && std::find(ends.begin(), ends.end(), *id) == ends.end())
      ends.push_back(*id);
  }
  return ends;
}

}  // namespace emend
