// Collecting second moments of keys: options, a plan before the work, runs that resume and that many
// processes share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emend/model.h"
#include "emend/progress.h"
#include "emend/statistics.h"
#include "emend/text_run.h"

namespace emend {

// `tokens` 0 means 5 * d_ff of own text and 10 * d_ff of a corpus, with `until` 100 * d_ff at most.
struct StatisticsOptions : TextOptions {
  std::vector<int> layers;        // all are filled in one pass if the memory allows
  std::int64_t memory_bytes = 0;  // limit of the process (of the GPU if the model is there); 0: no limit
  // Stop at the first block end at which the error estimate of every layer is at most this.
  std::optional<double> until;
  // false, for StatisticsRun::collect: StatisticsQuality::condition is left out. It costs a factor of C, and
  // who factors C anyway finds it there (SpdInfo::condition_of_moment).
  bool conditions = true;
};

// What a run will take, known before it begins.
struct StatisticsPlan {
  std::vector<std::vector<int>> passes;  // layers of each pass over the text, as few passes as memory allows
  std::int64_t tokens = 0;               // keys of a layer, of all shards
  std::int64_t blocks = 0;               // of this shard
  std::int64_t sum_bytes = 0;            // float64 sums of the largest pass
  std::int64_t file_bytes = 0;           // C of all layers as written
  std::int64_t peak_bytes = 0;           // sums, weights, activations and what the process holds besides
  double seconds = 0;                    // expected, from a trial and the matrix-product rate just measured
  double matmul_flops = 0;               // that rate, in operations a second
  std::int64_t repaired = 0, repeated = 0;  // of the corpus: pieces that are not UTF-8, repeated documents
  std::vector<std::string> binary_files;    // skipped in folders
  std::string source;
};

// Error estimate of the worst layer that was looked at, after `tokens` keys.
struct CurvePoint {
  std::int64_t tokens = 0;
  int layer = 0;
  double error_estimate = 0;
};

// Where a run keeps its checkpoints, and whether it continues from one.
struct StatisticsFolder {
  std::filesystem::path path;
  bool resume = false;
  // Write the float64 sums (partial files, for merging) instead of the layers. Shards always do.
  bool keep_sums = false;
};

struct StatisticsReport {
  std::map<int, LayerStatistics> layers;  // without C, which is in the files
  std::vector<CurvePoint> curve;
  std::string source, fingerprint;
  std::vector<std::filesystem::path> outputs;
  std::int64_t resumed_blocks = 0;  // blocks that were taken from a checkpoint
  bool reached_until = false;
};

// A collection that is prepared: the corpus is read and sampled, all options are checked.
class StatisticsRun {
 public:
  // `model` must outlive the run. Throws Error: kUsage (values that no option can have), kConfig (a layer out
  // of range, an empty corpus), kIo, kFormat (a binary file, damaged compression, a broken JSON line: named).
  StatisticsRun(const Model& model, const StatisticsOptions& options, Progress& progress = no_progress());
  ~StatisticsRun();
  StatisticsRun(StatisticsRun&&) noexcept;

  const StatisticsPlan& plan() const;

  // Sums in memory. Throws Error(kNumeric), which names layer and document, if a key is NaN or infinite.
  Statistics collect(Progress& progress = no_progress()) const;

  // Sums into a folder, with a checkpoint at the end of every block: a killed run loses one block at most,
  // and `resume` continues and writes the same bytes as a run that was never stopped. Writes layer files, or
  // partial files for shards and `keep_sums`. With a group, whose rank and size must be those of this shard,
  // the sums of all processes are added once at the end, and rank 0 writes the layers; the reports of the
  // others are empty. Throws Error as collect does, and kConfig if a checkpoint of another run is there (the
  // message says what differs) or one is there without `resume`, kIo if the disk is full (the checkpoint
  // before it stays).
  StatisticsReport collect_into(const StatisticsFolder& folder, Progress& progress = no_progress(),
                                ShardGroup* group = nullptr) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The same as StatisticsRun(...).collect(progress): one pass over the text, which stops inside the last layer
// asked for. Given text: a seeded sample of whole documents, each a row of its own. Own text: 64 to 256
// texts grow side by side, sampled at temperature 1 from start_token; a new text begins after EOS or after
// 256 tokens. Keys are multiplied in float32 in fixed groups of about 1024 and added in float64, so that
// beyond rounding the result depends neither on the batch size nor on the number of threads.
Statistics collect_statistics(const Model& model, const StatisticsOptions& options,
                              Progress& progress = no_progress());

}  // namespace emend
