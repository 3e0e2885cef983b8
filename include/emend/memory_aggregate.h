// How the cells of a layer add up to its output, and how the layers form the model's answer, at positions
// of a text (Geva et al. 2021, arXiv 2012.14913, section 5).
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "emend/memory_lens.h"
#include "emend/model.h"
#include "emend/progress.h"
#include "emend/shard_group.h"
#include "emend/text_run.h"

namespace emend {

// Names, at one position and layer: h the stream in front of the block, a' what attention adds, r = h + a',
// y' what the feed-forward network adds, o = r + y'. If the two halves of a block run in parallel, r is
// still h + a': the stream without what the network adds. top(x) is the likeliest token of x under a lens,
// ties to the lower id; w is the model's own likeliest next token.
//
// `corpus` must be given. Positions are drawn from all rows alike: one of each row, then a second one of
// each, until there are enough. Position 0 is never drawn.
struct AggregateOptions : TextOptions {
  std::vector<int> layers = {};   // empty: all
  std::int64_t examples = 4'000;  // positions, at most
  // Of values, and of r, y' and o where they are compared with each other: kLinear or kRaw. Comparisons
  // with w always use the head lens.
  LensOptions lens = {};
  std::int64_t coalitions = 20;  // positions of which minimal coalitions are sought; 0: none
  bool sentences = false;        // every sentence is a row of its own (emend/memory_scan.h)
  std::int64_t sparsity = 0;     // tokens that the sparsity curve is measured on; 0: none is made
};

// What becomes of the stream's favourite when something is added to it, with a = top(before), f = top(added)
// and b = top(after), all under one lens.
enum class Decision {
  kAgreement,    // a = f = b
  kResidual,     // b = a, not f
  kAdded,        // b = f, not a
  kComposition,  // b is neither
  kImpossible,   // a = f, but b is another token; this cannot occur under a linear lens
};
inline constexpr std::size_t kDecisions = 5;
Decision decision_of(std::int64_t before, std::int64_t added, std::int64_t after);
std::string to_string(Decision decision);  // "agreement", "residual", "added", "composition", "impossible"

// A share of n, with the interval that covers it with 95 % (Wilson 1927).
struct ShareWithInterval {
  double share = 0, low = 0, high = 0;
};
ShareWithInterval share_of(std::int64_t hits, std::int64_t n);

// Contributions are c_i = |m_i| times the length of value i as it arrives. Quartiles are over positions.
struct LayerAggregate {
  int layer = 0;
  std::int64_t cells = 0;
  // Cells with a positive score: in a gated layer the score of the gate, else s_i > 0 (ReLU and GELU).
  double active_mean = 0;
  std::array<double, 3> active = {};
  // Without a threshold: (sum c)^2 / sum c^2; the fewest cells that hold 90 % of sum c; the share of cells
  // with c_i above a hundredth of the largest; the largest c_i over their sum. Means.
  double participation = 0, cells_of_90 = 0, above_hundredth = 0, dominance = 0;

  // Share of positions where no active cell's value, taken in the direction of its coefficient, has
  // top(y') as its likeliest token; and where no cell's value has it, active or not.
  ShareWithInterval zero_agreement, zero_agreement_all;
  // Of the positions where an active cell agrees (and, for comparison, of the others): mean number of
  // agreeing cells and their share of sum c; how often top(y') is a stop word; how often fewer than 5 tokens
  // were read.
  double agreeing_cells = 0, agreeing_share = 0;
  double stop_words_agreeing = 0, stop_words_zero = 0, short_agreeing = 0, short_zero = 0;
  // Median of the fewest cells, by falling push on the winner over the runner-up, whose sum with the bias has
  // top(y') and keeps it as cells are added: the smallest of the sizes that were checked, about 20 (1, 2, 3,
  // 4, 6, 8 ...), so an upper bound; NaN without any.
  double coalition = 0;

  ShareWithInterval residual_is_final;           // top(r) = w, head lens
  double output_is_final = 0;                    // top(o) = w; 1 in the last layer
  ShareWithInterval ffn_is_output;               // top(y') = top(o)
  double ffn_is_final = 0;                       // top(y') = w
  std::array<double, 3> final_probability = {};  // of w in r, head lens
  double decided = 0;  // share of positions whose decision layer this is: the first from which r and o keep w

  std::array<double, kDecisions> ffn = {}, attention = {};  // shares by Decision
  // Of the positions whose favourite the network changes: how often the old one is among the lowest 5 % of
  // top(y')'s ranking, and how often the new one was among the first 10 of r.
  double vetoed = 0, near = 0;
  double saturated = 0,
         eliminated = 0;  // w becomes the favourite here and stays; any favourite loses its place
};

// Where the model's last layer ends with a token that neither the stream nor what the network adds had as its
// favourite (kComposition): is the new token related to the stream's old one, or distant? Two are related if
// they share a stem, or if the cosine of their rows of the head, its mean taken off, lies above `threshold`,
// the 95th percentile of random pairs of tokens of similar ids whose rows differ (a cosine below 0.999).
struct LastLayerChanges {
  struct Pair {
    std::string before, after;
    std::int64_t count = 0;  // positions
    double cosine = 0;
    bool related = false;
  };
  std::int64_t changed = 0, related = 0;  // positions
  double threshold = 0;
  std::vector<Pair> pairs;  // the 50 most frequent
};

// What is left of the model's predictions when every token keeps, in each of the chosen layers, only the
// cells with the largest contributions: as much as a layer that is looked up or routed sparsely could do at
// best.
struct SparsityPoint {
  double share = 0;             // of the cells that are kept, rounded up
  double kl = 0;                // KL(model, cut model) of the next token, mean in nats
  double same_top = 0;          // share of tokens with the same likeliest next token
  double perplexity_ratio = 0;  // over the tokens that have a next one in their row
};

struct AggregateOutcome {
  std::int64_t tokens = 0;       // positions that were measured
  std::int64_t text_tokens = 0;  // that were read
  std::int64_t vocabulary = 0;
  std::vector<LayerAggregate> layers;
  std::array<double, 3> decision_layer = {};  // quartiles
  LastLayerChanges last_changes;
  std::vector<SparsityPoint> sparsity;  // by rising share; the last one keeps all cells
  std::int64_t sparsity_tokens = 0;
  std::string corpus, corpus_fingerprint;
  std::int64_t resumed_blocks = 0;
  bool is_part = false;  // a shard's part was written, and there are no layers: join makes the whole of them
  std::vector<std::filesystem::path> outputs;
  std::map<std::string, double> seconds;
};

// Where an aggregation keeps what it finds.
struct AggregateFolder {
  // Receives positions.safetensors, the numbers of every position at every layer, and at the end of each
  // block a checkpoint; the part of a shard instead. Empty: nothing is kept.
  std::filesystem::path path = {};
  bool resume = false;  // go on from the checkpoint that is there; of a finished run, what it found
  // Folders with the parts of all shards of this very run: they are joined, and no text is run through the
  // model. The file of positions has the bytes of a run in one piece.
  std::vector<std::filesystem::path> join = {};
};

// One pass over the text. FLOPs beside it: 8 D V a position and layer, 12 where the final norm or the head
// has a bias. Memory beside the model's: a block's streams, and, where coalitions are sought, float32 copies
// of the values of all layers. Throws Error: kUsage (examples, lens), kConfig and kIo as a scan does.
AggregateOutcome run_aggregate(const Model& model, const AggregateOptions& options,
                               Progress& progress = no_progress());
// The same into a folder: resumable, in shards, and with a group, whose processes share the work; then rank 0
// alone has the result. Throws besides: Error(kConfig) if a run was written into the folder, or begun,
// without `resume`, or if what is there is of another run (the message says what differs), and for parts that
// are of other runs, missing or there twice; kIo; kFormat.
AggregateOutcome run_aggregate(const Model& model, const AggregateOptions& options,
                               const AggregateFolder& folder, Progress& progress = no_progress(),
                               ShardGroup* group = nullptr);

}  // namespace emend
