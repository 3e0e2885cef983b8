// Is the key of a text's first token its own? Without a BOS, attention rests on the first token, whose key
// then hardly depends on the word: the figures on short subjects in docs/rome.md.
//
//   first_token_keys MODEL
//
// For words that are one token at the beginning of a text: mean cosine of all pairs of their keys, as the
// first token; at the token behind them ("Spain is"); and where another word stands in front ("The country
// Spain").
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cstdio>
#include <string>
#include <vector>

#include "emend/locate.h"
#include "emend/model.h"
#include "emend/pass.h"

using namespace emend;

namespace {

const std::vector<std::string> kWords = {"Spain", "Italy",  "France", "Germany", "Japan",
                                         "China", "Russia", "Egypt",  "Brazil",  "Canada"};

// The keys at the last token of each text, one a row [n, F].
at::Tensor last_keys(const Model& model, const std::string& front, const std::string& back, int layer) {
  std::vector<at::Tensor> keys;
  for (const std::string& word : kWords) {
    PassInput input;
    input.ids = {model.tokenizer().encode(front + word + back, SpecialTokens::kNone).ids};
    input.stop = PassInput::Stop::kKey;
    input.stop_block = layer;
    input.recordings = {{Site::kKey, layer, {}}};
    keys.push_back(model.forward(input).recorded.front()[-1].to(at::kCPU, at::kDouble));
  }
  return at::stack(keys);
}

double mean_cosine(const at::Tensor& keys) {
  const at::Tensor unit = keys / keys.norm(2, 1, true), cosines = at::matmul(unit, unit.t());
  const auto n = static_cast<double>(keys.size(0));
  return (cosines.sum().item<double>() - n) / (n * (n - 1));
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::fprintf(stderr, "usage: first_token_keys MODEL\n");
    return argc == 1 ? 0 : 2;
  }
  const c10::NoGradGuard no_grad;
  SilentProgress silent;
  const Model model = Model::load(argv[1], {}, silent);
  std::printf("layer  first token  its norm  token behind  with words in front\n");
  for (int layer = 0; layer < std::min(12, model.config().layers); ++layer) {
    const at::Tensor first = last_keys(model, "", "", layer);
    std::printf("%5d  %11.4f  %8.1f  %12.4f  %19.4f\n", layer, mean_cosine(first),
                first.norm(2, 1).mean().item<double>(), mean_cosine(last_keys(model, "", " is", layer)),
                mean_cosine(last_keys(model, "The country ", "", layer)));
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
