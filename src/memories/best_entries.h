// The best few of a stream of numbers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace emend {

struct ScoredToken {
  float score = 0;
  std::int32_t id = 0;
};

// Larger scores first; of equal ones the lower id.
inline bool comes_before(const ScoredToken& a, const ScoredToken& b) {
  return a.score != b.score ? a.score > b.score : a.id < b.id;
}

// Keeps the first `keep` of what is offered by rising id. What is not above threshold() cannot get in any
// more; what is may be dropped later, so the threshold lags behind and an offer costs a few nanoseconds.
class BestEntries {
 public:
  explicit BestEntries(std::size_t keep) : keep_(keep), room_(4 * keep + 16) { entries_.reserve(room_); }

  float threshold() const { return threshold_; }

  void offer(float score, std::int32_t id) {
    if (!(score > threshold_)) return;
    entries_.push_back({score, id});
    if (entries_.size() == room_) shrink();
  }

  // Those that stay, in order; the object is empty afterwards.
  std::vector<ScoredToken> take() {
    if (entries_.size() > keep_) shrink();
    std::sort(entries_.begin(), entries_.end(), comes_before);
    threshold_ = -std::numeric_limits<float>::infinity();
    std::vector<ScoredToken> kept;
    kept.assign(entries_.begin(), entries_.end());
    entries_.clear();
    return kept;
  }

 private:
  void shrink() {
    const auto last = entries_.begin() + static_cast<std::ptrdiff_t>(keep_) - 1;
    std::nth_element(entries_.begin(), last, entries_.end(), comes_before);
    entries_.resize(keep_);
    threshold_ = entries_.back().score;
  }

  std::size_t keep_, room_;
  float threshold_ = -std::numeric_limits<float>::infinity();
  std::vector<ScoredToken> entries_;
};

}  // namespace emend
