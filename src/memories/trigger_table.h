// The best tokens of every cell by a score: the exact top t, whatever the order in which tokens come.
//
// Tokens are ordered by score, higher first, and where scores are equal by address, lower first. That is a
// total order, and the top t of a union is the top t of the partial top t's: blocks, threads and shards
// change nothing (ffn_memories section 4.1: about t (1 + ln(N / t)) of N tokens ever enter).
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace emend {

// One token in a table. `extra`: numbers that are kept beside the score, as many as the table was made for.
struct TableEntry {
  float score = -std::numeric_limits<float>::infinity();
  std::uint32_t address = 0;

  bool beats(const TableEntry& other) const {
    return score != other.score ? score > other.score : address < other.address;
  }
};

class TriggerTable {
 public:
  static constexpr std::uint32_t kNoAddress = std::numeric_limits<std::uint32_t>::max();
  static constexpr float kNoFloor = -std::numeric_limits<float>::infinity();

  TriggerTable() = default;
  // Scores that are not above `floor` never enter. With `grouped`, entries carry a group, and of each group
  // only the best token stays.
  TriggerTable(std::int64_t cells, int top, int extras, float floor = kNoFloor, bool grouped = false);

  std::int64_t cells() const { return cells_; }
  int top() const { return top_; }
  int extras() const { return extras_; }
  bool grouped() const { return grouped_; }

  // A score below its cell's threshold cannot enter; one that is equal may, by its address. [cells]
  const float* thresholds() const { return threshold_.data(); }

  // Puts a token where it belongs among those of a cell. Returns whether it entered. The same address must
  // not be offered to a cell twice.
  bool offer(std::int64_t cell, TableEntry entry, std::span<const float> extra = {}, std::uint64_t group = 0);

  // Offers all that the other table holds. Both must be made alike.
  void merge(const TriggerTable& other);

  std::size_t size(std::int64_t cell) const;  // entries that are there, at most top()
  TableEntry entry(std::int64_t cell, std::size_t place) const;
  std::span<const float> extra(std::int64_t cell, std::size_t place) const;

  // As they are stored, best first, cell after cell: [cells, top], empty places with the address kNoAddress;
  // extras [cells, top, extras]; groups [cells, top] of a grouped table.
  const std::vector<float>& scores() const { return scores_; }
  const std::vector<std::uint32_t>& addresses() const { return addresses_; }
  const std::vector<float>& all_extras() const { return extra_; }
  const std::vector<std::uint64_t>& groups() const { return groups_; }
  // Takes what they gave. Returns false, and changes nothing, if sizes or order are impossible.
  bool restore(std::vector<float> scores, std::vector<std::uint32_t> addresses, std::vector<float> extras,
               std::vector<std::uint64_t> groups);

  // Of the tables alone: cells (top (8 + 4 extras) + 4), and 8 an entry for groups.
  static std::int64_t bytes(std::int64_t cells, int top, int extras, bool grouped);

 private:
  void move_entry(std::size_t from, std::size_t to);
  void refresh_threshold(std::int64_t cell);

  std::int64_t cells_ = 0;
  int top_ = 0, extras_ = 0;
  float floor_ = kNoFloor;
  bool grouped_ = false;
  std::vector<float> scores_, extra_, threshold_;
  std::vector<std::uint32_t> addresses_;
  std::vector<std::uint64_t> groups_;
};

}  // namespace emend
