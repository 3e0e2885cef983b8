// Why a model says a token: which feed-forward cells push it, layer by layer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emend/memory_id.h"
#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

struct ExplainOptions {
  std::string prompt;
  std::string token = {};    // the word whose first token is explained; empty: the likeliest next token
  std::string against = {};  // a word to compare with: all pushes are of the difference of the two logits
  std::string bos = "auto";  // auto, none or a token
  int top = 5;               // tokens listed for each state of the stream, 1 to 100
  int cells = 30;            // cells listed, 1 to 10,000
  // Also switch every cell that is listed off and measure what the logit loses; one run of the rest a cell.
  bool effects = false;
  // Of the scores of the cells that are listed, and of the logit: sources listed, 0 (none) to 1,000.
  int sources = 0;
  // Index of a scan (emend/memory_scan.h), for trigger examples and labels of the cells that are listed;
  // empty: none.
  std::filesystem::path index = {};
};

struct ExplainToken {
  std::int64_t id = 0;
  std::string text;
  // For a state of the stream: the token's probability under the head lens. For the output of a layer: the
  // change of the token's logit, with the size that the final norm has at the end.
  double value = 0;
};

// One layer at the prompt's last token. r: the stream without what the layer's FFN adds; o: with it. Where
// the two halves of a block run in parallel, r holds what attention adds.
struct ExplainLayer {
  int layer = 0;
  std::vector<ExplainToken> residual_top = {}, ffn_top = {}, output_top = {};
  double residual_probability = 0, output_probability = 0;  // of the token that is explained
  std::int64_t residual_rank = 0, output_rank = 0;          // its rank, from 0
  double direct = 0;       // what the whole FFN adds to the token's logit at once, its bias included
  double cells = 0;        // the part of `direct` that is the sum over cells
  double attribution = 0;  // sum of the attributions of all its cells at all tokens
};

// One part of what is read from the stream at a token.
struct ExplainSource {
  enum class Kind {
    kEmbedding,  // of the token itself
    kPosition,   // a table of positions
    kBias,       // of projections of attention, of norms behind it and of the reader itself
    kFfn,        // what the network of `layer` wrote at that token
    kHead,       // what `head` of `layer` brought from the token at `position`
  };
  Kind kind = Kind::kBias;
  int layer = -1, head = -1;   // -1 where the kind has none
  std::int64_t position = -1;  // of the token; -1: of none
  double share = 0;
};
std::string_view to_string(ExplainSource::Kind kind);  // "embedding", "position", "bias", "ffn", "head"

// A score, or the logit, as the sum of what was written into the stream before it is read: with k~ the key
// behind the gain of the norm in front and sigma the size that this norm divides by, held,
//   score = b~ + (1 / sigma) sum over sources of k~ C(source).
// A head's output is shared out over the tokens that it reads, by attention's weights as they are. embedding
// + positions + biases + ffn + heads is `value`, but for rounding.
struct SourceSum {
  double value = 0;  // as the pass gave it
  double embedding = 0, positions = 0, biases = 0, ffn = 0, heads = 0;
  std::vector<double> tokens = {};            // [N]: what all heads together brought from each token
  std::vector<ExplainSource> strongest = {};  // by falling |share|
};

struct ExplainCell {
  MemoryId cell;
  std::int64_t position = 0;        // of the token where the coefficient was read; BOS counts
  std::string read = {};            // that token
  double coefficient = 0;           // m_i
  std::optional<double> gate = {};  // score of a gated cell
  double up = 0;                    // score of the key; m_i is act(gate) up, or act(up)
  double strength = 0;              // |m_i| times the length of its value as it arrives
  // What m_i v_i adds to the token's logit at once, the final norm's size held: m_i E_w (gamma_f * C v'_i) /
  // (rho sigma_f) times the logit multiplier and the ratio of a soft cap. 0 at tokens other than the last
  // one, from which a cell reaches the logit through attention only.
  double contribution = 0;
  // m_i times the logit's gradient, one backward pass with norms, attention's weights and gates held (RelP):
  // also what it does through later layers and tokens.
  double attribution = 0;
  // What the logit, or the difference, loses when the coefficient at this token is 0 and everything behind it
  // runs again, where effects were asked for: the total effect.
  std::optional<double> effect = {};
  std::vector<std::string> promotes = {};  // first tokens of the value in the direction of m_i, lens lin
  std::vector<std::string> triggers = {};  // from the index: ends of the strongest examples at that end
  std::vector<std::string> labels = {};    // from the index
  // Who made its scores, where sources were asked for.
  std::optional<SourceSum> up_sources = {}, gate_sources = {};
};

struct ExplainOutcome {
  std::vector<std::int64_t> ids;    // of the prompt
  std::vector<std::string> pieces;  // as text
  ExplainToken token;               // its probability at the end
  std::optional<ExplainToken> against;
  // Words asked for that have several tokens: the answer is about the first one of each.
  std::vector<std::string> first_tokens_of = {};
  double logit = 0;  // of the token, or its difference to the other one's
  // The first layer from which on r and o keep the token as their favourite; the number of layers if there
  // is no such layer.
  int decision_layer = 0;
  std::vector<ExplainLayer> layers;
  std::vector<ExplainCell> cells;  // by falling |attribution|, ties by address and position
  // Over the cells that are listed, where effects were asked for: how many have an attribution of their
  // effect's sign, and how the two correlate (Pearson; 0 where it is not defined).
  std::int64_t same_sign = 0;
  double correlation = 0;
  // Who made the logit, at the last token and with the final norm held, where sources were asked for.
  std::optional<SourceSum> logit_sources = {};
  double seconds = 0;  // wall clock, without loading
};

// One pass forward and one back over the prompt, and one more forward where sources are asked for. Throws
// Error: kUsage (an option out of range, an empty prompt, a word without tokens), kModel (no tokenizer; an
// index of another model), kIo, kFormat.
ExplainOutcome run_explain(const Model& model, const ExplainOptions& options,
                           Progress& progress = no_progress());

}  // namespace emend
