// tokenizer.json, and behind a line "----" the tokenizer_config.json beside it.
#include "emend/tokenizer.h"
#include "use_tokenizer.h"

namespace emend::fuzz {

void read_input(std::string_view input) {
  constexpr std::string_view kBetween = "\n----\n";
  const std::size_t at = input.find(kBetween);
  TokenizerJson source;
  source.tokenizer_json = input.substr(0, at);
  if (at != std::string_view::npos) source.tokenizer_config_json = input.substr(at + kBetween.size());
  source.where = "tokenizer.json";
  const auto tokenizer = make_tokenizer(source);
  use_tokenizer(*tokenizer);
  if (!tokenizer->chat_template().empty()) render_chat(*tokenizer, "Hello");
}

}  // namespace emend::fuzz
