#include "io/companion_files.h"

namespace emend {

const std::vector<std::string>& companion_names() {
  static const std::vector<std::string> names = {"config.json",
                                                 "generation_config.json",
                                                 "tokenizer.json",
                                                 "tokenizer_config.json",
                                                 "special_tokens_map.json",
                                                 "added_tokens.json",
                                                 "chat_template.jinja",
                                                 "additional_chat_templates/default.jinja",
                                                 "vocab.json",
                                                 "merges.txt"};
  return names;
}

}  // namespace emend
