// Which feed-forward cells hold a fact, and what becomes of it without them: knowledge neurons by integrated
// gradients (Dai et al. 2022, arXiv 2104.08696), and how widely a fact is spread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emend/memory_id.h"
#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

// A prompt whose next words are the answer, and other prompts with the same answer.
struct KnowledgeFact {
  std::string id, prompt, answer;  // answer empty: the model's likeliest next token after `prompt`
  std::vector<std::string> paraphrases = {};
};

// P is the probability of the answer's first token behind a prompt; all changes are of coefficients at the
// prompt's last token.
struct KnowledgeOptions {
  std::vector<KnowledgeFact> facts;  // at least one
  // Attr_i = m_i / steps * sum_k dP(k m / steps) / dm_i, k = 1 to steps, with all coefficients m of a layer
  // moved together, as the paper's program does; of a gated cell m is the product. 1 to 1,000.
  int steps = 20;
  double threshold = 0.2;  // a prompt's cells: Attr above this share of the largest one; 0 to 1
  double shared = 0.7;     // a fact's neurons: cells of more than this share of its prompts; 0 to 1
  // Sizes K of the damage curves, ascending; those beyond the model's cells are left out.
  std::vector<int> sizes = {1, 2, 5, 10, 20, 50, 100, 200, 500};
  int draws = 5;  // random sets of cells for every set that is compared with them; 1 to 1,000
  std::uint64_t seed = 0;
  std::string bos = "auto";
};

struct KnowledgeNeuron {
  MemoryId cell;
  double attribution = 0;  // mean over the fact's prompts
  int prompts = 0;         // among whose cells it is
};

// Ratios (P' - P) / P, each the mean over the fact's prompts, or over other facts.
struct KnowledgeChange {
  double off = 0, doubled = 0;  // coefficients times 0, and times 2
};

// P at the end of a fact's first prompt, without the K first cells of an order.
struct DamagePoint {
  int size = 0;             // K
  double contribution = 0;  // by the push on the logit at once, largest first (emend/memory_explain.h)
  double attribution = 0;   // by Attr, largest first
  double random = 0;        // K cells of all layers alike, mean over the draws
};

struct FactKnowledge {
  std::string id, prompt, token;  // token: the answer's first one
  std::int64_t token_id = 0;
  int prompts = 0;
  double probability = 0;                // P, mean over the prompts
  double first = 0;                      // P at the first prompt
  double coarse = 0;                     // mean number of a prompt's cells
  std::vector<KnowledgeNeuron> neurons;  // by falling attribution
  KnowledgeChange change;                // of the fact's own prompts, its neurons off or doubled
  KnowledgeChange random;                // as many random cells of the same layers, mean over the draws
  KnowledgeChange others;                // of the first prompts of other facts, 20 at most; NaN with one fact
  // The sum of Attr over a layer's cells less P - P(m = 0), the largest over layers and prompts: what the
  // steps leave out.
  double incomplete = 0;
  // The fewest cells with positive contributions that hold 90 % of their sum, and the layers they lie in.
  std::int64_t cells_of_90 = 0, layers_of_90 = 0;
  std::vector<DamagePoint> damage;
  std::vector<double> by_layer;  // [layers] sum of Attr over the layer's cells, mean over the prompts
};

// Means over facts.
struct KnowledgeSummary {
  double neurons = 0, coarse = 0, probability = 0, cells_of_90 = 0, layers_of_90 = 0;
  KnowledgeChange change, random, others;
  std::vector<DamagePoint> damage;  // ratios P' / P
  std::vector<double> by_layer;
  // Facts that have any; `change`, `random` and `others` are over these. `others` is NaN where no fact has
  // it.
  std::int64_t with_neurons = 0;
};

struct KnowledgeOutcome {
  std::vector<FactKnowledge> facts;
  KnowledgeSummary mean;
  std::int64_t cells = 0;  // of the model
  double seconds = 0;
};

// Throws Error(kUsage) for options out of range or without a fact, before a model is needed.
void check_knowledge(const KnowledgeOptions& options);

// For each prompt one pass, and for each layer the last token `steps` + 1 times from that layer on, forward
// and back. Throws Error(kUsage) for options out of range, a fact without a prompt, and an answer without
// tokens, naming the fact.
KnowledgeOutcome find_knowledge(const Model& model, const KnowledgeOptions& options,
                                Progress& progress = no_progress());

}  // namespace emend
