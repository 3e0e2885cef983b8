// One contender's part of a run: its folder, its seconds, and in sequential mode what its edits have made of
// the model so far.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "emend/edit.h"
#include "emend/editor.h"
#include "emend/eval.h"
#include "eval/record_edits.h"
#include "eval/results/curve.h"
#include "eval/results/interval.h"
#include "eval/results/results_file.h"
#include "eval/run.h"
#include "eval/run_folder.h"

namespace emend {

// Where a sequential run is measured, and what for.
struct SequencePoint {
  std::int64_t edits = 0;
  bool retention = false, curve = false;
};

template <typename Point>
bool has_point(const std::vector<Point>& points, std::int64_t edits) {
  return std::any_of(points.begin(), points.end(), [&](const Point& point) { return point.edits == edits; });
}

struct Entrant {
  Entrant(const Contender& its, RunFolder files)
      : contender(&its), folder(std::move(files)), seconds(folder.seconds()) {}

  // Adds to the seconds, which the folder keeps for a resumed run. The first work also adds what the
  // contender spent before the run.
  void spend(const std::string& part, double time) {
    if (!worked)
      for (const auto& [name, before] : contender->header.seconds) seconds[name] += before;
    worked = true;
    seconds[part] += time;
  }

  // Whether what is wanted of this point is there already.
  bool knows(const SequencePoint& point) const {
    return (!point.retention || has_point(retention, point.edits)) &&
           (!point.curve || has_point(curve, point.edits));
  }

  // Keeps what was measured on all records so far, in memory and on disk, unless it is there already.
  void keep_point(const SequencePoint& point, const std::vector<RecordResult>& records) {
    if (point.retention && !has_point(retention, point.edits))
      retention.push_back({point.edits, summarize_records(records, Moment::kAfter)});
    if (point.curve && !has_point(curve, point.edits)) {
      write_curve_records(folder.path(), point.edits, records);
      curve.push_back(curve_point(point.edits, records));
    }
    folder.save_retention(retention);
  }

  // Takes the points that a run before this one left.
  void take_up_points() {
    retention = folder.retention();
    for (const auto& [edits, records] : read_curve_records(folder.path()))
      curve.push_back(curve_point(edits, records));
  }

  // Takes the changes of one step of a sequential run.
  void lay(const RunFolder::Step& step) {
    applied.insert(applied.end(), step.changes.begin(), step.changes.end());
    for (EditedRecord& state : outcomes_from(step.outcomes, step.source + ": metadata outcomes"))
      edited.push_back(std::move(state));
  }

  // Whether its facts stand in front of every prompt, and no weight changes.
  bool tells() const { return contender->editor->layer_use() == LayerUse::kNone; }
  bool carries() const { return contender->editor->carries_earlier(); }
  // The edit that is on the model, for editors that carry it; nullptr: there is none yet.
  const Edit* earlier() const { return carried.changes.empty() ? nullptr : &carried; }
  // Takes an edit that stands in the place of the one before.
  void keep(const Edit& edit) {
    if (edit.changes.empty()) return;
    carried.changes = edit.changes;
    carried.solves = edit.solves;
    carried.facts = edit.carried;
    for (const FactRecord& fact : edit.facts)
      if (fact.is_edited()) carried.facts.push_back(fact);
  }

  const Contender* contender;
  RunFolder folder;
  std::size_t done = 0;  // units
  std::map<std::string, double> seconds;
  bool worked = false;
  // Sequential mode: all changes so far, and what became of each record.
  std::vector<WeightChange> applied;
  Edit carried;  // of editors that carry earlier facts: all of them so far
  std::vector<EditedRecord> edited;
  std::vector<EvalSummary::RetentionPoint> retention;
  std::vector<EvalSummary::CurvePoint> curve;
};

}  // namespace emend
