#include "model/rows.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "emend/error.h"

namespace emend {

at::Tensor index_tensor(const std::vector<std::int64_t>& values, const at::Device& device) {
  return to_device(at::tensor(values, at::kLong), device);
}

at::Tensor to_device(const at::Tensor& host, const at::Device& device) {
  if (!device.is_cuda()) return host.to(device);
  return host.pin_memory().to(device, /*non_blocking=*/true);
}

std::int64_t longest(const std::vector<std::vector<std::int64_t>>& rows) {
  std::size_t length = 0;
  for (const auto& row : rows) length = std::max(length, row.size());
  return static_cast<std::int64_t>(length);
}

void require_embedding_rows(const std::vector<std::int64_t>& ids, std::int64_t embedding_rows) {
  for (const std::int64_t id : ids) {
    if (id >= 0 && id < embedding_rows) continue;
    throw Error(ErrorKind::kModel,
                fmt::format("token id {} has no row in the model's embedding of {} rows: the tokenizer names "
                            "more tokens than the model has; leave this token out of the text",
                            id, embedding_rows));
  }
}

std::vector<double> token_nll(const at::Tensor& logits, const std::vector<std::int64_t>& ids) {
  require_embedding_rows(ids, logits.size(1));
  const at::Tensor index = index_tensor(ids, logits.device()).unsqueeze(1);
  const at::Tensor nll =
      (at::logsumexp(logits, 1) - logits.gather(1, index).squeeze(1)).to(at::kDouble).cpu();
  const double* const values = nll.const_data_ptr<double>();
  return {values, values + nll.numel()};
}

}  // namespace emend
