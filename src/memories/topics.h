// Whether prefixes are about one thing though they share no word: the words' vectors lie closer together than
// those of as many prefixes drawn from the text.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "emend/memory_patterns.h"
#include "emend/model.h"
#include "memories/pattern_tests.h"

namespace emend {

// The vector of a word in lower case [D] of length 1, float32 on the CPU; undefined where it has none.
using WordVectors = std::function<at::Tensor(const std::string& word)>;

// By a model's own token embeddings: of each of a word's tokens, as the word stands behind a space, the row
// less the mean of all rows, scaled to length 1; the sum of these, scaled to length 1. The model must outlive
// the result.
WordVectors embedding_vectors(const Model& model);

// A prefix is the sum of the vectors of its content words (prefix_features.h: without the last word and stop
// words), each times its idf log((B + 1) / (hits + 1)) in the background. Two prefixes are as alike as the
// cosine of these sums after the words that both have are left out of both; without words left they are 0
// alike.
class TopicSpace {
 public:
  // `seed` draws the sets that prefixes are compared with.
  TopicSpace(WordVectors vectors, const std::vector<PrefixText>& background, std::uint64_t seed);

  // A permutation test: T is the mean likeness of all pairs of those prefixes that have words, T* that of as
  // many prefixes of the background with about as many words each, drawn 999 times; p = (1 + #(T* >= T)) /
  // 1000. A pattern ("topic") if p <= 0.01 and T lies 3 deviations above the mean of T*. Its ranks are
  // the prefixes whose mean likeness to the others is above the 95th percentile of that in the drawn sets, at
  // least 3; its text is the words nearest to the sum of all. `number` names the draws.
  std::optional<CellPattern> test(const std::vector<PrefixText>& prefixes, std::uint64_t number) const;

 private:
  struct Words {
    std::vector<int> ids;  // ascending; into names_ and weighted_
    at::Tensor sum;        // [D]
  };
  struct Likeness {
    double mean = 0;
    std::vector<double> to_others;
  };

  int id_of(const std::string& word) const;
  Words words_of_prefix(const std::string& text) const;
  double likeness(const Words& a, const Words& b) const;
  Likeness likeness_in_pool(const std::vector<std::size_t>& set) const;
  std::vector<std::size_t> draw_like(const std::vector<Words>& prefixes, std::uint64_t number,
                                     std::uint64_t& drawn) const;
  std::string text_of(const std::vector<Words>& prefixes) const;

  WordVectors vectors_of_;
  std::uint64_t seed_;
  double background_ = 0;
  std::unordered_map<std::string, std::int64_t> hits_;
  // Words are met one after another; what is known of them.
  mutable std::unordered_map<std::string, int> ids_;
  mutable std::vector<std::string> names_;
  mutable std::vector<at::Tensor> weighted_;  // [D], times the idf; undefined: no vector
  std::vector<Words> pool_;                   // by rising number of words
  std::vector<float> pool_likeness_;          // [M, M]
};

}  // namespace emend
