// Encodes texts for tools/check_vocabularies.py: encode_texts FILE.gguf. One JSON string a line comes in; its
// token ids go out as a JSON list, without special tokens around them.
#include <iostream>
#include <string>

#include "base/json.h"
#include "emend/error.h"
#include "emend/tensor_file.h"
#include "emend/tokenizer.h"
#include "gguf_keys.h"

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "usage: encode_texts FILE.gguf\n";
    return 2;
  }
  try {
    const auto file = emend::open_gguf(arguments[1]);
    const auto tokenizer = emend::make_tokenizer(emend::test::tokenizer_keys(*file));
    for (std::string line; std::getline(std::cin, line);) {
      const auto text = emend::Json::parse(line).get<std::string>();
      std::cout << emend::Json(tokenizer->encode(text, emend::SpecialTokens::kNone).ids).dump() << "\n";
    }
  } catch (const emend::Error& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
