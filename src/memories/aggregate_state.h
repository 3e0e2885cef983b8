// What one position says of one layer, and what many say together (emend/memory_aggregate.h).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "emend/memory_aggregate.h"

namespace emend {

struct ExampleLayer {
  std::int64_t stream_top = 0;  // h, under the lens of the comparison
  std::int64_t attention_top = 0, residual_top = 0, ffn_top = 0, output_top = 0;  // a', r, y', o
  std::int64_t residual_final = 0, output_final = 0;  // r and o under the head lens
  double final_probability = 0;
  std::int64_t active = 0;
  double participation = 0, cells_of_90 = 0, above_hundredth = 0, dominance = 0;
  std::int64_t agreeing = 0, agreeing_all = 0;  // active cells, and all cells, whose favourite is ffn_top
  double agreeing_share = 0;                    // of the active ones in sum c
  std::int64_t old_rank = 0;                    // of residual_top in y', from 0
  std::int64_t new_rank = 0;                    // of output_top in r, from 0
  double coalition = 0;                         // 0: not sought
};

// Calls `take` with each number of a position at a layer, always in the same order: files and processes pass
// them on so.
inline constexpr std::size_t kExampleNumbers = 19;
template <typename Example, typename Take>
void for_each_number(Example& e, const Take& take) {
  take(e.stream_top), take(e.attention_top), take(e.residual_top), take(e.ffn_top), take(e.output_top);
  take(e.residual_final), take(e.output_final), take(e.final_probability);
  take(e.active), take(e.participation), take(e.cells_of_90), take(e.above_hundredth), take(e.dominance);
  take(e.agreeing), take(e.agreeing_all), take(e.agreeing_share);
  take(e.old_rank), take(e.new_rank), take(e.coalition);
}

struct ExamplePlace {
  std::int64_t position = 0;     // in its row; 0 as long as it was not visited
  std::int64_t final_token = 0;  // w
};

// The contributions c of one position [F] float32: the fields of ExampleLayer that rest on them.
void add_spread(const at::Tensor& contributions, ExampleLayer& example);

// The first of `layers` from which on residual_final and output_final are w; the number of layers if none.
std::size_t decision_layer_of(std::span<const ExampleLayer* const> layers, std::int64_t final_token);

// `examples`: [layer][position]. `is_stop_word` tells of a token's id. `numbers`: the layers' own.
void summarize_aggregate(const std::vector<std::vector<ExampleLayer>>& examples,
                         const std::vector<ExamplePlace>& places, const std::vector<int>& numbers,
                         std::int64_t cells, std::int64_t vocabulary,
                         const std::function<bool(std::int64_t)>& is_stop_word, AggregateOutcome& outcome);

// The fewest of the sizes `checked`, which rise to F, from which on all partial sums have the favourite
// `winner`. Row i of `pushes` [F, D]: what cell i adds; `base` [D]: what is added besides; `order`: cells by
// falling push. `favourites` tells the favourite of each row of a tensor [n, D].
std::int64_t minimal_coalition(const at::Tensor& pushes, const at::Tensor& base, const at::Tensor& order,
                               const std::vector<std::int64_t>& checked, std::int64_t winner,
                               const std::function<at::Tensor(const at::Tensor&)>& favourites);
// 1, 2, 3, 4, 6, 8, 12, ... and `cells`.
std::vector<std::int64_t> coalition_sizes(std::int64_t cells);

}  // namespace emend
