#include "model/sampling.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "base/random.h"

namespace emend {

namespace {

constexpr std::int64_t kStride = 512;  // elements between two remembered sums

// The first place whose cumulative sum exceeds u times the whole sum; the last one if none does. The sums are
// taken in float64, one element after the other. A vocabulary is long: only every 512th sum is kept, and the
// elements of one stride are added once more.
std::int64_t place_of_draw(const float* probability, std::int64_t count, double u) {
  std::vector<double> ends;
  ends.reserve(static_cast<std::size_t>((count + kStride - 1) / kStride));
  double sum = 0;
  for (std::int64_t begin = 0; begin < count; begin += kStride) {
    const std::int64_t end = std::min(begin + kStride, count);
    for (std::int64_t i = begin; i < end; ++i) sum += static_cast<double>(probability[i]);
    ends.push_back(sum);
  }
  const double threshold = u * sum;
  const auto stride = std::upper_bound(ends.begin(), ends.end(), threshold) - ends.begin();
  sum = stride == 0 ? 0 : ends[static_cast<std::size_t>(stride - 1)];
  for (std::int64_t i = stride * kStride; i < count; ++i) {
    sum += static_cast<double>(probability[i]);
    if (sum > threshold) return i;
  }
  return count - 1;
}

// The same on the device of `scores` for all rows at once. `u` [n] float64.
at::Tensor places_on_device(const at::Tensor& scores, const std::vector<double>& u, double temperature) {
  const at::Tensor cumulative = at::softmax(scores / temperature, 1).to(at::kDouble).cumsum(1);
  const at::Tensor threshold = at::tensor(u, at::kDouble).to(scores.device()).unsqueeze(1) *
                               cumulative.narrow(1, cumulative.size(1) - 1, 1);
  return at::searchsorted(cumulative, threshold, false, true).clamp_max(cumulative.size(1) - 1);
}

// Row by row, so that a row stays in the processor's cache between softmax and sum.
at::Tensor places_on_cpu(const at::Tensor& scores, const std::vector<double>& u, double temperature) {
  const std::int64_t count = scores.size(1);
  at::Tensor places = at::empty({scores.size(0), 1}, at::kLong);
  auto* const place = places.data_ptr<std::int64_t>();
  at::parallel_for(0, scores.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
    const c10::NoGradGuard no_gradients;
    at::Tensor probability = at::empty({1, count}, at::kFloat);
    for (std::int64_t row = begin; row < end; ++row) {
      const at::Tensor logits = scores.narrow(0, row, 1);
      at::_softmax_out(probability, temperature == 1 ? logits : logits / temperature, 1, false);
      place[row] =
          place_of_draw(probability.const_data_ptr<float>(), count, u[static_cast<std::size_t>(row)]);
    }
  });
  return places;
}

}  // namespace

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
    std::vector<double> u;
    for (std::int64_t i = 0; i < rows; ++i) u.push_back(Random(options.seed, streams[i]).uniform(index[i]));
    const at::Tensor place = scores.is_cpu() ? places_on_cpu(scores, u, options.temperature)
                                             : places_on_device(scores, u, options.temperature);
    ids = (columns.defined() ? columns.gather(1, place) : place).squeeze(1).cpu();
  }
  const auto* data = ids.const_data_ptr<std::int64_t>();
  return {data, data + rows};
}

}  // namespace emend
