// The files of a run while it is under way: its settings, and what is done already.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "emend/edit.h"
#include "emend/eval.h"

namespace emend {

// Beside summary.json and records.jsonl: the settings that the results depend on, the seconds spent so far,
// and points of a sequential run.
inline constexpr const char* kRunFile = "run.json";
inline constexpr const char* kSecondsFile = "seconds.json";
inline constexpr const char* kRetentionFile = "retention.json";
inline constexpr const char* kStepsFolder = "steps";

class RunFolder {
 public:
  // Makes the folder, or resumes the run in it. `settings` are what the results depend on; those in run.json
  // must be the same. Throws Error(kConfig) if the folder holds another run (the first setting that differs
  // is named), or this one without `resume`.
  RunFolder(std::filesystem::path folder, const nlohmann::ordered_json& settings, bool resume);

  // Throws what the constructor throws, and writes nothing.
  static void check(const std::filesystem::path& folder, const nlohmann::ordered_json& settings, bool resume);

  // Throws Error(kConfig) if the folder holds results without a run.json: they are not those of a run, and a
  // run must not overwrite them.
  static void refuse_foreign_results(const std::filesystem::path& folder);

  const std::filesystem::path& path() const { return folder_; }

  // Reads the records of whole units, and cuts off what follows them in the file. `units[u]` is the number of
  // records of unit u. Returns how many units are done.
  std::size_t take_up(const std::vector<std::int64_t>& units);
  const std::vector<RecordResult>& records() const { return records_; }
  void append(const std::vector<RecordResult>& unit);  // on disk when this returns

  // Sequential mode: what each step changed, so that a resumed run goes on from there.
  struct Step {
    std::vector<WeightChange> changes;
    std::string outcomes;     // JSON that the caller writes and reads: what became of the step's records
    std::string source = {};  // of a step that was read: its file, for messages
  };
  // Throws Error(kFormat), naming the file, for one that is not a step of a run.
  std::vector<Step> steps() const;
  void save_step(std::size_t number, const Step& step) const;
  std::vector<EvalSummary::RetentionPoint> retention() const;
  void save_retention(const std::vector<EvalSummary::RetentionPoint>& points) const;

  // Seconds spent so far by all processes that worked on this run, by part ("search" ...). They have a file
  // of their own, since the other files are the same whenever the run is repeated.
  std::map<std::string, double> seconds() const;
  void save_seconds(const std::map<std::string, double>& seconds) const;

 private:
  std::filesystem::path step_path(std::size_t number) const;

  std::filesystem::path folder_;
  std::vector<RecordResult> records_;
};

}  // namespace emend
