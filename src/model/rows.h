// Token rows: what passes and caches ask of them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace emend {

// Ids, rows or token indices as an int64 tensor [n] on a device: what index_select, gather and recordings
// take.
at::Tensor index_tensor(const std::vector<std::int64_t>& values, const at::Device& device);

// The same tensor on a device. Towards a GPU without waiting for what it is doing.
at::Tensor to_device(const at::Tensor& host, const at::Device& device);

// Tokens of the longest row; 0 when there is none.
std::int64_t longest(const std::vector<std::vector<std::int64_t>>& rows);

// Refuses ids for which the embedding, and with it the head, has no row: a tokenizer may name more tokens
// than the model has. Throws Error(kModel) with the id.
void require_embedding_rows(const std::vector<std::int64_t>& ids, std::int64_t embedding_rows);

// -log p of each id at its row of logits [n, V], in nats; softmax in the type of the logits. Throws as
// require_embedding_rows does.
std::vector<double> token_nll(const at::Tensor& logits, const std::vector<std::int64_t>& ids);

}  // namespace emend
