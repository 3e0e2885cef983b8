#include "analysis/text_visitor.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>

namespace emend {

void record_sites(const TextVisitor& visitor, const at::Tensor& tokens, TakeLayer take, PassInput& input) {
  const std::vector<Site> sites = visitor.sites();
  for (const int layer : visitor.layers())
    for (const Site site : sites) input.recordings.push_back({site, layer, tokens});
  std::map<std::size_t, std::vector<at::Tensor>> waiting;  // layers of which some sites are known
  input.on_recorded = [take = std::move(take), waiting, count = sites.size()](
                          std::size_t recording, const at::Tensor& vectors) mutable {
    const std::size_t layer = recording / count;
    std::vector<at::Tensor>& known = waiting[layer];
    known.resize(count);
    known[recording % count] = vectors;
    if (!std::all_of(known.begin(), known.end(), [](const at::Tensor& one) { return one.defined(); })) return;
    const auto whole = waiting.extract(layer);
    take(layer, whole.mapped());
  };
}

bool sites_end_at_key(const TextVisitor& visitor) {
  const std::vector<Site> sites = visitor.sites();
  return std::none_of(sites.begin(), sites.end(),
                      [](Site site) { return site == Site::kMlpOutput || site == Site::kBlockOutput; });
}

void stop_at_last_site(const TextVisitor& visitor, PassInput& input) {
  input.stop = sites_end_at_key(visitor) ? PassInput::Stop::kKey : PassInput::Stop::kBlock;
  input.stop_block = visitor.layers().back();
}

}  // namespace emend
