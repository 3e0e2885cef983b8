// What the trigger examples of a cell have in common: patterns of words with tests of significance, where
// Geva et al. (2021, arXiv 2012.14913, section 3) asked people to name them; and a comparison with the
// patterns that people named.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "emend/memory_id.h"
#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

struct PatternOptions {
  std::filesystem::path index;       // of a scan
  std::vector<int> layers = {};      // empty: those of the index
  int cells = 100;                   // of each layer, drawn; 0: all
  int top = 25;                      // trigger examples of a cell that are looked at, 3 to 1,000
  std::int64_t background = 20'000;  // prefixes drawn from the text, to compare with; at least 100
  std::uint64_t seed = 0;
  // Also look for topics without a common word, by the token embeddings of a model: find_patterns needs one.
  bool topics = false;
  // Human annotation to be compared: CSV files (docs/formats.md).
  std::vector<std::filesystem::path> annotations = {};
};

enum class PatternKind { kShallow, kSemantic };
std::string to_string(PatternKind kind);  // "shallow", "semantic"

// Each cell counts at its dominant end, that of the larger |coefficient|.
struct CellPattern {
  PatternKind kind = PatternKind::kShallow;
  // "last token", "last word", "last stem", "ending" (2 to 4 words), "n-gram" (1 to 4 words among the last
  // 8), "last shape"; "content word" and "topic", which are looked for without last words and stop words.
  std::string type;
  std::string text;
  int support = 0;        // prefixes that have it
  double background = 0;  // share of the background that has it, (hits + 1) / (B + 2)
  // Of shallow ones: P[Bin(t, background) >= support]. Of a topic: the permutation test's.
  double p_value = 0;
  // Of content words: log odds with a Dirichlet prior over its deviation. Of a topic: how many deviations of
  // the drawn sets its likeness lies above their mean.
  double z = 0;
  std::vector<int> ranks;  // of the prefixes, from 0
};

enum class PrefixLabel { kShallow, kBoth, kSemantic, kNotCovered };
inline constexpr std::size_t kPrefixLabels = 4;
std::string to_string(PrefixLabel label);  // "shallow", "shallow+semantic", "semantic", "not covered"

struct CellPatterns {
  MemoryId cell;
  bool high = true;                   // which end
  std::vector<CellPattern> patterns;  // the most significant first
  std::vector<PrefixLabel> labels;    // of the prefixes, best first
};

struct PatternShare {
  double share = 0, low = 0, high = 0;  // 95 %, bootstrap over cells
};

struct LayerPatterns {
  int layer = 0;
  std::int64_t cells = 0, prefixes = 0;
  std::array<PatternShare, kPrefixLabels> shares = {};
  double patterns = 0;      // mean number of a cell
  double with_pattern = 0;  // share of cells that have one
  // The same share after prefixes were shuffled over the cells: those of at least 200 cells of the layer, as
  // far as it has them, dealt out to sets as large as the cells' own; and for equally many sets of prefixes
  // drawn at random from the text: how often the tests find a pattern by chance.
  double shuffled = 0, false_alarms = 0;
  double topics = 0, topic_alarms = 0;  // share of cells with a topic, and of such random sets
};

// share = lo + (hi - lo) / (1 + exp(-(layer - middle) / s)) of prefixes with a semantic pattern;
// lo and hi lie in [0, 1].
struct PatternTransition {
  double low = 0, high = 0, middle = 0, width = 0;  // width: layers from 10 % to 90 %, 4.39 s
  // 95 % intervals by 200 fits to resampled cells of each layer; NaN where they were not made. `change` is of
  // high - low.
  static constexpr std::array<double, 2> kNotMade = {std::numeric_limits<double>::quiet_NaN(),
                                                     std::numeric_limits<double>::quiet_NaN()};
  std::array<double, 2> change_interval = kNotMade, middle_interval = kNotMade, width_interval = kNotMade;
};
// kAbrupt: over fewer than two layers. kNone: the fit is flat or lies at an end of the layers, or zero is in
// the interval of its change.
enum class TransitionShape { kNone, kAbrupt, kSmooth };
std::string to_string(TransitionShape shape);  // "none", "abrupt", "smooth"
// `layers`: those of the outcome, of which those without cells do not count. Without intervals zero is not
// asked for.
TransitionShape shape_of(const PatternTransition& transition, const std::vector<LayerPatterns>& layers);

// Two annotators of the same prefixes; "emend" is one of them.
struct AnnotatorAgreement {
  std::string a, b;
  std::int64_t cells = 0, prefixes = 0;  // that both looked at
  double agreement = 0;                  // share of prefixes with equal labels
  double kappa = 0;                      // Cohen 1960; NaN if chance alone gives full agreement
};

// The mutation test (Geva et al. 2021, section 3, Figure 3): what becomes of a cell's coefficient when a part
// of a trigger prefix is taken away.
enum class Mutation { kFirst, kLast, kRandom };
inline constexpr std::size_t kMutations = 3;
std::string to_string(Mutation mutation);  // "first", "last", "random"

enum class MutationUnit {
  kWord,   // all tokens of a word: what follows on letters, digits or characters beyond ASCII goes on with it
  kToken,  // one token, as in the paper
};

// "word", "token". Throws Error(kUsage) that lists them.
MutationUnit parse_mutation_unit(const std::string& text);

struct MutationOptions {
  int top = 50;  // trigger examples of a cell, at most
  MutationUnit unit = MutationUnit::kWord;
  // Of a changed coefficient nothing below 0 counts, so that no change is below -100 %. Coefficients of gated
  // and GELU cells can change their sign.
  bool clip = false;
  // Tokens of a prefix, with what begins every row: of a longer one its end is taken, and m is measured
  // there.
  std::int64_t longest = 128;
  std::int64_t token_budget = 4096;
};

// Changes in percent, 100 (t m' - |m|) / |m|: m the coefficient at the end of the prefix, m' that at the end
// of what is left of it, t the sign of the end. Means over prefixes; NaN without any. `last` needs two units
// behind the tokens that begin every row, `first` two and `random`, which takes one between the first and the
// last, three.
struct CellMutation {
  MemoryId cell;
  bool high = true;
  int prefixes = 0;
  std::array<double, kMutations> change = {};
  // How shallow the cell is: -change[last] / 100, cut to [0, 1].
  double shallow_index = 0;
};

struct MutationShare {
  double mean = 0, low = 0, high = 0;  // 95 %: 1.96 standard errors over cells; NaN with fewer than two
};
struct LayerMutation {
  int layer = 0;
  std::int64_t cells = 0, prefixes = 0;
  std::array<MutationShare, kMutations> change = {};  // means over cells, percent
  double shallow_index = 0;                           // mean over cells
};

struct PatternsOutcome {
  std::vector<LayerMutation> mutations;  // of measure_mutations; else empty
  std::vector<CellMutation> mutated;     // by address
  std::int64_t mutation_tokens = 0;      // that the model has read for them
  std::vector<LayerPatterns> layers;
  std::vector<CellPatterns> cells;              // by address
  std::optional<PatternTransition> transition;  // from four layers on
  std::optional<int> crossover;  // the first layer from which semantic > shallow in most of the later layers
  std::vector<AnnotatorAgreement> annotators;
  std::int64_t annotations_elsewhere = 0;  // rows of annotations of cells that were not looked at
  std::int64_t background = 0;             // prefixes that were drawn
  std::map<std::string, double> seconds;
};

// Shallow: support c >= max(3, 0.12 t rounded up) and p <= 0.01 / candidates of the cell. Semantic: content
// words in 3 prefixes or more whose z is above 3 and the quantile of 0.01 / words of the cell, and whose
// binomial p is at most that share. A pattern is left out if 80 % of its prefixes have a more significant
// pattern of the same kind. Words are runs of letters and digits, in lower case; other characters stand
// alone. Topics: content words, but for those that two prefixes share, whose vectors lie closer together
// than in 999 sets of as many prefixes of the text with about as many words; one test a cell, p <= 0.01 and
// 3 deviations. The tests of a layer are not corrected for the number of its cells: the shares that random
// sets reach, false_alarms and topic_alarms, are measured beside them. Throws Error: kUsage (an option out of
// range, topics without a model), kConfig and kFormat as MemoryIndex does, kModel (an index of another
// model), kFormat naming file and line for annotations with wrong columns, or with layers, cells or
// ranks that the index does not have.
PatternsOutcome find_patterns(const PatternOptions& options, Progress& progress = no_progress());
PatternsOutcome find_patterns(const Model& model, const PatternOptions& options,
                              Progress& progress = no_progress());

// Refuses what measure_mutations would refuse: an option out of range, before a model is loaded; with the
// model also a prefix longer than it reads and an index of another model, before patterns are looked for.
// Throws Error: kUsage, kModel.
void check_mutations(const MutationOptions& options);
void check_mutations(const Model& model, const PatternOptions& patterns, const MutationOptions& options);

// The mutation test of the cells of `outcome`, at the end that each counts at, into `outcome`. Taking away
// the last unit needs no pass of its own: in a causal model m' is the coefficient that stood in front of it.
// Rows are held for as many cells as have 4 million tokens of them; of these, equal rows are run once,
// whatever cells they belong to, up to the deepest layer. Throws Error: kUsage (an option out of range),
// kModel (an index of another model), kConfig and kFormat as MemoryIndex does.
void measure_mutations(const Model& model, const PatternOptions& patterns, const MutationOptions& options,
                       PatternsOutcome& outcome, Progress& progress = no_progress());

// For people: FILE with a line for each pattern that was found, annotator "emend", and FILE's name with
// _prefixes in front of its ending, with the prefixes of the same cells. Both whole or not at all.
std::vector<std::filesystem::path> export_annotation(const PatternOptions& options,
                                                     const PatternsOutcome& outcome,
                                                     const std::filesystem::path& file);

}  // namespace emend
