// Which feed-forward cells fire together: how often two cells are active at the same token of a text, and
// groups of cells that mostly are.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "emend/memory_aggregate.h"
#include "emend/memory_id.h"
#include "emend/model.h"
#include "emend/progress.h"
#include "emend/shard_group.h"
#include "emend/text_run.h"

namespace emend {

// `corpus` must be given. Position 0 of a row does not count.
//
// A cell is active at a token where its score is positive (in a gated layer the score of the gate), as
// run_aggregate counts it; that is often a third of all tokens. With `beyond` it is active where its
// coefficient lies beyond its own quantile of an index, at the end that the cell counts at.
struct CoactiveOptions : TextOptions {
  // Which cells: a list of addresses, of any layers. Empty: the cells of `layers`, all of them or `most` of
  // each.
  std::vector<std::string> cells = {};
  std::vector<int> layers = {};
  // Of each layer the cells that are active most often by the index; 0: all.
  int most = 0;
  std::filesystem::path index = {};  // of a scan (emend/memory_scan.h); needed by `most` and `beyond`
  double beyond = 0;                 // a share of quantile_shares() of 0.5 or more, or 0
  // Cells are put together while the mean phi between two groups is at least this; in (0, 1].
  double threshold = 0.3;
  std::int64_t least = 10;  // tokens at which a pair must be active together to be listed; at least 1
  int pairs = 50;           // listed, 0 to 100,000
  bool sentences = false;   // every sentence is a row of its own
};

// Of N tokens, with n_a, n_b and n_ab of them where a, b and both are active.
struct CoactivePair {
  MemoryId a, b;
  std::int64_t a_tokens = 0, b_tokens = 0, both = 0;
  // (N n_ab - n_a n_b) / sqrt(n_a n_b (N - n_a) (N - n_b)): Pearson's correlation of being active.
  double phi = 0;
  double pmi = 0;  // log(N n_ab / (n_a n_b)), nats
};

struct CoactiveCell {
  MemoryId cell;
  std::int64_t tokens = 0;  // where it is active
  double phi = 0;           // mean over the other cells of its group
};

// Found by average linkage: from single cells on, the two groups with the largest mean phi between their
// cells become one, as long as that is `threshold` or more.
struct CoactiveGroup {
  std::vector<CoactiveCell> cells;         // by falling phi
  double phi = 0;                          // mean over its pairs
  std::vector<std::string> promotes = {};  // first tokens of the sum of its cells' unit values, lens lin
};

struct CoactiveOutcome {
  std::int64_t tokens = 0;  // that were counted
  std::int64_t cells = 0;
  std::int64_t silent = 0;          // cells that were active at no token, or at all of them: they have no phi
  double chance = 0;                // phi that the largest of all pairs of independent cells reaches with 1 %
  std::int64_t above_chance = 0;    // pairs with phi above that, and active together at `least` tokens
  std::vector<CoactivePair> pairs;  // of these, by falling phi; ties by address
  std::vector<CoactiveGroup> groups;  // of two cells or more, the largest first
  std::int64_t grouped = 0;           // cells that have a group
  std::int64_t state_bytes = 0;       // the counters, and the activity of one block
  std::string corpus, corpus_fingerprint;
  std::int64_t resumed_blocks = 0;
  bool is_part = false;  // a shard's part was written: join makes the whole of them
  std::vector<std::filesystem::path> outputs;
  std::map<std::string, double> seconds;
};

// Cells that are counted together at most: their counters take 8 K^2 bytes.
inline constexpr std::int64_t kMostCoactiveCells = 16'384;

// One pass over the text up to the last layer asked for, and 2 K^2 operations a token. The folder, shards and
// groups are those of run_aggregate; the file is pairs.safetensors. Throws Error: kUsage (an option out of
// range, `most` or `beyond` without an index, fewer than 2 cells or more than kMostCoactiveCells), kConfig
// (no corpus, a cell or layer that is not there), kModel (no tokenizer, an index of another model), kIo and
// kFormat as run_aggregate does.
CoactiveOutcome run_coactive(const Model& model, const CoactiveOptions& options,
                             const AggregateFolder& folder = {}, Progress& progress = no_progress(),
                             ShardGroup* group = nullptr);
// What needs no model. Throws Error(kUsage).
void check_coactive(const CoactiveOptions& options);

}  // namespace emend
