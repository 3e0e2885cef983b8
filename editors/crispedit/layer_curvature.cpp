#include "editors/crispedit/layer_curvature.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "analysis/own_text.h"
#include "analysis/statistics_texts.h"
#include "editors/common/metric.h"
#include "emend/error.h"

namespace emend::editors {

namespace {

constexpr const char* kMethod = "crispedit";
constexpr const char* kTextsName = "contexts_crispedit";
constexpr std::int64_t kTextTokens = 64;  // new tokens of a text

}  // namespace

std::vector<TokenIds> own_texts(const Model& model, const EditorContext& context, std::int64_t tokens) {
  const TokenIds opening = opening_of_text(model, context.prefix);
  const auto sample = [&] {
    GenerateOptions sampling;
    sampling.max_new = kTextTokens;
    sampling.temperature = 1;
    sampling.seed = context.seed;
    sampling.stream = std::uint64_t{1} << 34;  // away from contexts and the texts of statistics
    if (const auto eos = model.tokenizer().eos()) sampling.stop = {*eos};
    const auto rows = static_cast<std::size_t>((tokens + kTextTokens - 1) / kTextTokens);
    std::vector<TokenIds> texts = generate(model, std::vector<TokenIds>(rows, opening), sampling);
    for (TokenIds& text : texts) text.insert(text.begin(), opening.begin(), opening.end());
    return texts;
  };
  if (context.cache == nullptr) return sample();
  const std::string identity = fmt::format("{} {} {} {} {}", kTextsName, text_identity(model, {opening}, 0),
                                           tokens, context.seed, kTextTokens);
  return context.cache->contexts(identity, sample);
}

std::shared_ptr<const Spectrum> full_spectrum(const Model& model, const EditorContext& context, int layer) {
  if (context.statistics != nullptr && context.statistics->layers.contains(layer) &&
      context.statistics->layers.at(layer).is_diagonal())
    throw Error(
        ErrorKind::kConfig,
        fmt::format("{}: of C of layer {} only the diagonal is known; collect statistics of the layer",
                    kMethod, layer));
  return moment_spectrum(model, context, layer, kMethod);
}

std::shared_ptr<const LowCurvature> low_curvature(const Model& model, const std::vector<TokenIds>& texts,
                                                  int layer, const Spectrum& of_C,
                                                  const CrispEditOptions& options) {
  const bool on_gpu = model.options().device().is_cuda();
  const at::Tensor G = gradient_moment(model, layer, texts, tokens_of_a_gradient(options.training, on_gpu));
  const Spectrum of_G =
      spectrum_of(G, model.options().device(), fmt::format("the moment of gradients at layer {}", layer));
  return std::make_shared<const LowCurvature>(of_C, of_G, options.energy, model.options().dtype(at::kFloat));
}

}  // namespace emend::editors
