// Where does a model keep a fact? Causal tracing (Meng et al. 2022, section 2 and appendix B), severed paths,
// attention knockout (Geva et al. 2023), and what they say about the layer to edit.
//
// Three kinds of run. Clean: the prompt as it is; `high` is the answer's probability. Corrupted: noise on the
// embeddings of the subject's tokens, in several samples; `low` is the mean probability over them. Restored:
// corrupted, but some inner vectors are those of the clean run; a grid holds the probability after restoring
// at token t and layer l. All runs of a fact use the same noise. Probabilities of answers of several
// tokens are exp(mean log-probability) a sample. Layers and tokens count from 0; tokens include the BOS.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emend/model.h"
#include "emend/progress.h"
#include "emend/records.h"
#include "emend/trace_fact.h"

namespace emend {

// What is done to the embeddings of the subject's tokens.
struct TraceNoise {
  enum class Kind {
    kNormal,   // + level * N(0, 1)
    kUniform,  // + level * U(-1, 1)
    kStudent,  // + level * t with `degrees` degrees of freedom, one chi-square a vector, scaled to variance
               // level^2
    kTokens,   // each token becomes one of another fact's subject, or, without other facts, one of the
               // vocabulary
  };
  Kind kind = Kind::kNormal;
  double level = 3;  // > 0
  bool relative =
      true;  // counts in standard deviations of the subjects' embeddings (noise_sigma); false: as it is
  int degrees = 0;  // of kStudent, at least 3
  // Draws of NumPy's RandomState(1), seeded anew for every fact: what kmeng01/rome draws. kNormal and
  // kUniform only.
  bool numpy = false;
};

// "s3": 3 standard deviations; "0.1": that level; "u0.1", "us3": uniform; "t5": Student with 5 degrees at one
// standard deviation; "tokens". Throws Error(kUsage) for any other text and for levels of 0 or less.
TraceNoise parse_noise(const std::string& code);

// The unbiased standard deviation over all components of the embeddings of all tokens of the subjects, each
// encoded alone (section B.1); of the whole embedding table when there are fewer than two subjects.
double noise_sigma(const Model& model, const std::vector<TraceFact>& facts);

struct TraceOptions {
  std::vector<std::int64_t> prefix;  // BOS ids that begin every row
  PromptForm form = PromptForm::kRaw;
  TraceNoise noise;
  int samples = 10;         // corrupted rows, >= 1
  int window = 0;           // layers restored together in the MLP and attention grids; 0: default_window
  int knockout_window = 0;  // layers of an attention knockout; 0: as `window`, made odd
  bool block_grid = true, window_grids = true, severed = true, knockout = true;
  bool subject_last_only = false;  // only the row of the subject's last token; other rows of grids are empty
  double exact_share = 1;  // below 1: only this share of a grid's cells, those with the largest estimates,
                           // and the rows of the subject's last and the prompt's last token run exactly
  bool estimates = false;  // fill the attribution estimates also when all cells run
  std::uint64_t seed = 0;
  std::int64_t token_budget = 4096;  // tokens a pass may hold
};

// 10 layers of 48, in proportion: max(1, round(layers * 10 / 48)).
int default_window(int layers);

// Blocks [begin, end) of a window of `width` around `layer`: layer - width / 2 and up, cut to the model.
struct LayerRange {
  int begin = 0, end = 0;
};
LayerRange window_around(int layer, int width, int layers);

using Grid = std::vector<std::vector<double>>;  // [T][L]; rows that were not asked for are empty

// First-order estimate of a grid: low + sum over restored vectors of (clean - corrupted) . d p / d vector,
// the gradient taken in the corrupted run: one backward pass for all cells (attribution patching; Nanda 2023,
// Kramar et al. 2024).
struct GridEstimate {
  Grid values;
  double rank_agreement = 0;  // Spearman's correlation with the exact cells, over the subject's tokens and
                              // later ones; NaN: too few
  std::int64_t exact_cells = 0, cells = 0;
};

struct FactTrace {
  std::string id, prompt, subject;
  std::string answer;   // what was traced
  std::string said;     // what the model says greedily, up to the first token that is not the answer's
  bool correct = true;  // `said` is the expected answer, or no answer was expected
  std::vector<std::int64_t> ids;
  std::vector<std::string> tokens;                  // texts of the ids
  std::int64_t subject_begin = 0, subject_end = 0;  // tokens [begin, end)
  double high = 0, low = 0;
  Grid block, mlp, attention;
  std::vector<std::vector<bool>> block_exact, mlp_exact,
      attention_exact;  // filled with exact_share < 1: which cells ran
  std::optional<GridEstimate> block_estimate, mlp_estimate, attention_estimate;
  // At the subject's last token, restoring the block's output while all MLP (or attention) outputs there stay
  // corrupted. [L]
  std::vector<double> severed_mlp, severed_attention;
  // Clean prompt, attention from the last token to the given tokens cut in a window of layers. [L]
  std::vector<double> knockout_subject, knockout_others, knockout_last;

  std::int64_t lookup() const { return subject_end - 1; }
  // Whether there is nothing to restore: the noise lowers the answer's probability by less than a tenth.
  bool is_void() const { return low > 0.9 * high; }
};

// Traces one fact. `number` is its place in the file: its noise depends on (seed, number) and nothing else.
// `others` are the tokens that kTokens draws from (subject_token_pool). Clean and corrupted runs happen once;
// a cell at (t, l) runs the blocks above l at positions >= t on the corrupted run's keys and values, cells of
// one t in one growing batch. Windows that begin at the same layer share one run up to the layer where the
// first of them ends. Throws Error(kConfig): a prompt of one token, an answer of zero probability, a window
// wider than the model.
FactTrace trace_fact(const Model& model, const TraceFact& fact, const TraceOptions& options, double sigma,
                     const std::vector<std::int64_t>& others, std::uint64_t number);

// The tokens of all subjects.
std::vector<std::int64_t> subject_token_pool(const Model& model, const std::vector<TraceFact>& facts);

// Throws Error(kConfig) for options that this model cannot meet.
void check_trace_options(const TraceOptions& options, const ModelConfig& config);
// The checks that need no model. Throws Error(kUsage), which names the option.
void check_trace_values(const TraceOptions& options);

// --- many facts

// A fact that was left out because the model does not give its expected answer.
struct SkippedFact {
  std::string id, prompt, subject, answer;
  std::string said;  // greedily, as many tokens as the answer has
};

struct TraceResult {
  std::vector<FactTrace> traces;  // in the order of the facts
  std::vector<SkippedFact> skipped;
  std::int64_t missing = 0;  // facts of other shards that have no result yet
};

// Where the results of a long run are kept, one file a fact, and which facts this process traces.
struct TraceStore {
  std::filesystem::path folder;  // empty: nothing is kept
  bool resume = false;           // use the results in the folder; if false, a folder with results is refused
  std::int64_t shard = 0, shards = 1;  // this process takes the facts i with i % shards == shard
  std::int64_t limit = 0;              // only the first so many facts that the model answers; 0: all
};

// Traces all facts; whether the model knows them is asked first, in batches (greedy decoding against the
// expected answer). With a folder, results are written fact by fact, whole or not at all, so that a killed
// run can be resumed; results of other shards are read if they exist. All facts are checked before any work.
// Throws what trace_fact throws, and Error(kConfig) if the folder was made with other settings (the first
// that differs is named).
TraceResult trace_facts(const Model& model, const std::vector<TraceFact>& facts, const TraceOptions& options,
                        const TraceStore& store, Progress& progress = no_progress());

// A mean over facts for every layer [L], with 1.96 standard deviations of the mean (population form; NaN for
// a single fact).
struct LayerCurve {
  std::vector<double> mean, ci95;
  std::int64_t facts = 0;
};

// Tokens by what they are in the prompt (section 2.1): first, middle and last token of the subject, the first
// one behind it, further ones, the last of the prompt. A token may play two roles: a one-token subject is
// first and last.
std::vector<std::pair<std::string, std::vector<std::int64_t>>> token_roles(std::int64_t subject_begin,
                                                                           std::int64_t subject_end,
                                                                           std::int64_t tokens);

struct RoleAverage {
  std::string role;                  // "first subject token", ...
  LayerCurve block, mlp, attention;  // average indirect effects: score - low of the fact
};

// Over the facts that are correct. A fact's effect in a role is the mean over its tokens of that role, so
// that every fact counts once and `ci95` is over independent values.
struct TraceAverage {
  std::int64_t facts = 0;
  double high = 0, low = 0, high_ci95 = 0, low_ci95 = 0;
  double total_effect = 0, total_effect_ci95 = 0;               // ATE = mean(high - low)
  std::vector<RoleAverage> roles;                               // those that occur
  LayerCurve severed_ordinary, severed_mlp, severed_attention;  // effects at the subject's last token
  LayerCurve knockout_subject, knockout_others, knockout_last;  // (p - high) / high
  std::map<std::string, LayerCurve>
      rank_agreement;  // "block", "mlp", "attention": one value each, where estimates exist
};
TraceAverage average_traces(const std::vector<FactTrace>& traces);

struct LayerScore {
  int layer = 0;
  double score = 0, ci95 = 0;
};
// Layers by the effect of the MLP window at the subject's last token, best first (ties: the lower layer
// first).
std::vector<LayerScore> rank_layers(const std::vector<FactTrace>& traces);

// --- which layer to edit

// Real edits at one layer, each fact alone.
struct TrialScore {
  int layer = 0;
  // Harmonic mean of efficacy, paraphrase and neighbourhood success, and of 1 - bleed_worst where other
  // subjects are named (emend/bleed.h).
  double score = 0, ci95 = 0;
  std::int64_t facts = 0;
  std::map<std::string, double> parts;  // the successes by name, and bleed_worst
};

// A trial over fewer facts tells layers apart by luck: run_locate shows it, but does not keep it. That of the
// few edits that run_edit tries by itself is kept for later edits by its method (edit_run.h).
inline constexpr std::int64_t kLeastTrialFacts = 10;

// The evidence for a decision: measured scores of edits, or the model's depth alone.
enum class LayerEvidence { kDepth, kTrial };
std::string_view to_string(LayerEvidence evidence);  // "depth", "trial"

// The layer of `layer: auto`, by depth alone: 1 + round(layers / 10). docs/rome.md has the measurements
// behind it.
int default_layer(const ModelConfig& config);

// The layer for `layer: auto`, and why. The edits of a trial are those of a file of facts (run_locate), or,
// at the first edit without a decision, a few of the edit file's own. Tracing alone does not predict the best
// layer to edit (Hase et al. 2023), so a trial's measured scores are preferred to the trace. Without a trial
// the decision is the depth default, and the trace's ranking is kept beside it.
struct LayerDecision {
  int layer = 0;
  LayerEvidence evidence = LayerEvidence::kDepth;
  std::vector<LayerScore> trace;  // best first
  std::vector<TrialScore> trial;  // best first
  std::int64_t traced_facts = 0, trial_facts = 0;
  std::string method;  // of the trial
  std::string source;  // the facts' file name, or "the edit file's prompts"
  std::string model_fingerprint;
  std::vector<std::int64_t> prefix;
};

// layer_decision.json in the statistics folder. load_layer_decision returns std::nullopt if the file does not
// exist; it throws Error(kModel) if the decision is for another model or BOS, and Error(kFormat) if the file
// is broken.
void save_layer_decision(const LayerDecision& decision, const std::filesystem::path& folder);
std::optional<LayerDecision> load_layer_decision(const Model& model, const std::vector<std::int64_t>& prefix,
                                                 const std::filesystem::path& folder);

}  // namespace emend
