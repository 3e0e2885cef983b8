// An index of feed-forward memories: what a scan found, read cell by cell without model or corpus
// (docs/formats.md, "Index of memories").
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emend/memory_id.h"
#include "emend/memory_scan.h"

namespace emend {

// A token at which a cell's coefficient was seen, with the text around it.
struct MemoryExample {
  float coefficient = 0;                // signed
  std::optional<float> gate, up;        // scores of a gated cell; drawn examples have none
  std::int64_t document = 0;            // over the corpus in the order given, from 0
  std::int64_t window = 0;              // row of that document
  std::int64_t position = 0;            // in the row, counted with BOS
  std::int64_t token_id = 0;            // the token that was read
  std::optional<std::int64_t> next_id;  // the one that follows it; std::nullopt at the end of the text
  std::string text;                     // what was read: the end of the row up to that token, and with it
  std::string token, next;              // decoded; next is empty at the end of the text
  std::string after;                    // what follows it in its row, a few words
  std::string source;                   // "document FILE:LINE"
  double share = 0;                     // of the histogram's tokens: those with a lower coefficient
};

// How often gate and up score of a gated cell have which sign.
struct Quadrants {
  std::int64_t both = 0, gate_only = 0, up_only = 0, neither = 0;  // positive ones
};

// A cell's value as logits of tokens, strongest first at both ends.
struct ValueToken {
  std::int64_t id = 0;
  std::string text;
  double logit = 0;
};
struct CellValue {
  std::vector<ValueToken> top, bottom;
  std::string lens;  // how its logits were read (emend/memory_lens.h)
};

// All that an index knows of one cell.
struct MemoryRecord {
  MemoryId id;
  std::int64_t tokens = 0;  // that were counted
  // A cell with an activation alone: never above 0. A gated one: |coefficient| x length of its value never
  // above a thousandth of the median over the layer's cells of the largest such contribution.
  bool dead = false;
  double active_share = 0;  // of tokens with a positive score (of the gate, if there is one)
  double mean = 0, variance = 0, least = 0, most = 0;
  double value_norm = 0;  // length of the cell's value
  // At the shares of quantile_shares(), of the coefficient with its sign: read from the histogram, as if a
  // bin's tokens were spread evenly over it, so off by a factor below 1.5; near 0 by less than 0.0015, and
  // beyond 48 by up to what lies between that and `most` or `least`.
  std::vector<double> quantiles;
  // 64 bins by sign and size; histogram_edges() says where they lie. Of a text of 65,536 tokens or more it
  // counts a sample (`settings` of the head).
  std::vector<std::int64_t> histogram;
  std::optional<Quadrants> quadrants;
  std::vector<MemoryExample> high, low;  // best first; low is empty for ReLU
  std::vector<MemoryExample> random;     // drawn from all tokens
  std::vector<MemoryExample> middle;     // one from each octave of the coefficient, by rising coefficient
  std::optional<CellValue> value;        // once values have been computed into the index
  std::vector<std::string> labels;       // what people or programs called it
};

const std::vector<double>& quantile_shares();  // 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999
// [65]: bin b of a histogram holds coefficients between edges b and b + 1; the ends are infinite.
std::vector<double> histogram_edges();

// What the head of an index says.
struct MemoryIndexHead {
  std::string model, family, model_fingerprint, tokenizer_fingerprint;
  std::string corpus, corpus_fingerprint, settings, fingerprint;
  std::string version;
  ComputeType dtype = ComputeType::kFloat32;
  std::vector<std::int64_t> prefix;  // ids that begin every row
  std::uint64_t seed = 0;
  std::int64_t tokens = 0;  // that were counted
  int top = 0, random = 0;
  Dedup dedup = Dedup::kWindow;
  bool include_first = false, gated = false;
  bool one_ended = false;   // ReLU: there is no low end
  std::int64_t cells = 0;   // of a layer
  int model_layers = 0;     // that the model has
  std::vector<int> layers;  // that were scanned
};

class MemoryIndex {
 public:
  // Throws Error: kIo if there is no such folder, kConfig if it holds no finished index (the message says
  // what is there, and what to do), kFormat for a broken one.
  explicit MemoryIndex(const std::filesystem::path& folder);
  ~MemoryIndex();
  MemoryIndex(MemoryIndex&&) noexcept;

  const MemoryIndexHead& head() const;
  const std::filesystem::path& folder() const;
  std::vector<LayerScan> layers() const;

  // Throws Error(kConfig), which names the valid range, for a layer that was not scanned or a cell that is
  // not there; kFormat.
  MemoryRecord cell(MemoryId memory) const;
  // Of each cell of a layer: the largest |coefficient| times the length of its value. Throws as cell() does.
  std::vector<double> largest_contributions(int layer) const;

  // Throws Error(kModel) if the index is of another model or tokenizer.
  void require_of(const Model& model) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace emend
