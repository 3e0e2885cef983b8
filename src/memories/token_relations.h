// Whether two tokens are related words or distant ones, by a model's own table.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>

namespace emend {

// Two tokens are related if they share a stem (light endings cut, case and a space in front left aside; at
// least three letters), or if the cosine of their rows, with the table's mean taken off, lies above the 95th
// percentile of random pairs of similar frequency. In the vocabularies of byte-pair encodings, which merge
// frequent pairs first, ids stand for frequencies: the first of a random pair is drawn with a chance of one
// over its id, as often as it stands in text by Zipf's law, and the other's id differs by a factor of 2 at
// most.
class TokenRelations {
 public:
  using Name = std::function<std::string(std::int64_t)>;
  // `table` [V, D], which is kept and not copied; the first `tokens` rows are tokens. Same seed, same
  // threshold.
  TokenRelations(const at::Tensor& table, std::int64_t tokens, Name name, std::uint64_t seed = 0);

  double threshold() const { return threshold_; }
  double cosine(std::int64_t a, std::int64_t b) const;
  bool related(std::int64_t a, std::int64_t b) const;

 private:
  at::Tensor direction(std::int64_t token) const;  // a row of length 1, mean taken off

  at::Tensor table_, mean_;
  Name name_;
  double threshold_ = 1;
};

}  // namespace emend
