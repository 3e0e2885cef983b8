// The files of a run while it is under way: what to do, and what is done already.
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

class RunFolder {
 public:
  // Makes the folder, or takes up the run in it. `settings` are what the results depend on; those found in
  // run.json must be the same. Throws Error(kConfig): another run is there (the first setting that differs is
  // named), or one is there and `resume` is not given.
  RunFolder(std::filesystem::path folder, const nlohmann::ordered_json& settings, bool resume);

  // The refusals of the constructor alone; nothing is written.
  static void check(const std::filesystem::path& folder, const nlohmann::ordered_json& settings, bool resume);

  // Throws Error(kConfig) when the folder holds results without a run.json: they are not a run's, and a run
  // must not take their place.
  static void refuse_foreign_results(const std::filesystem::path& folder);

  const std::filesystem::path& path() const { return folder_; }

  // Records of earlier units, whole ones only: lines beyond the last whole unit are cut off. `units[u]` is
  // the number of records of unit u. Returns how many units are done.
  std::size_t take_up(const std::vector<std::int64_t>& units);
  const std::vector<RecordResult>& records() const { return records_; }
  void append(const std::vector<RecordResult>& unit);  // on disk when this returns

  // Sequential mode: what each step changed, so that a run taken up stands where it stood.
  struct Step {
    std::vector<WeightChange> changes;
    std::string outcomes;  // JSON of the caller's: what became of the step's records
  };
  std::vector<Step> steps() const;
  void save_step(std::size_t number, const Step& step) const;
  std::vector<EvalSummary::RetentionPoint> retention() const;
  void save_retention(const std::vector<EvalSummary::RetentionPoint>& points) const;

  // Seconds spent so far, over all processes that worked on this run, by part ("search" ...). In a file of
  // their own: the others are the same for the same run.
  std::map<std::string, double> seconds() const;
  void save_seconds(const std::map<std::string, double>& seconds) const;

 private:
  std::filesystem::path step_path(std::size_t number) const;

  std::filesystem::path folder_;
  std::vector<RecordResult> records_;
};

}  // namespace emend
