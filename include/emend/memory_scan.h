// Scanning text for what triggers the cells of the feed-forward layers: coefficients and trigger examples of
// all cells of the chosen layers in one pass, written as an index that needs neither model nor corpus again.
//
// A cell's coefficient at a token is its number in the key, the input of the down projection (Geva et al.
// 2021, arXiv 2012.14913, eq. 2); its trigger examples are the tokens, each with all text in front of it in
// its row, where the coefficient is largest (section 3 there), here also where it is least: the coefficient
// of a gated cell has either sign.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emend/model.h"
#include "emend/progress.h"
#include "emend/shard_group.h"
#include "emend/text_run.h"

namespace emend {

// Which tokens may stand in one table together. Each rule is a property of the text and the coefficients, so
// that the order in which text is read changes nothing.
enum class Dedup {
  kNone,    // all tokens, as the paper describes it
  kWindow,  // only the best token of each row of text, as the paper's program does with sentences
  kSuffix,  // the same; and of rows with the same 12 tokens up to their best one, only the best row
};
std::string to_string(Dedup dedup);  // "none", "window", "suffix"
// The reverse. Throws Error(kUsage) that lists the known ones.
Dedup parse_dedup(const std::string& text);

// `corpus` must be given, but for own_text; `tokens` 0 means the whole corpus. The same text in the same rows
// as the statistics, but nothing is held back.
struct ScanOptions : TextOptions {
  std::vector<int> layers;  // empty: all
  int top = 25;             // trigger examples of a cell at each end
  int random = 10;          // examples of a cell that are drawn from all tokens
  Dedup dedup = Dedup::kWindow;
  bool include_first = false;  // tokens at position 0 count, too (attention sinks would fill many tables)
  // Every sentence is a row of its own, as in the paper: a prefix begins with its sentence, and the last
  // token of a sentence has no next one. Otherwise rows are documents, cut to the window.
  bool sentences = false;
  // The model writes `tokens` tokens itself, sampled at temperature 1; `corpus` must be empty then.
  bool own_text = false;
};

// What a scan will take, known before it begins.
struct ScanPlan {
  std::int64_t cells = 0;        // of all layers
  std::int64_t tokens = 0;       // to be read, of all shards, without those at position 0
  std::int64_t blocks = 0;       // of this shard
  std::int64_t rows = 0;         // of text; 0 while the model has not written it (plan_memories)
  std::int64_t table_bytes = 0;  // trigger tables: cells tails (top 8 + 4), gated cells 8 an entry more
  std::int64_t other_bytes = 0;  // counts, histograms, drawn examples
  double seconds = 0;            // expected, from the matrix-product rate that was just measured
  std::int64_t repaired = 0, repeated = 0;  // of the corpus: pieces that are not UTF-8, repeated documents
  std::vector<std::string> binary_files;    // skipped in folders
  std::string source;                       // "text: 3 files, 1.2 MB"
};

// Where an index is written.
struct ScanFolder {
  std::filesystem::path path;
  bool resume = false;  // continue from the checkpoint that is there
};

// What a scan says of a layer as a whole.
struct LayerScan {
  int layer = 0;
  std::int64_t cells = 0;
  double active_share = 0;  // of all coefficients, those with a positive score (of the gate, if there is one)
  std::int64_t dead = 0;    // cells that are dead (MemoryRecord::dead)
  // Of all coefficients of the layer, at the shares 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999; read from a
  // histogram with two bins an octave.
  std::vector<double> quantiles;
};

struct ScanOutcome {
  ScanPlan plan;
  std::vector<LayerScan> layers;  // empty for a shard, and for all processes of a group but the first
  std::int64_t tokens = 0;        // that were counted, by this shard or by all
  std::int64_t resumed_blocks = 0;
  bool is_part = false;  // a shard's part was written: merge_scans makes the index of all parts
  std::vector<std::filesystem::path> outputs;
  std::map<std::string, double> seconds;  // wall-clock seconds of each stage
};

// A scan that is prepared: the corpus is read and sampled, all options are checked.
class MemoryScan {
 public:
  // `model` must outlive the scan. Throws Error: kConfig (a layer out of range, an empty corpus, impossible
  // options), kIo, kFormat (as StatisticsRun for the corpus).
  MemoryScan(const Model& model, const ScanOptions& options, Progress& progress = no_progress());
  ~MemoryScan();
  MemoryScan(MemoryScan&&) noexcept;

  const ScanPlan& plan() const;

  // Scans into a folder, with a checkpoint at the end of every block; `resume` continues and writes the same
  // bytes as a run that was never stopped. A shard writes its part. With a group, whose rank and size must
  // be those of this shard, rank 0 adds all states and writes the index. Every file is written whole or not
  // at all, index.json last. Throws Error(kConfig) if an index or a checkpoint is there without `resume`, or
  // one of another scan with it (the message says what differs), kNumeric naming layer, cell and document if
  // a coefficient is not a number, and kIo.
  ScanOutcome run(const ScanFolder& folder, Progress& progress = no_progress(),
                  ShardGroup* group = nullptr) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The plan alone. Text of the model's own is not written for it, so its rows are not known; the seconds
// are those of writing it, by a short trial, and of reading it. Throws as MemoryScan does.
ScanPlan plan_memories(const Model& model, const ScanOptions& options, Progress& progress = no_progress());

// Prepares and runs a scan; a folder that holds one is refused first. `planned` is called with the plan
// before the work begins; it may throw to stop. With a group, the shard is that of this process;
// Error(kUsage) if the options choose another.
ScanOutcome scan_memories(const Model& model, ScanOptions options, const ScanFolder& folder,
                          Progress& progress = no_progress(),
                          const std::function<void(const ScanPlan&)>& planned = {},
                          ShardGroup* group = nullptr);

// Joins the parts of all shards of one scan, which lie in these folders, into an index with the bytes of a
// scan that ran in one piece. Throws Error(kConfig), which says what differs, for parts of other scans
// (another model, corpus, windowing or option), and for shards that are missing or there twice; kConfig if
// `out` holds an index.
ScanOutcome merge_scans(const std::vector<std::filesystem::path>& folders, const std::filesystem::path& out,
                        Progress& progress = no_progress());

}  // namespace emend
