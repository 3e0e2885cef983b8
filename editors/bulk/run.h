// One bulk edit on its way: searches, and layers written one after the other on a model of its own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "editors/bulk/asked.h"
#include "editors/bulk/carried.h"
#include "editors/bulk/filter.h"
#include "editors/bulk/layer_system.h"
#include "editors/bulk/options.h"
#include "editors/bulk/preserve.h"
#include "editors/common/key_groups.h"
#include "editors/common/request_rows.h"
#include "editors/common/search_unit.h"
#include "emend/editor.h"
#include "emend/progress.h"

namespace emend::editors {

// What all edits of one call share.
struct BulkCall {
  // Samples the contexts and factors C of every layer. Throws Error(kConfig) for layers or statistics that
  // are not there, and for stages that do not go together on this model; the references outlive the call.
  BulkCall(const Model& model, const EditorContext& context, const BulkOptions& options,
           const std::string& method);

  const Model& model;
  const EditorContext& context;
  const BulkOptions& options;
  const std::string& method;
  std::vector<int> layers;  // that are written
  std::vector<Preserve> preserve;
  std::vector<TokenIds> contexts;
  // The edit whose facts are carried; nullptr: there is none.
  const Edit* earlier() const { return options.carry ? context.earlier : nullptr; }
  bool reads_anew() const { return options.carry && options.carried_keys == CarriedKeys::kAnew; }
  Reading reading() const { return {options, layers, context.token_budget}; }
};

class BulkRun {
 public:
  // Reads the keys of all layers. Throws Error: kConfig for requests that contradict each other, kNumeric for
  // keys that are not finite (with keep_going for that of position 0 alone: such requests fail, the others
  // are kept). The call outlives the run.
  BulkRun(const BulkCall& call, const std::vector<EditRequest>& requests, CarriedFacts carried,
          Grouping grouping);

  const std::vector<KeyGroup>& groups() const { return groups_; }
  EditPlan summary() const;

  // The searches of a round, one a group.
  std::vector<SearchResult> search(Progress& progress) const;
  // The whole edit. `first` are the results of the first round, if they are known.
  Edit edit(std::optional<std::vector<SearchResult>> first, Progress& progress);

 private:
  void require_keys(const LayerTrace& trace) const;
  std::vector<std::string> warnings() const;
  void take(std::vector<SearchResult> results, int round);
  void write_round(const at::Tensor& deltas, Progress& progress);
  void write_layer(std::size_t place, const at::Tensor& wanted, Progress& progress);
  void write_anew(const at::Tensor& deltas, Progress& progress);
  std::vector<SearchResult> search_carried(Progress& progress) const;
  at::Tensor longest_carried() const;
  bool searches_carried() const;
  at::Tensor displacements_of(const CallRows& rows, const std::vector<KeyGroup>& groups,
                              const at::Tensor& deltas) const;
  void ask_for(const at::Tensor& deltas);
  void solve_anew(std::size_t place, const at::Tensor& wanted, const at::Tensor& of_carried,
                  Progress& progress);
  std::vector<CarriedGroup> carried_at(std::size_t place, const at::Tensor& wanted) const;
  void book_carried(std::vector<FactRecord>& facts) const;
  void note(std::size_t place, Progress& progress) const;
  std::vector<KeyConstraint> constraints_at(int layer) const;
  at::Tensor residuals_of_written(const at::Tensor& wanted) const;
  at::Tensor deltas_of(const std::vector<SearchResult>& results) const;
  void lay(std::size_t place);
  void take_off();
  Edit collect() const;
  FactPart unwritten_part(std::size_t g, std::size_t place) const;
  std::vector<FactRecord> fact_records() const;
  std::string ids(std::size_t g) const { return groups_[g].ids(requests_); }

  const BulkCall& call_;
  std::vector<EditRequest> requests_;
  std::size_t own_requests_;  // those behind them are facts of the earlier edit that are searched again
  CarriedFacts carried_;
  Grouping grouping_;
  Model model_;  // as it is edited so far
  CallRows rows_;
  std::vector<KeyGroup> groups_;  // with their keys at all layers, before the edit
  std::vector<bool> sound_;       // whose keys are finite; the others fail
  std::vector<LayerSystem> systems_;
  std::optional<CarriedSubjects> held_;  // those whose keys are read anew
  at::Tensor longest_;                   // if searches_carried(): the most each asks [groups] float64
  at::Tensor asked_;                     // with held_: displacements of the groups [groups, D] float64
  Filter filter_;
  std::vector<SearchResult> results_;  // of the first round; steps of all
  std::vector<std::size_t> written_;   // groups whose first search converged
};

}  // namespace emend::editors
