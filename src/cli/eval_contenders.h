// The methods that a benchmark compares: editors with their options, layers and statistics.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/console.h"
#include "cli/options.h"
#include "emend/editor.h"
#include "emend/model.h"
#include "emend/records.h"
#include "emend/statistics.h"
#include "eval/run.h"

namespace emend {

struct ContenderOptions {
  CommonOptions common;
  std::vector<std::string> methods;  // --method
  std::vector<std::string> files;    // --options
  int layer = -1;                    // --layer; -1: auto
};

class ContenderSet {
 public:
  // One contender a method, one an options file (a file that names no method takes that of --method, else
  // rome); `rome` alone when neither is given. Throws Error(kConfig) for unknown methods and options,
  // Error(kUsage) for an options file without a method while --method names none or several, and for two
  // contenders of one label.
  explicit ContenderSet(const ContenderOptions& options);

  // Settles layers and prefix, and loads or collects the statistics that are needed (one pass for all layers
  // of a folder).
  void meet(const Model& model, PromptForm form, Console& console);

  const std::vector<std::int64_t>& prefix() const { return prefix_; }
  // Text that the statistics did not use; empty when no statistics are used.
  std::vector<std::vector<std::int64_t>> held_text() const;

  // Where the results of each go.
  std::vector<std::filesystem::path> folders(const std::filesystem::path& out) const;

  // Results go to `out`, or to a folder a label in it when there are several. This object must outlive them.
  std::vector<Contender> make(const EvalSummary& header, const std::filesystem::path& out) const;

 private:
  struct Entry {
    MethodFile file;
    std::unique_ptr<Editor> editor;
    EditorContext context;
    std::filesystem::path statistics;  // folder
  };

  const CommonOptions& common_;
  int layer_;
  std::vector<Entry> entries_;
  std::vector<std::int64_t> prefix_;
  std::map<std::filesystem::path, Statistics> statistics_;
  double statistics_seconds_ = 0;
};

}  // namespace emend
