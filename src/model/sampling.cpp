#include "model/sampling.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/random.h"

namespace emend {

std::vector<std::int64_t> draw_tokens(const at::Tensor& logits, const std::vector<std::uint64_t>& streams,
                                      const std::vector<std::uint64_t>& index, const DrawOptions& options) {
  const std::int64_t rows = logits.size(0);
  at::Tensor ids;
  if (options.temperature <= 0) {
    ids = logits.argmax(1).cpu();
  } else {
    at::Tensor scores = logits, columns;
    if (options.top_k > 0)
      std::tie(scores, columns) = logits.topk(std::min(options.top_k, logits.size(1)), 1);
    const at::Tensor cumulative = at::softmax(scores / options.temperature, 1).to(at::kDouble).cumsum(1);
    std::vector<double> u;
    for (std::int64_t i = 0; i < rows; ++i) u.push_back(Random(options.seed, streams[i]).uniform(index[i]));
    const at::Tensor threshold = at::tensor(u, at::kDouble).to(logits.device()).unsqueeze(1) *
                                 cumulative.narrow(1, cumulative.size(1) - 1, 1);
    const at::Tensor place =
        at::searchsorted(cumulative, threshold, false, true).clamp_max(cumulative.size(1) - 1);
    ids = (columns.defined() ? columns.gather(1, place) : place).squeeze(1).cpu();
  }
  const auto* data = ids.const_data_ptr<std::int64_t>();
  return {data, data + rows};
}

}  // namespace emend
