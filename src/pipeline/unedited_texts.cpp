#include "pipeline/unedited_texts.h"

#include <algorithm>
#include <map>
#include <string>

#include "analysis/context_texts.h"
#include "analysis/moments_in_file.h"
#include "analysis/statistics_texts.h"
#include "model/text_nll.h"

namespace emend {
namespace {

using TextLayers = std::map<std::vector<TokenIds>, std::vector<int>>;

// The layers of each held text, ascending; those that have none are left out.
TextLayers layers_by_text(const Model& model, const std::filesystem::path& folder,
                          const std::vector<int>& layers, const std::vector<std::int64_t>& prefix) {
  TextLayers found;
  for (const int layer : layers) {
    const std::vector<TokenIds> text = load_statistics_in_file(model, {layer}, prefix, folder).held_text;
    if (!text.empty()) found[text].push_back(layer);
  }
  for (auto& [text, of_text] : found) std::sort(of_text.begin(), of_text.end());
  return found;
}

void keep_one_text(const Model& model, const StatisticsTexts& kept, const std::vector<TokenIds>& text,
                   std::vector<int> layers, std::int64_t token_budget, Progress& progress) {
  const std::int64_t tokens = TextNll::tokens_of(text, token_budget), width = model.config().d_model;
  const std::string identity = text_identity(model, text, token_budget);
  std::erase_if(layers, [&](int layer) {
    return (layer > 0 && !StatisticsTexts::keeps(tokens, width)) ||
           kept.load_base(layer, identity, tokens, width).has_value();
  });
  if (layers.empty()) return;
  progress.begin("held text of the unedited model", static_cast<std::int64_t>(layers.size()), "layers");
  TextNll nll(model, text, layers.front(), token_budget);
  const double mean = nll.mean();
  std::int64_t done = 0;
  for (const int layer : layers) {
    progress.poll();
    nll.move_to(layer);
    kept.save_base(layer, identity, {mean, nll.hidden()});
    progress.update(++done, "");
  }
  progress.end();
}

void keep_contexts(const Model& model, const StatisticsTexts& kept, std::int64_t count,
                   const UneditedTexts& how, Progress& progress) {
  const std::string identity = contexts_identity(model, how.prefix, count, how.seed);
  if (kept.load_contexts(identity)) return;
  progress.begin("contexts of edits", 2 * count, "texts");
  kept.save_contexts(identity, sample_contexts(model, how.prefix, count, how.seed));
  progress.update(2 * count, "");
  progress.end();
}

}  // namespace

void keep_held_text(const Model& model, const std::filesystem::path& folder, const std::vector<int>& layers,
                    const UneditedTexts& how, Progress& progress) {
  const StatisticsTexts kept(folder);
  for (const auto& [text, of_text] : layers_by_text(model, folder, layers, how.prefix))
    keep_one_text(model, kept, text, of_text, how.token_budget, progress);
}

void keep_unedited_texts(const Model& model, const std::filesystem::path& folder,
                         const std::vector<int>& layers, const UneditedTexts& how, Progress& progress) {
  for (const std::int64_t count : {kDefaultContexts, kBulkContexts})
    keep_contexts(model, StatisticsTexts(folder), count, how, progress);
  keep_held_text(model, folder, layers, how, progress);
}

}  // namespace emend
