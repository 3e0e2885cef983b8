// A benchmark of editors, as `emend eval` runs it: records of a data set through one or several methods, each
// edited model measured beside the unedited one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emend/editor.h"
#include "emend/eval.h"
#include "emend/model.h"
#include "emend/progress.h"
#include "emend/records.h"
#include "emend/shard_group.h"

namespace emend {

struct BenchmarkOptions {
  // Records.
  std::string dataset;            // a name of list_datasets()
  std::filesystem::path data;     // its file; for "emend" also an edit file, of which only the edits are used
  std::int64_t first_record = 0;  // among the usable records of the file, from 0
  std::int64_t end_record = -1;   // behind the last one; -1: all that follow
  bool known = false;             // leave out records whose present answer is not the unedited model's
  EvalMode mode;
  // Numbers of edits after which a sequential run is measured on its way, rising (parse_curve); std::nullopt:
  // those of default_curve(), and ten evenly spaced ones for retention.
  std::optional<std::vector<std::int64_t>> curve;

  // Methods. They all edit the same records.
  std::vector<MethodFile> methods;       // empty: rome with its defaults; their labels must differ
  const EditorTable* editors = nullptr;  // the methods to choose from; nullptr: benchmark_editors()
  LayerChoice layer;                     // for methods that name no layer; empty: auto
  std::filesystem::path statistics;  // for methods that name no folder; empty: the default one of the model
  std::string bos = "auto";          // auto, none, or a token
  PromptForm form = PromptForm::kRaw;
  std::uint64_t seed = 0;  // of contexts, of free texts, and of text that the model writes for statistics

  // Questions.
  bool plus = false;               // also CounterFact+: neighbours after the edited statement
  bool edited_neighbours = false;  // ask neighbours that the same edit rewrites, too
  // Other subjects a record that bleed is measured on, for records that name no other subjects: subjects
  // of the data's other records with the same prompt around them and another present answer and target. 0:
  // no subjects are added.
  std::int64_t other_subjects = 0;
  // Bleed is measured at every second other subject of a record, and methods that protect keys are told the
  // rest alone; of the names that the model gives (Protect::kAuto), those of subjects measured at the record
  // are left out. So the figure is of subjects that nobody named; in batches another record of the batch may
  // name them. A neighbour about a measured subject is asked, but not protected. Where no method protects,
  // or no record has other subjects, a note of the results says so.
  bool hold_out = false;
  // Also the prompt, its paraphrases and the neighbours in the form that the edits are not made in: raw
  // beside chat, chat beside raw. Those figures have the form in front of their names, as
  // `raw_efficacy_success`.
  bool both_forms = false;
  // Also natural stop: greedy texts of at most so many tokens, which the model is to end itself; 0: not
  // asked.
  std::int64_t natural = 0;
  // Also sampled texts: of so many texts of each prompt, drawn at `temperature` with `seed`, the share that
  // begins with the answer; 0: none, at most 1000.
  std::int64_t sampled = 0;
  double temperature = 1;  // of sampled texts, > 0
  // Also the facts in other forms, built from the wordings of their relations (docs/forms.md): "all", or
  // names of negation, fact-check, choice, reversed, same-subject, alias, one-hop, separated by commas.
  // Empty: none.
  std::string forms;
  std::filesystem::path forms_file;  // YAML with wordings beside those of emend; empty: none
  std::int64_t generations = -1;     // free texts a record at most; -1: all that the data has
  std::filesystem::path snippets;    // reference texts for consistency; empty: not measured
  std::filesystem::path idf;         // folder with the words' weights; empty: those of the snippets
  std::filesystem::path drift_text;  // plain text; empty: text that the statistics held back
  std::int64_t drift_tokens = 256;   // of that text; 0: drift is not measured

  // Results.
  std::filesystem::path out;  // a folder; several methods have a folder each in it, named by their labels
  bool resume = false;        // take up the run that was begun there
  int shard = 0, shards = 1;  // only part `shard` of `shards`; the part that ends last joins all of them
};

// What the results keep of the run besides its options and its model.
struct BenchmarkConditions {
  std::int64_t token_budget = 4096;  // tokens that one pass may hold, >= 1
  double load_seconds = 0;           // that the caller spent on loading the model
};

// The methods that `names` (each with its defaults) and options files stand for, in this order. A file that
// names no method takes the one that `names` has, else rome. Throws Error(kUsage) if `names` has several
// then, Error(kConfig), beginning with the file, for a method that is not in `table`, and what
// read_method_file throws.
std::vector<MethodFile> benchmark_methods(const std::vector<std::string>& names,
                                          const std::vector<std::filesystem::path>& files,
                                          const EditorTable& table = benchmark_editors());

// A prepared benchmark: everything that can be checked without the model has been checked.
class Benchmark {
 public:
  // Reads data and reference texts, and makes the editors; nothing is written. `group`: the processes that
  // share the records. Process r of n does part r of n, and `shard` and `shards` are not used. The group must
  // outlive the benchmark; nullptr: this process is alone.
  // Throws Error: kUsage (options that do not go together or are out of range, an unknown name of a data
  // set), kConfig (unknown names of methods and their options; a broken data file; results of another number
  // of parts), kIo, kFormat.
  explicit Benchmark(const BenchmarkOptions& options, ShardGroup* group = nullptr);
  ~Benchmark();
  Benchmark(Benchmark&&) noexcept;

  // All files that the run may write, and the folders that it has to itself; folders of statistics are not
  // among them.
  std::vector<std::filesystem::path> outputs() const;

  // Settles layers, collects statistics that are missing (the first process of a group does, the others
  // wait), and edits and measures all records. Call it once. In a group the first process joins the parts,
  // and the outcome of the others is empty, as is that of one shard while others are missing. `model` is
  // changed while a sequential edit is searched, and put back. A run that stops at any moment can be resumed,
  // and then writes the same records.jsonl. Throws Error: kConfig (a layer or BOS that the model does not
  // have; a folder that holds another run, or this one without `resume`), kModel (statistics of another
  // model), what editors throw except failed searches (those are results), and what `progress` throws.
  BenchmarkOutcome run(Model& model, Progress& progress = no_progress(),
                       const BenchmarkConditions& conditions = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The same as Benchmark(options, group).run(model, progress).
BenchmarkOutcome run_benchmark(Model& model, const BenchmarkOptions& options,
                               Progress& progress = no_progress(), ShardGroup* group = nullptr);

}  // namespace emend
