// The methods that a benchmark compares: editors with their options, layers and statistics.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "emend/checks.h"
#include "emend/dataset.h"
#include "emend/editor.h"
#include "emend/eval_run.h"
#include "emend/model.h"
#include "emend/records.h"
#include "emend/statistics.h"
#include "emend/statistics_store.h"
#include "eval/run.h"

namespace emend {

class ContenderSet {
 public:
  // Throws Error(kConfig) for unknown methods and options of methods, Error(kUsage) for two methods of one
  // label. `options` must outlive this object.
  explicit ContenderSet(const BenchmarkOptions& options);

  // Settles prefix and layers, and loads or collects the statistics that are needed: one pass for all layers
  // of a folder. What is collected is factored as the methods do for `sample`, a record of the data, and the
  // factors tell the conditions of C.
  void settle(const Model& model, std::int64_t token_budget, const EditRequest& sample, Progress& progress);

  // Finds what the methods that protect other subjects must leave as it is in each record. The records have
  // their present answers. The other subjects of `held`, none or as many records with the same ids, are kept
  // out of what the model names. Throws Error(kConfig) as find_protection does, and for a method that cannot
  // protect.
  void protect(const Model& model, const std::vector<EvalRecord>& records,
               const std::vector<EvalRecord>& held, const CheckOptions& checks);
  bool any_protects() const;

  const std::vector<std::int64_t>& prefix() const { return prefix_; }
  // Text that no method's statistics used; empty if no statistics are used.
  std::vector<std::vector<std::int64_t>> held_text() const;

  // Where the results of each go: to `out` itself, or to a folder of its label in it if there are several.
  std::vector<std::filesystem::path> folders(const std::filesystem::path& out) const;
  // This object must outlive what it returns.
  std::vector<Contender> make(const EvalSummary& header, const std::filesystem::path& out) const;

 private:
  struct Entry {
    MethodFile method;
    std::unique_ptr<Editor> editor;
    EditorContext context;
    std::filesystem::path statistics;  // folder
    Protection protection;
  };

  std::vector<int> layers_of(const Entry& entry, const Model& model, Progress& progress) const;
  void load_statistics(const Model& model, std::int64_t token_budget, const EditRequest& sample,
                       Progress& progress);
  StatisticsStore::Conditions plan_on(const Statistics& found, const std::filesystem::path& folder,
                                      const Model& model, const EditRequest& sample,
                                      EditorCache& planned) const;

  const BenchmarkOptions& options_;
  std::vector<Entry> entries_;
  std::vector<std::int64_t> prefix_;
  std::map<std::filesystem::path, Statistics> statistics_;
  std::map<std::filesystem::path, EditorCache> caches_;  // of the methods that use this folder's statistics
  double statistics_seconds_ = 0;
};

}  // namespace emend
