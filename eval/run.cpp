#include "eval/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>
#include <utility>

#include "base/atomic_file.h"
#include "base/stage_clock.h"
#include "emend/editor_cache.h"
#include "emend/error.h"
#include "eval/entrant.h"
#include "eval/measure.h"
#include "eval/record_edits.h"
#include "eval/results/curve.h"
#include "eval/results/metric_names.h"
#include "eval/results/results_file.h"
#include "eval/run_summary.h"
#include "eval/told_facts.h"

namespace emend {
namespace {

// Sequential mode is measured at so many points along the way, the end included, if none are named.
constexpr std::size_t kRetentionPoints = 10;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point began) {
  return std::chrono::duration<double>(Clock::now() - began).count();
}

std::vector<RecordRange> all_units(const EvalSetup& setup) {
  const bool single = setup.mode.kind == EvalMode::Kind::kSingle;
  return cut({0, static_cast<std::int64_t>(setup.records.size())}, single ? kTogether : setup.mode.size);
}

// The units of this part.
std::vector<RecordRange> own_units(const EvalSetup& setup) {
  const std::vector<RecordRange> all = all_units(setup);
  std::vector<RecordRange> own;
  for (auto u = static_cast<std::size_t>(setup.shard.index); u < all.size();
       u += static_cast<std::size_t>(setup.shard.count))
    own.push_back(all[u]);
  return own;
}

std::vector<std::int64_t> ends_of(const std::vector<RecordRange>& units) {
  std::vector<std::int64_t> ends;
  for (const RecordRange& unit : units) ends.push_back(unit.end);
  return ends;
}

// The lowest block that any contender changes; 0 if none changes a block.
int first_block(const std::vector<Contender>& contenders) {
  std::optional<int> first;
  for (const Contender& contender : contenders)
    if (!contender.context.layers.empty())
      first = std::min(first.value_or(contender.context.layers.front()), contender.context.layers.front());
  return first.value_or(0);
}

// What an editor says of its own stages becomes a remark on the stage that the run is in.
class StageRemark : public Progress, public NoteReader {
 public:
  StageRemark(Progress& run, std::int64_t done, std::string remark)
      : run_(run), done_(done), remark_(std::move(remark)) {}

  void begin(std::string_view, std::int64_t, std::string_view) override { run_.update(done_, remark_); }
  void update(std::int64_t, std::string_view) override { run_.update(done_, remark_); }
  void end() override {}
  bool reads_notes() const override { return false; }

 private:
  Progress& run_;
  std::int64_t done_;
  std::string remark_;
};

class Run {
 public:
  Run(Model& model, const EvalSetup& setup, const std::vector<Contender>& contenders, Progress& progress)
      : model_(model),
        setup_(setup),
        progress_(progress),
        form_{contenders.front().context.prefix, contenders.front().context.form},
        measure_(model, setup, setup.metrics, form_, first_block(contenders), contenders.front().header.seed),
        units_(own_units(setup)),
        curve_ends_(is_sequential() ? curve_ends(ends_of(units_), setup.curve.value_or(default_curve()))
                                    : std::set<std::int64_t>()) {
    if (const auto& other = setup.other_form)
      other_form_.emplace(model, setup, other->metrics, other->rows, first_block(contenders),
                          contenders.front().header.seed);
    for (const Contender& contender : contenders)
      RunFolder::check(contender.folder, run_settings(setup, contender), setup.resume);
    for (const Contender& contender : contenders)
      entrants_.emplace_back(contender,
                             RunFolder(contender.folder, run_settings(setup, contender), setup.resume));
  }

  std::vector<EvalSummary> run();

 private:
  std::string stage() const;
  bool is_single() const { return setup_.mode.kind == EvalMode::Kind::kSingle; }
  bool is_sequential() const { return setup_.mode.kind == EvalMode::Kind::kSequential; }
  std::vector<EditRequest> requests(const RecordRange& unit) const;

  // Steps of all modes.
  std::vector<EditedRecord> states_before(const RecordRange& unit, const std::vector<Entrant*>& pending);
  std::vector<Edit> search(Entrant& entrant, const std::vector<EditRequest>& wanted);
  LaidEdits edit(Entrant& entrant, const RecordRange& unit, const std::vector<EditedRecord>& before);
  std::int64_t room_in_front();
  std::vector<std::vector<RecordResult>> measure(const RecordRange& range,
                                                 const std::vector<Entrant*>& entrants,
                                                 std::vector<LaidEdits> laid);
  EvalSummary finish(const Entrant& entrant) const;

  // Single and batch mode.
  void run_units();
  void run_unit(const RecordRange& unit, const std::vector<Entrant*>& pending);

  // Sequential mode.
  void run_in_sequence();
  void require_own(const RunFolder::Step& step, const RecordRange& unit) const;
  void step(Entrant& entrant, std::size_t u, const std::vector<EditedRecord>& before);
  SequencePoint point_after(std::size_t u) const;
  void measure_so_far(const std::vector<Entrant*>& pending, const SequencePoint& point, bool last);

  Model& model_;
  const EvalSetup& setup_;
  Progress& progress_;
  EditorCache cache_;  // of contenders that bring none
  RowForm form_;
  Measure measure_;
  std::optional<Measure> other_form_;
  std::optional<std::int64_t> room_;  // in front of a prompt, in tokens; once it is asked for
  std::vector<RecordRange> units_;
  std::set<std::int64_t> curve_ends_;  // records after which the curve of a sequential run has a point
  std::vector<Entrant> entrants_;
  std::int64_t done_ = 0;  // records
};

std::vector<EvalSummary> Run::run() {
  std::int64_t records = 0;
  for (const RecordRange& unit : units_) records += unit.size();
  progress_.begin(stage(), records, "records");
  if (is_sequential())
    run_in_sequence();
  else
    run_units();
  progress_.end();
  std::vector<EvalSummary> summaries;
  for (const Entrant& entrant : entrants_) summaries.push_back(finish(entrant));
  return summaries;
}

std::string Run::stage() const {
  if (setup_.shard.count == 1) return "evaluating";
  return fmt::format("evaluating part {} of {} (from 0)", setup_.shard.index, setup_.shard.count);
}

std::vector<EditRequest> Run::requests(const RecordRange& unit) const {
  std::vector<EditRequest> all;
  for (std::int64_t i = unit.begin; i < unit.end; ++i)
    all.push_back(setup_.records[static_cast<std::size_t>(i)].request);
  return all;
}

// All of them are measured by the same questions, in the same passes.
void share_seconds(const std::vector<Entrant*>& entrants, double seconds) {
  for (Entrant* entrant : entrants)
    entrant->spend("evaluation", seconds / static_cast<double>(entrants.size()));
}

std::vector<EditedRecord> Run::states_before(const RecordRange& unit, const std::vector<Entrant*>& pending) {
  const auto began = Clock::now();
  std::vector<EditedRecord> states = measure_.before(unit);
  if (!is_single()) leave_out_contradictions(requests(unit), states);
  share_seconds(pending, seconds_since(began));
  return states;
}

// One edit of all requests together, or in single mode one edit a request.
std::vector<Edit> Run::search(Entrant& entrant, const std::vector<EditRequest>& wanted) {
  EditorContext context = entrant.contender->context;
  context.keep_going = true;
  EditorCache& kept = context.cache != nullptr ? *context.cache : cache_;
  // In sequence the model changes. Editors that carry earlier facts keep the contexts of the unedited one,
  // which it still is at their first search: such a run always begins with the first step.
  EditorCache of_this_step = EditorCache::with_factors_of(kept);
  context.cache = !is_sequential() || entrant.carries() ? &kept : &of_this_step;
  if (is_sequential()) context.earlier = entrant.earlier();
  StageRemark remark(progress_, done_, entrant.contender->header.label + ": searching");
  StageClock clock(remark);
  const Editor& editor = *entrant.contender->editor;
  std::vector<Edit> edits;
  if (!is_single()) edits = {edit_together(editor, model_, wanted, context, clock)};
  for (const RecordRange some :
       cut({0, static_cast<std::int64_t>(is_single() ? wanted.size() : 0)}, kSearchedTogether)) {
    const std::vector<EditRequest> slice(wanted.begin() + some.begin, wanted.begin() + some.end);
    for (Edit& edit : edit_alone(editor, model_, slice, context, clock)) edits.push_back(std::move(edit));
  }
  entrant.spend("search", clock.search_seconds());
  entrant.spend("solve", clock.other_seconds());
  return edits;
}

// In tokens, whatever the form.
std::int64_t Run::room_in_front() {
  if (room_) return *room_;
  room_ = measure_.room_in_front();
  if (other_form_) room_ = std::min(*room_, other_form_->room_in_front());
  return *room_;
}

LaidEdits Run::edit(Entrant& entrant, const RecordRange& unit, const std::vector<EditedRecord>& before) {
  LaidEdits laid{{}, std::vector<std::int64_t>(before.size(), -1), before};
  const std::vector<EditRequest> wanted = edited_of(requests(unit), before);
  if (wanted.empty()) return laid;
  std::vector<Edit> edits = search(entrant, wanted);
  std::size_t next = 0;
  for (std::size_t r = 0; r < before.size(); ++r) {
    if (before[r].status != RecordStatus::kEdited) continue;
    const std::size_t e = is_single() ? next : 0;
    note_outcome(edits.at(e), is_single() ? 0 : next, laid.states[r]);
    laid.edit_of_record[r] = static_cast<std::int64_t>(e);
    ++next;
  }
  if (is_sequential() && entrant.carries()) entrant.keep(edits.front());
  for (Edit& edit : edits) laid.edits.push_back(std::move(edit.changes));
  if (entrant.tells()) {
    const RecordRange earlier{0, is_sequential() ? unit.begin : 0};
    ToldFacts(*entrant.contender->editor, model_.tokenizer(), form_, room_in_front())
        .leave_out_untold(requests(unit), edited_of(requests(earlier), entrant.edited), is_single(), laid);
  }
  return laid;
}

// What a record says in another form, beside what it says in its own.
void add_in_form(PromptForm form, const RecordResult& other, RecordResult& result) {
  for (const auto& [name, value] : other.base) result.base[metric_in_form(form, name)] = value;
  for (const auto& [name, value] : other.metrics) result.metrics[metric_in_form(form, name)] = value;
  for (AnswerTrace trace : other.answers) {
    trace.role = fmt::format("{} {}", to_string(form), trace.role);
    result.answers.push_back(std::move(trace));
  }
}

std::vector<std::vector<RecordResult>> Run::measure(const RecordRange& range,
                                                    const std::vector<Entrant*>& entrants,
                                                    std::vector<LaidEdits> laid) {
  const auto began = Clock::now();
  for (std::size_t p = 0; p < entrants.size(); ++p)
    if (entrants[p]->tells())
      laid[p].fronts = fronts_of(*entrants[p]->contender->editor, requests(range), laid[p]);
  const auto step = [&] { progress_.update(done_, "measuring"); };
  auto results = measure_.measure(range, laid, step);
  for (std::size_t p = 0; p < laid.size(); ++p) measure_.add_drift(laid[p], results[p]);
  if (other_form_) {
    const auto others = other_form_->measure(range, laid, step);
    for (std::size_t p = 0; p < laid.size(); ++p)
      for (std::size_t r = 0; r < results[p].size(); ++r)
        add_in_form(setup_.other_form->rows.form, others[p][r], results[p][r]);
  }
  share_seconds(entrants, seconds_since(began));
  return results;
}

EvalSummary Run::finish(const Entrant& entrant) const {
  EvalSummary summary = entrant.contender->header;
  const std::vector<RecordResult>& records = entrant.folder.records();
  fill_figures(summary, records);
  summary.retention = entrant.retention;
  summary.curve = entrant.curve;
  summary.seconds = entrant.seconds;
  summary.seconds.erase("total");
  double total = 0;
  for (const auto& [part, time] : summary.seconds) total += time;
  summary.seconds["total"] = total;
  if (records.empty())
    write_file_atomically(entrant.folder.path() / kRecordsFile, "");  // a part may have none
  for (std::string& note : notes_on(records)) summary.notes.push_back(std::move(note));
  for (std::string& note : notes_on_missing(setup_, entrant.tells(), records))
    summary.notes.push_back(std::move(note));
  write_summary(entrant.folder.path(), summary);
  return summary;
}

void Run::run_units() {
  std::vector<std::int64_t> sizes;
  for (const RecordRange& unit : units_) sizes.push_back(unit.size());
  for (Entrant& entrant : entrants_) entrant.done = entrant.folder.take_up(sizes);
  for (std::size_t u = 0; u < units_.size(); ++u) {
    std::vector<Entrant*> pending;
    for (Entrant& entrant : entrants_)
      if (entrant.done <= u) pending.push_back(&entrant);
    if (!pending.empty()) run_unit(units_[u], pending);
    done_ += units_[u].size();
    progress_.update(done_, "");
  }
}

void Run::run_unit(const RecordRange& unit, const std::vector<Entrant*>& pending) {
  const std::vector<EditedRecord> before = states_before(unit, pending);
  std::vector<LaidEdits> laid;
  for (Entrant* entrant : pending) laid.push_back(edit(*entrant, unit, before));
  const auto results = measure(unit, pending, std::move(laid));
  for (std::size_t p = 0; p < pending.size(); ++p) {
    pending[p]->folder.append(results[p]);
    pending[p]->folder.save_seconds(pending[p]->seconds);
  }
}

// Throws Error(kFormat), naming its file, for a step of another run.
void Run::require_own(const RunFolder::Step& step, const RecordRange& unit) const {
  const auto records =
      static_cast<std::int64_t>(outcomes_from(step.outcomes, step.source + ": metadata outcomes").size());
  if (records != unit.end - unit.begin)
    throw Error(ErrorKind::kFormat, fmt::format("{}: a step of {} records, where this run has {}: it is of "
                                                "another run; remove the file to do the step again",
                                                step.source, records, unit.end - unit.begin));
  for (const WeightChange& change : step.changes)
    require_fit(change, model_.config(), step.source, ErrorKind::kFormat);
}

void Run::run_in_sequence() {
  std::vector<std::vector<RunFolder::Step>> saved;
  std::vector<Entrant*> pending;
  for (Entrant& entrant : entrants_) {
    entrant.done = entrant.folder.take_up({static_cast<std::int64_t>(setup_.records.size())});
    entrant.take_up_points();
    if (entrant.done > 0) continue;
    pending.push_back(&entrant);
    // The facts that are carried are not among the files: such a run begins again.
    saved.push_back(entrant.carries() ? std::vector<RunFolder::Step>() : entrant.folder.steps());
    for (std::size_t u = 0; u < std::min(saved.back().size(), units_.size()); ++u)
      require_own(saved.back()[u], units_[u]);
  }
  if (pending.empty()) return;
  for (std::size_t u = 0; u < units_.size(); ++u) {
    std::vector<Entrant*> to_edit;
    for (std::size_t p = 0; p < pending.size(); ++p) {
      if (u < saved[p].size())
        pending[p]->lay(saved[p][u]);
      else
        to_edit.push_back(pending[p]);
    }
    if (!to_edit.empty()) {
      const std::vector<EditedRecord> before = states_before(units_[u], to_edit);
      for (Entrant* entrant : to_edit) step(*entrant, u, before);
    }
    done_ = units_[u].end;
    progress_.update(done_, "");
    const SequencePoint point = point_after(u);
    if (point.retention || point.curve) measure_so_far(pending, point, u + 1 == units_.size());
  }
}

// Edits the model as it is after the steps before.
void Run::step(Entrant& entrant, std::size_t u, const std::vector<EditedRecord>& before) {
  LaidEdits laid;
  {
    const ScopedEdit so_far(model_, entrant.applied);
    laid = edit(entrant, units_[u], before);
  }
  if (entrant.carries()) {
    entrant.applied = entrant.carried.changes;
    entrant.edited.insert(entrant.edited.end(), laid.states.begin(), laid.states.end());
    entrant.folder.save_seconds(entrant.seconds);
    return;
  }
  RunFolder::Step step;
  for (auto& changes : laid.edits)
    for (WeightChange& change : changes) step.changes.push_back(std::move(change));
  step.outcomes = outcomes_json(laid.states).dump();
  entrant.folder.save_step(u, step);
  entrant.folder.save_seconds(entrant.seconds);
  entrant.lay(step);
}

// What is measured after unit u. Where the points of the curve were named, retention has the same ones.
SequencePoint Run::point_after(std::size_t u) const {
  const bool last = u + 1 == units_.size();
  const bool tenth = (u + 1) * kRetentionPoints / units_.size() != u * kRetentionPoints / units_.size();
  const bool on_curve = curve_ends_.contains(units_[u].end);
  const bool named = setup_.curve && !setup_.curve->empty();
  return {units_[u].end, (named ? on_curve : tenth) || last, on_curve};
}

void Run::measure_so_far(const std::vector<Entrant*>& pending, const SequencePoint& point, bool last) {
  const std::int64_t end = point.edits;
  const bool all_known = std::all_of(pending.begin(), pending.end(),
                                     [&](const Entrant* entrant) { return entrant->knows(point); });
  if (all_known && !last) return;
  std::vector<LaidEdits> laid;
  for (const Entrant* entrant : pending)
    laid.push_back(
        {{entrant->applied}, std::vector<std::int64_t>(static_cast<std::size_t>(end), 0), entrant->edited});
  const auto results = measure({0, end}, pending, std::move(laid));
  for (std::size_t p = 0; p < pending.size(); ++p) {
    Entrant& entrant = *pending[p];
    entrant.keep_point(point, results[p]);
    entrant.folder.save_seconds(entrant.seconds);
    if (last) entrant.folder.append(results[p]);
  }
}

}  // namespace

void require_shardable(const EvalMode& mode, const Shard& shard) {
  if (mode.kind == EvalMode::Kind::kSequential && shard.count > 1)
    throw Error(ErrorKind::kUsage,
                "the option shard does not go with sequential mode: every step builds on the one before");
}

std::int64_t count_units(const EvalSetup& setup) {
  return static_cast<std::int64_t>(all_units(setup).size());
}

std::vector<EvalSummary> run_eval(Model& model, const EvalSetup& setup,
                                  const std::vector<Contender>& contenders, Progress& progress) {
  require_shardable(setup.mode, setup.shard);
  return Run(model, setup, contenders, progress).run();
}

}  // namespace emend
