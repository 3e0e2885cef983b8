// Cells of an index by words: those of their values and of their triggers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emend/memory_id.h"

namespace emend {

// Where a word stands in a cell.
enum class MatchPlace {
  kTop,          // +v promotes it
  kBottom,       // -v promotes it
  kHighTrigger,  // the last token of an example with a large coefficient
  kLowTrigger,   // of one with a small, negative one
};
std::string to_string(MatchPlace place);  // "+v", "-v", "trigger +", "trigger -"

struct SearchMatch {
  std::string word;
  MatchPlace place = MatchPlace::kTop;
  int rank = 0;  // in that list, from 0
};

struct SearchHit {
  MemoryId cell;
  double score = 0;  // sum of 1 / (1 + rank) over the matches
  std::vector<SearchMatch> matches;
};

struct SearchOutcome {
  std::vector<SearchHit> hits;  // cells with more of the words first, then by falling score, then by address
  std::int64_t found = 0;       // how many cells have any of the words
  double seconds = 0;
};

// Looks words up in the inverted index that `emend memories values --index` writes (docs/formats.md); neither
// model nor corpus is needed. A word matches the tokens that are it, whatever the case of ASCII letters and
// with or without a space in front. Throws Error: kConfig for a word that is not a token, with the nearest
// tokens, and for a folder without that file; kUsage without words or for `limit` below 1; kFormat for a
// broken file.
SearchOutcome search_memories(const std::filesystem::path& index, const std::vector<std::string>& words,
                              int limit = 20);

}  // namespace emend
