#include "memories/trigger_table.h"

#include <algorithm>
#include <cmath>

namespace emend {

TriggerTable::TriggerTable(std::int64_t cells, int top, int extras, float floor, bool grouped)
    : cells_(cells), top_(top), extras_(extras), floor_(floor), grouped_(grouped) {
  const auto entries = static_cast<std::size_t>(cells) * static_cast<std::size_t>(top);
  scores_.assign(entries, kNoFloor);
  addresses_.assign(entries, kNoAddress);
  extra_.assign(entries * static_cast<std::size_t>(extras), 0.0F);
  threshold_.assign(static_cast<std::size_t>(cells), floor);
  if (grouped) groups_.assign(entries, 0);
}

void TriggerTable::move_entry(std::size_t from, std::size_t to) {
  const auto extras = static_cast<std::size_t>(extras_);
  scores_[to] = scores_[from];
  addresses_[to] = addresses_[from];
  if (grouped_) groups_[to] = groups_[from];
  std::copy_n(extra_.begin() + static_cast<std::ptrdiff_t>(from * extras), extras,
              extra_.begin() + static_cast<std::ptrdiff_t>(to * extras));
}

void TriggerTable::refresh_threshold(std::int64_t cell) {
  const std::size_t last = static_cast<std::size_t>(cell + 1) * static_cast<std::size_t>(top_) - 1;
  if (addresses_[last] != kNoAddress) threshold_[static_cast<std::size_t>(cell)] = scores_[last];
}

bool TriggerTable::offer(std::int64_t cell, TableEntry entry, std::span<const float> extra,
                         std::uint64_t group) {
  if (!(entry.score > floor_)) return false;  // NaN does not enter either
  const std::size_t first = static_cast<std::size_t>(cell) * static_cast<std::size_t>(top_),
                    end = first + static_cast<std::size_t>(top_);
  const auto beats = [&](std::size_t at) {
    return addresses_[at] == kNoAddress || entry.beats({scores_[at], addresses_[at]});
  };
  std::size_t gap = end - 1;  // the place that becomes free: the worst one, or that of the same group
  if (grouped_)
    for (std::size_t at = first; at < end && addresses_[at] != kNoAddress; ++at)
      if (groups_[at] == group) gap = at;
  if (!beats(gap)) return false;
  for (; gap > first && beats(gap - 1); --gap) move_entry(gap - 1, gap);
  scores_[gap] = entry.score;
  addresses_[gap] = entry.address;
  if (grouped_) groups_[gap] = group;
  std::copy(extra.begin(), extra.end(),
            extra_.begin() + static_cast<std::ptrdiff_t>(gap * static_cast<std::size_t>(extras_)));
  refresh_threshold(cell);
  return true;
}

void TriggerTable::merge(const TriggerTable& other) {
  for (std::int64_t cell = 0; cell < cells_; ++cell)
    for (std::size_t place = 0; place < other.size(cell); ++place) {
      const std::size_t at = static_cast<std::size_t>(cell) * static_cast<std::size_t>(top_) + place;
      offer(cell, other.entry(cell, place), other.extra(cell, place), grouped_ ? other.groups_[at] : 0);
    }
}

std::size_t TriggerTable::size(std::int64_t cell) const {
  const std::size_t first = static_cast<std::size_t>(cell) * static_cast<std::size_t>(top_);
  std::size_t count = 0;
  while (count < static_cast<std::size_t>(top_) && addresses_[first + count] != kNoAddress) ++count;
  return count;
}

TableEntry TriggerTable::entry(std::int64_t cell, std::size_t place) const {
  const std::size_t at = static_cast<std::size_t>(cell) * static_cast<std::size_t>(top_) + place;
  return {scores_[at], addresses_[at]};
}

std::span<const float> TriggerTable::extra(std::int64_t cell, std::size_t place) const {
  const auto extras = static_cast<std::size_t>(extras_);
  const std::size_t at = static_cast<std::size_t>(cell) * static_cast<std::size_t>(top_) + place;
  return std::span(extra_).subspan(at * extras, extras);
}

bool TriggerTable::restore(std::vector<float> scores, std::vector<std::uint32_t> addresses,
                           std::vector<float> extras, std::vector<std::uint64_t> groups) {
  if (scores.size() != scores_.size() || addresses.size() != addresses_.size() ||
      extras.size() != extra_.size() || groups.size() != groups_.size())
    return false;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const bool there = addresses[i] != kNoAddress;
    if (there && !(scores[i] > floor_)) return false;
    if (i % static_cast<std::size_t>(top_) == 0 || !there) continue;
    const TableEntry before{scores[i - 1], addresses[i - 1]};
    if (before.address == kNoAddress || !before.beats({scores[i], addresses[i]})) return false;
  }
  scores_ = std::move(scores);
  addresses_ = std::move(addresses);
  extra_ = std::move(extras);
  groups_ = std::move(groups);
  for (std::int64_t cell = 0; cell < cells_; ++cell) refresh_threshold(cell);
  return true;
}

std::int64_t TriggerTable::bytes(std::int64_t cells, int top, int extras, bool grouped) {
  constexpr std::int64_t kEntry = 8, kFloat = 4, kGroup = 8;
  return cells * (top * (kEntry + kFloat * extras + (grouped ? kGroup : 0)) + kFloat);
}

}  // namespace emend
