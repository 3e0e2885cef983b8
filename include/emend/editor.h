// An editor turns requests into an Edit. It never changes the model it is given.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emend/edit.h"
#include "emend/editor_cache.h"
#include "emend/error.h"
#include "emend/memory_estimate.h"
#include "emend/model.h"
#include "emend/progress.h"
#include "emend/protection.h"
#include "emend/records.h"
#include "emend/search_journal.h"
#include "emend/shard_group.h"
#include "emend/statistics.h"

namespace emend {

// What every method takes besides its own options.
struct EditorContext {
  std::vector<int> layers;           // resolved by the caller, ascending; one for a method of one layer
  std::vector<std::int64_t> prefix;  // BOS ids that begin every row; may be empty
  PromptForm form = PromptForm::kRaw;
  const Statistics* statistics = nullptr;  // nullptr only if the editor does not need them
  EditorCache* cache = nullptr;            // keeps what the next call can use again; may be nullptr
  // The edit that is laid on the model already; nullptr if there is no such edit, or if the method does
  // not need it. Methods that carry earlier facts (Editor::carries_earlier) solve theirs together with
  // those of this edit.
  const Edit* earlier = nullptr;
  // Keeps the values that `edit` finds, so that a run that was stopped can be resumed; nullptr: they are
  // not kept. Only for methods that report their values (Editor::keeps_values).
  SearchJournal* journal = nullptr;
  // The processes that share the batches of a search; all else each of them does by itself. nullptr: this
  // process is alone. The result does not depend on how many there are.
  ShardGroup* group = nullptr;
  std::uint64_t seed = 0;
  std::int64_t token_budget = 4096;
  // memory_bytes: a limit of the process, for Editor::memory; 0: no limit. search_tokens: the size of a
  // search batch that a plan within this limit chose (EditMemory); 0: as the method's options say.
  std::int64_t memory_bytes = 0, search_tokens = 0;
  bool keep_going = false;  // failed searches are reported in the Edit instead of thrown
  // Other subjects whose keys the edit leaves as they are; nullptr: no protection. Only for methods that
  // support it (Editor::protects).
  const Protection* protection = nullptr;
  // Tokens by which the model is taught to end its text behind a target (TargetEnd); empty: it is not taught
  // to. Only for methods that support it (Editor::teaches_end); others ignore them.
  std::vector<std::int64_t> ends = {};
};

// What is known before any search.
struct EditPlan {
  struct Entry {
    std::string id;
    std::vector<int> layers;
    std::int64_t target_tokens = 0;
    std::int64_t rows = 0;                 // context rows, the bare prompt among them
    std::vector<std::string> merged_with;  // ids that share the key and so one residual
    double predicted_norm = 0;             // ||a|| per unit of residual
    double largest_neighbour_alpha = 0;
    // sqrt(a^T C a): the root mean square of the share of the residual that a key of ordinary text receives,
    // over the text of the statistics; 0: not known.
    double text_share = 0;
  };
  std::vector<Entry> entries;
  std::vector<std::string> warnings;
};

// How many layers a method writes at once. kNone: it changes no weights, and its facts are told to the model
// in front of every prompt (Editor::text_in_front).
enum class LayerUse { kNone, kOne, kSeveral };

class Editor {
 public:
  virtual ~Editor() = default;
  virtual std::string name() const = 0;
  virtual bool needs_statistics() const = 0;
  // All options with their values, defaults included.
  virtual std::map<std::string, std::string> options() const = 0;
  virtual Objective objective() const = 0;
  virtual LayerUse layer_use() const { return LayerUse::kOne; }
  // Whether `edit` solves its facts together with those of EditorContext::earlier. Its result then stands in
  // the place of that edit (Edit::replaces_earlier).
  virtual bool carries_earlier() const { return false; }
  // Whether `edit` reports the values that it has found to EditorContext::journal, and starts from those
  // that the journal holds.
  virtual bool keeps_values() const { return false; }
  // Whether the method can leave the keys of EditorContext::protection as they are.
  virtual bool protects() const { return false; }
  // Whether the method teaches EditorContext::ends.
  virtual bool teaches_end() const { return false; }
  // What stands in front of every prompt when these facts are edited, in their order; for methods that write
  // no layer. The prompt follows without anything between. Empty if there are no facts.
  virtual std::string text_in_front(const std::vector<EditRequest>& /*facts*/) const { return {}; }
  // The layers of `layer: auto`, given the layer for a single fact; ascending.
  virtual std::vector<int> layers_around(int layer, const ModelConfig& /*config*/) const { return {layer}; }

  // What `edit` of these requests will hold at once, from their texts and the model's shape alone. With
  // context.memory_bytes it chooses smaller batches; the result may still exceed that limit. Returns
  // std::nullopt if the method does not plan its memory.
  virtual std::optional<EditMemory> memory(const Model& /*model*/,
                                           const std::vector<EditRequest>& /*requests*/,
                                           const EditorContext& /*context*/) const {
    return std::nullopt;
  }

  // Keys, conflicts and costs, without a search. Throws Error(kConfig) naming the ids of edits that
  // contradict each other.
  virtual EditPlan plan(const Model& model, const std::vector<EditRequest>& requests,
                        const EditorContext& context) const = 0;

  // The edit of all requests together, one FactRecord a request in their order. Throws Error(kConfig) as plan
  // does, and Error(kNumeric) naming the ids whose search did not converge (unless context.keep_going).
  virtual Edit edit(const Model& model, const std::vector<EditRequest>& requests,
                    const EditorContext& context, Progress& progress = no_progress()) const = 0;

  // Each request as an edit of its own on the unedited model; the searches share batches. The result of a
  // request does not depend on the others beyond rounding.
  virtual std::vector<Edit> edit_each(const Model& model, const std::vector<EditRequest>& requests,
                                      const EditorContext& context,
                                      Progress& progress = no_progress()) const = 0;
};

struct OptionHelp {
  std::string name, default_value, help;
};
struct EditorHelp {
  std::string name, help;
  bool batches = false;
  std::vector<OptionHelp> options;
};

// Throws Error(kConfig), which begins with `where`, if several layers are given to a method that edits one,
// or any to a method that edits none.
void require_layer_use(const Editor& editor, const std::vector<int>& layers, const std::string& where);

// Throws Error(kConfig), which begins with `where`, if other subjects are to be protected by a method that
// cannot (Editor::protects).
void require_protects(const Editor& editor, Protect protect, const std::string& where);

// Throws Error(kConfig), which begins with `where`, for `end: eos` with a method that cannot teach the end of
// a text (Editor::teaches_end).
void require_teaches_end(const Editor& editor, TargetEnd end, const std::string& where);

// One method that edit files can name: its help, and what makes it from its options. `make` throws
// Error(kConfig) with the option's place for unknown options, and for values of a wrong type or out of range.
struct EditorEntry {
  std::function<EditorHelp()> help;
  std::function<std::unique_ptr<Editor>(const std::map<std::string, OptionText>&)> make;
};

// Methods to choose from. A program adds its own to those of this build by copying known_editors().
using EditorTable = std::vector<EditorEntry>;

// The methods that come with this build.
const EditorTable& known_editors();

// Those, and the methods that change no weights (LayerUse::kNone): for benchmarks, since an edit file asks
// for an edit that can be written.
const EditorTable& benchmark_editors();

std::vector<EditorHelp> list_editors(const EditorTable& table = known_editors());

// Throws Error(`kind`), beginning with `what` ("the option editor", "mend.yaml:1:9"), for a method that is
// not in the table (the nearest known one is offered): kUsage for a name that an argument gives, kConfig for
// that of a file.
void require_method(const std::string& what, const std::string& name,
                    const EditorTable& table = known_editors(), ErrorKind kind = ErrorKind::kUsage);

// Throws Error(kConfig) for a method that is not in the table (the nearest known one is offered), and as
// EditorEntry::make does.
std::unique_ptr<Editor> make_editor(const std::string& name, const std::map<std::string, OptionText>& options,
                                    const EditorTable& table = known_editors());

}  // namespace emend
