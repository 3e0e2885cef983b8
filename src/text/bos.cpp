#include "base/nearest.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/tokenizer.h"

namespace emend {
namespace {

// The tokenizer's special tokens: what a mistyped BOS may have meant.
std::vector<std::string> special_tokens(const Tokenizer& tokenizer) {
  std::vector<std::string> names;
  for (std::int64_t id = 0; id < tokenizer.size(); ++id)
    if (tokenizer.is_special(id)) names.push_back(tokenizer.token_bytes(id));
  return names;
}

}  // namespace

std::vector<std::int64_t> resolve_bos(const Tokenizer& tokenizer, const std::string& choice) {
  if (choice == "auto") return tokenizer.automatic_prefix();
  if (choice == "none") return {};
  if (const auto id = tokenizer.find(choice)) return {*id};
  std::vector<std::string> known = special_tokens(tokenizer);
  known.insert(known.begin(), {"auto", "none"});
  constexpr std::size_t kMostListed = 12;
  if (const auto near = nearest_name(choice, known)) known = {*near};
  if (known.size() > kMostListed) known.resize(kMostListed);
  throw Error(ErrorKind::kConfig,
              "bos: the tokenizer has no token " + quote(choice) + did_you_mean(choice, known));
}

}  // namespace emend
