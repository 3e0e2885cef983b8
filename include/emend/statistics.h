// Second moments of the feed-forward keys, C = E[k k^T] (Meng et al. 2022, section 3.1): what a rank-one edit must not move.
// Uncentred, over running text, position-0 keys left out (they are the attention sink's, not the text's).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

// How good the C of one layer is. What could not be found out is nothing: a half with too few keys, a C that is singular.
struct StatisticsQuality {
  // Estimated mean of 1 - cos between C^-1 k and its limit for endless text, on keys of held text. With two independent
  // halves of n_a and n_b keys and d the same distance between them, d n_a n_b / (n_a + n_b)^2: the error of C^-1 k goes
  // as 1 / n, so d ~ 1 / n_a + 1 / n_b, and the whole has 1 / (n_a + n_b). Both with the ridge 1e-5 trace(C) / d_ff.
  std::optional<double> error_estimate;
  std::optional<double> condition;       // largest over smallest eigenvalue of C, no ridge
  std::optional<double> effective_rank;  // (trace C)^2 / |C|_F^2: d_ff for C = I, 1 for one direction
};

// C of one layer with what it was made from.
struct LayerStatistics {
  at::Tensor C;             // [F, F] float64, symmetric, CPU
  std::int64_t tokens = 0;  // keys that were summed
  at::Tensor probes;        // [n, F] float32 keys of held text; may be undefined (older files)
  StatisticsQuality quality;
};

struct Statistics {
  std::map<int, LayerStatistics> layers;
  std::string source;       // "self, seed 0", "text: 3 files, 1.2 MB"
  std::string settings;     // what sums must share to be merged: "window 512, position 0 left out"
  std::string fingerprint;  // hex, over model, tokenizer, BOS, corpus, seed and tokens
  // Text that the sums did not see, for measuring drift: rows of ids, each with its first token.
  std::vector<std::vector<std::int64_t>> held_text;
  std::vector<std::uint64_t> documents;       // fingerprints of what was summed, sorted
  std::vector<std::uint64_t> held_documents;  // of the held text, row by row
};

struct StatisticsOptions {
  std::vector<int> layers;                    // all are filled in one pass, memory allowing
  // Files and folders: plain text (documents end at empty lines), .jsonl and .ndjson, also as .gz or .zst. Empty: the model
  // writes the text itself.
  std::vector<std::filesystem::path> corpus;
  std::string text_field = "text";            // of JSON lines
  std::int64_t tokens = 0;                    // keys to sum; 0: 10 * d_ff; kAllTokens: the whole corpus
  std::vector<std::int64_t> prefix;           // ids that begin every text (the BOS choice); may be empty
  std::uint64_t seed = 0;                     // of the sample of documents, or of the model's own text
  std::int64_t window = 512;                  // tokens of a row at most; longer documents are cut
  std::int64_t block_tokens = 0;              // keys of a block; 0: 8192 of given text (more of it: a sixteenth), 16384 of own text
  std::int64_t token_budget = 4096;
  std::int64_t memory_bytes = 0;              // of the process (of the GPU, where the model is there), at most; 0: no limit
  std::optional<double> until;                // stop at the block end where every layer's error estimate is at most this
  int shard = 0, shards = 1;                  // only the blocks b with b % shards == shard
};
inline constexpr std::int64_t kAllTokens = -1;

// What a run will take, before it begins.
struct StatisticsPlan {
  std::vector<std::vector<int>> passes;  // layers of each pass over the text; the fewest that the memory allows
  std::int64_t tokens = 0;               // keys a layer, of all shards
  std::int64_t blocks = 0;               // of this shard
  std::int64_t sum_bytes = 0;            // float64 sums of the largest pass
  std::int64_t file_bytes = 0;           // C of all layers as written
  std::int64_t peak_bytes = 0;           // sums, weights, activations and what the process holds besides
  double seconds = 0;                    // expected, from the matrix-product rate of this machine measured just now
  double matmul_flops = 0;               // that rate, operations a second
  std::int64_t repaired = 0, repeated = 0;  // of the corpus: broken UTF-8 pieces, documents that stand there twice
  std::vector<std::string> binary_files;    // passed over in folders
  std::string source;
};

// The estimate of the worst layer looked at, as the run went on.
struct CurvePoint {
  std::int64_t tokens = 0;
  int layer = 0;
  double error_estimate = 0;
};

// Where a run keeps its checkpoints, and whether it goes on from one.
struct StatisticsFolder {
  std::filesystem::path path;
  bool resume = false;
  bool keep_sums = false;  // write the float64 sums (partial files, for merging) instead of the layers; shards always do
};

struct StatisticsReport {
  std::map<int, LayerStatistics> layers;  // without C: it is in the files
  std::vector<CurvePoint> curve;
  std::string source, fingerprint;
  std::vector<std::filesystem::path> outputs;
  std::int64_t resumed_blocks = 0;  // blocks that a checkpoint spared
  bool reached_until = false;
};

// The processes of one run that share its blocks: process r of n is shard r of n. Every process makes the same calls.
class ShardGroup {
 public:
  virtual ~ShardGroup() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Adds the numbers of all processes, element by element, into those of rank 0.
  virtual void sum_to_first(double* numbers, std::int64_t count) = 0;
  // All processes' numbers one after another, on rank 0; what others get has no meaning.
  virtual std::vector<std::uint64_t> gather_to_first(const std::vector<std::uint64_t>& numbers) = 0;
  // Returns once all processes have come here.
  virtual void wait_for_all() = 0;
};

// A collection that is prepared: corpus read and sampled, all options checked.
class StatisticsRun {
 public:
  // `model` must outlive the run. Throws Error: kConfig (a layer out of range, an empty corpus, impossible options), kIo,
  // kFormat (binary file, damaged compression, broken JSON line, each named).
  StatisticsRun(const Model& model, const StatisticsOptions& options, Progress& progress);
  ~StatisticsRun();
  StatisticsRun(StatisticsRun&&) noexcept;

  const StatisticsPlan& plan() const;

  // Sums into memory. Throws Error(kNumeric) naming layer and document when a key is NaN or infinite.
  Statistics collect(Progress& progress) const;

  // Sums into a folder: a checkpoint at the end of every block, so that a killed run loses at most one; `resume` goes on and
  // gives the same bytes as a run that was never stopped. Besides collect's errors: kConfig for a checkpoint of another run
  // (what differs is named) or one that stands there without `resume`; kIo for a disk that is full (the checkpoint before
  // stands). Layer files, or partial files for shards and keep_sums. With a group, whose rank and size must be this shard's,
  // the sums of all processes are added once at the end, and rank 0 writes the layers; the others' reports are empty.
  StatisticsReport collect_into(const StatisticsFolder& folder, Progress& progress, ShardGroup* group = nullptr) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// One pass over the text, stopped inside the last layer asked for. `self`: 64 texts grow side by side, sampled at
// temperature 1 from a start token (the prefix, else the tokenizer's BOS-like token, see start_token); a new text after EOS or at 256
// tokens; keys are summed while generating. Given text: a seeded sample of whole documents, each a row of its own. Sums:
// float32 products of fixed groups of rows (about 1024 keys), added in float64, so the result depends on neither batch nor
// thread count beyond rounding. The same as StatisticsRun(...).collect(progress).
Statistics collect_statistics(const Model& model, const StatisticsOptions& options, Progress& progress);

// The token from which text is sampled: the prefix's last id, else <|endoftext|>-like token, else BOS, else EOS.
std::int64_t start_token(const Model& model, const std::vector<std::int64_t>& prefix);

// One file a layer, layer_<l>.safetensors, with tensor model.layers.<l>.C; held text in held_text.safetensors (docs/formats.md).
void save_statistics(const Statistics& statistics, const Model& model, const std::vector<std::int64_t>& prefix,
                     const std::filesystem::path& folder);

// The layers asked for, or nothing at all (empty map) when one of their files is absent. Throws Error(kModel) when a file is
// of another model, tokenizer or BOS (the reason is named), Error(kFormat) when it is broken.
Statistics load_statistics(const Model& model, const std::vector<int>& layers, const std::vector<std::int64_t>& prefix,
                           const std::filesystem::path& folder);

// Where statistics lie when nobody says: stats/<name>-<fingerprint>[-bos-<ids>] beside the model.
std::filesystem::path default_statistics_folder(const Model& model, const std::vector<std::int64_t>& prefix);

// One set of layer files from several folders, each with finished layers or with partial sums (all of one kind), as if one
// run had summed all their text. Partial sums are added in float64. Throws Error: kConfig when they share documents (how
// many), when shards of one run are missing or there twice; kModel for different models, tokenizers, BOS or settings;
// kFormat. Nothing is written on an error.
struct MergeReport {
  std::map<int, LayerStatistics> layers;  // without C
  std::string source, fingerprint;
  std::vector<std::filesystem::path> outputs;
};
MergeReport merge_statistics(const std::vector<std::filesystem::path>& folders, const std::filesystem::path& out,
                             Progress& progress);

// Second moments that the programs of Meng et al. cached (mom2 of kmeng01/rome and memit): NumPy archives with mom2.mom2
// [F, F] and mom2.count, named DIR/MODEL/CORPUS_stats/LAYERNAME_..._mom2....npz. They name their model by a folder only, so the
// caller vouches for it. Their sums hold position-0 keys, and there is no held text. Throws Error: kFormat (not such an
// archive, a layer that the name does not tell), kModel (a size that is not d_ff, a layer that the model does not have).
Statistics import_mom2(const std::vector<std::filesystem::path>& files, const Model& model,
                       const std::vector<std::int64_t>& prefix);

}  // namespace emend
