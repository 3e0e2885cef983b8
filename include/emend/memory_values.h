// The values of feed-forward memories as distributions over the vocabulary, and how well they predict the
// tokens that follow their triggers (Geva et al. 2021, arXiv 2012.14913, section 4).
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "emend/memory_id.h"
#include "emend/memory_lens.h"
#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

struct ValueOptions {
  std::vector<int> layers = {};  // empty: all, or those of the index
  LensOptions lens = {};         // any but kHead, whose norm is not for bare values: Error(kUsage)
  int top = 50;                  // tokens kept at each end, 1 to 1000; cut to the vocabulary
  // An index of a scan of this model (emend/memory_scan.h): the agreement is measured, and the tables are
  // written into it. Empty: neither.
  std::filesystem::path index = {};
  // A folder for the tables where there is no index; empty: they are not kept.
  std::filesystem::path out = {};
  std::uint64_t seed = 0;  // of the shuffled baseline
  int sharpest = 100;      // how many of the sharpest values are listed
};

// A cell has one value v and two directions: +v where its coefficient is positive, -v where it is negative.
// What +v promotes, -v suppresses: the top of -v is the bottom of v. All numbers are of softmax(z) or
// softmax(-z), z = lens(v), at scale 1: comparable within a model, but not calibrated probabilities.
struct ValueTable {
  int layer = 0;
  at::Tensor top_ids, top_logits;        // [F, K] int64, float32: largest first, ties to the lower id
  at::Tensor bottom_ids, bottom_logits;  // [F, K]: smallest first
  at::Tensor log_sum, low_log_sum;       // [F] float64: log sum exp(z), log sum exp(-z)
  at::Tensor entropy, low_entropy;       // [F] float64, nats
  at::Tensor norm;                       // [F] float32: length of the value as it arrives in the stream

  // Of a cell in the direction of `positive`: its favourite token, and that token's probability.
  std::int64_t favourite(std::int64_t cell, bool positive) const;
  double largest_probability(std::int64_t cell, bool positive) const;
};

// The tables of one layer. `keep` is cut to the number of tokens.
ValueTable value_table(const Model& model, int layer, const LensOptions& lens, int keep);

// Whether the favourite of a cell's value is the token that follows its strongest trigger. Each cell counts
// in its dominant direction, that of the larger |coefficient|. Cells without such a token are left out.
struct ValueAgreement {
  std::int64_t defined = 0;         // cells whose strongest trigger has a next token
  double agreement = 0;             // share of those
  double shuffled = 0;              // the same with the next tokens permuted, mean of 100
  double uniform = 0;               // 1 / V
  std::array<double, 3> rank = {};  // quartiles of the next token's rank in the value, from 0
  double mean_reciprocal_rank = 0;  // of rank + 1
  double hit10 = 0;                 // share of ranks below 10
  double precision = 0;             // mean share of a cell's triggers that continue with its favourite
  int triggers = 0;                 // how many triggers a cell has for that, at most
  double echo = 0;                  // share of favourites that are the trigger's last token
};

struct LayerValues {
  int layer = 0;
  std::int64_t cells = 0;
  std::array<double, 3> largest_probability = {};  // quartiles; of the sharper direction where both count
  double entropy = 0, norm = 0;                    // medians, of the same direction
  std::optional<ValueAgreement> agreement = {};
};

// One value of those listed.
struct SharpValue {
  MemoryId cell;
  bool positive = true;  // +v, or -v
  double probability = 0;
  std::vector<std::int64_t> ids = {};     // its first tokens, up to 10
  std::vector<std::string> tokens = {};   // as text
  std::optional<std::int64_t> next = {};  // what follows its strongest trigger; std::nullopt without an index
  std::string next_text = {};
  std::optional<double> precision = {};
};

// Cells sorted by their largest probability, in eight bins.
struct PredictiveBin {
  double low = 0, high = 0;  // of the probability
  std::int64_t cells = 0;
  double agreement = 0;
};

struct ValuesOutcome {
  std::int64_t vocabulary = 0;  // tokens that take part
  std::int64_t cells = 0;
  int top = 0;
  std::vector<LayerValues> layers;
  std::vector<SharpValue> sharpest;        // by falling probability, ties by address
  std::int64_t sharpest_in_top_third = 0;  // of them, in the upper third of the model's layers
  std::int64_t sharpest_agreeing = 0;      // those with a trigger that continues with the favourite
  std::vector<PredictiveBin> equal_width, equal_count;  // empty without an index
  std::string index_settings = {};                      // what the index was scanned with
  std::vector<std::filesystem::path> outputs;
  std::map<std::string, double> seconds;  // wall-clock seconds of each stage
};

// FLOPs 2 cells D V. Memory beyond the weights: a layer's tables, and float32 copies of the layer's values
// and, where the weights are not float32 on the CPU, of the output embedding. The products run on the CPU.
// Throws Error: kUsage (top, lens), kConfig (a layer out of range or not in the index), kModel (an index of
// another model), kIo, kFormat.
ValuesOutcome run_values(const Model& model, const ValueOptions& options, Progress& progress = no_progress());

// Tables on disk: FOLDER/values_<layer>.safetensors (docs/formats.md).
std::filesystem::path value_file(const std::filesystem::path& folder, int layer);
// What a file holds besides the table.
struct StoredValues {
  ValueTable table;
  std::string lens, model_fingerprint, tokenizer_fingerprint;
};
// Returns std::nullopt if there is no file of that layer. Throws Error(kFormat) naming file and tensor for a
// broken one.
std::optional<StoredValues> read_values(const std::filesystem::path& folder, int layer);

}  // namespace emend
