#include "eval/run.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <set>

#include "base/atomic_file.h"
#include "base/strings.h"
#include "emend/error.h"
#include "eval/answer_engine.h"
#include "eval/drift.h"
#include "eval/record_edits.h"
#include "eval/results/interval.h"
#include "eval/results/results_file.h"
#include "eval/run_folder.h"
#include "eval/shards.h"
#include "eval/traces.h"

namespace emend {

namespace {

// Records that are measured together, and in single mode searched together. Fixed: batches decide how sums are rounded.
constexpr std::int64_t kTogether = 16;
// Sequential mode is measured at so many points along the way, the end included.
constexpr std::size_t kRetentionPoints = 10;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point began) { return std::chrono::duration<double>(Clock::now() - began).count(); }

// Editors speak of their own stages; here they are part of one, and what they say becomes its remark.
class InnerProgress : public Progress {
 public:
  InnerProgress(Progress& outer, std::int64_t done, std::string label) : outer_(outer), done_(done), label_(std::move(label)) {}
  void begin(std::string_view, std::int64_t, std::string_view) override { outer_.update(done_, label_); }
  void update(std::int64_t, std::string_view) override { outer_.update(done_, label_); }
  void end() override {}

 private:
  Progress& outer_;
  std::int64_t done_;
  std::string label_;
};

// Consecutive records [begin, end) that are one step of the run.
struct Unit {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
};

std::vector<Unit> cut(std::int64_t begin, std::int64_t end, std::int64_t size) {
  std::vector<Unit> units;
  for (; begin < end; begin += size) units.push_back({begin, std::min(begin + size, end)});
  return units;
}

// One contender's part of the run.
struct Entrant {
  Entrant(const Contender& its, RunFolder files) : contender(&its), folder(std::move(files)) {}

  const Contender* contender;
  RunFolder folder;
  std::size_t done = 0;  // units
  double search_seconds = 0, evaluation_seconds = 0;
  // Sequential mode: all changes so far, and what became of each record.
  std::vector<WeightChange> applied;
  std::vector<EditedRecord> edited;
  std::vector<EvalSummary::RetentionPoint> retention;
};

class Run {
 public:
  Run(Model& model, const EvalSetup& setup, const std::vector<Contender>& contenders, Progress& progress)
      : model_(model), setup_(setup), progress_(progress), form_{contenders.front().context.prefix, contenders.front().context.form},
        first_block_(first_block(contenders)) {
    for (const Contender& contender : contenders) RunFolder::check(contender.folder, settings(contender), setup.resume);
    for (const Contender& contender : contenders)
      entrants_.emplace_back(contender, RunFolder(contender.folder, settings(contender), setup.resume));
    const auto total = static_cast<std::int64_t>(setup.records.size());
    const std::vector<Unit> all = cut(0, total, setup.mode.kind == EvalMode::Kind::kSingle ? kTogether : setup.mode.size);
    for (std::size_t u = static_cast<std::size_t>(setup.shard.index); u < all.size(); u += static_cast<std::size_t>(setup.shard.count))
      units_.push_back(all[u]);
  }

  std::vector<EvalSummary> run() {
    progress_.begin("evaluating", static_cast<std::int64_t>(setup_.records.size()) / setup_.shard.count, "records");
    if (setup_.mode.kind == EvalMode::Kind::kSequential)
      run_in_sequence();
    else
      run_units();
    progress_.end();
    std::vector<EvalSummary> summaries;
    for (Entrant& entrant : entrants_) summaries.push_back(finish(entrant));
    return summaries;
  }

 private:
  static int first_block(const std::vector<Contender>& contenders) {
    int first = contenders.front().context.layer;
    for (const Contender& contender : contenders) first = std::min(first, contender.context.layer);
    return first;
  }

  // All that the results depend on.
  nlohmann::ordered_json settings(const Contender& contender) const {
    nlohmann::ordered_json json = summary_to_json(contender.header);
    for (const char* key : {"records", "skipped", "seconds", "base", "metrics", "retention", "notes"}) json.erase(key);
    json["model"].erase("path");  // a moved file is the same file: fingerprints tell
    json["data"].erase("path");
    json["layer"] = contender.context.layer;
    json["first_record"] = setup_.first_record;
    json["record_count"] = setup_.records.size();
    json["known_only"] = setup_.known_only;
    json["extra_tokens"] = setup_.extra_tokens;
    json["text_tokens"] = setup_.text_tokens;
    json["drift_tokens"] = drift_tokens();
    json["shard"] = std::to_string(setup_.shard.index) + "/" + std::to_string(setup_.shard.count);
    return json;
  }

  std::int64_t drift_tokens() const {
    std::int64_t tokens = 0;
    for (const auto& row : setup_.drift_rows) tokens += static_cast<std::int64_t>(row.size());
    return tokens;
  }

  const EvalRecord& record(std::int64_t i) const { return setup_.records[static_cast<std::size_t>(i)]; }

  // --- single and batch ---------------------------------------------------------------------------------------------------

  void run_units() {
    std::vector<std::int64_t> sizes;
    for (const Unit& unit : units_) sizes.push_back(unit.size());
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

  void run_unit(const Unit& unit, const std::vector<Entrant*>& pending) {
    const auto began = Clock::now();
    const std::vector<EditedRecord> before = base_states(unit);
    for (Entrant* entrant : pending) entrant->evaluation_seconds += seconds_since(began) / static_cast<double>(pending.size());
    std::vector<Laid> laid;
    for (Entrant* entrant : pending) laid.push_back(edit(*entrant, unit, before));
    std::vector<std::vector<RecordResult>> results = measure(unit, pending, laid);
    for (std::size_t p = 0; p < pending.size(); ++p) pending[p]->folder.append(results[p]);
  }

  // Edits as overlays, and which of them each record of the unit meets.
  struct Laid {
    std::vector<std::vector<WeightChange>> edits;
    std::vector<std::int64_t> edit_of_record;
    std::vector<EditedRecord> states;
  };

  // Which records there is something to edit in: asked of the base, one prompt a record.
  std::vector<EditedRecord> base_states(const Unit& unit) {
    std::vector<EditedRecord> states(static_cast<std::size_t>(unit.size()));
    std::vector<Questions> questions(states.size());
    for (std::int64_t i = unit.begin; i < unit.end; ++i) {
      const EditRequest& request = record(i).request;
      Questions& asked = questions[static_cast<std::size_t>(i - unit.begin)];
      asked.score(request.prompt, request.target);
      if (!request.was.empty()) asked.score(request.prompt, request.was);
    }
    AnswerEngine engine(model_, question_sheet(model_.tokenizer(), questions, form_, 0), engine_options(unit.size()));
    const std::vector<Answers> answers = engine.answer_base();
    for (std::int64_t i = unit.begin; i < unit.end; ++i) {
      const EditRequest& request = record(i).request;
      const auto at = static_cast<std::size_t>(i - unit.begin);
      const auto& scores = answers[at].scores;
      if (setup_.skip_true && scores.at({request.prompt, request.target}).argmax())
        states[at].status = kAlreadyTrue;
      else if (setup_.known_only && (request.was.empty() || !scores.at({request.prompt, request.was}).argmax()))
        states[at] = {kSkipped, kNotKnown};
    }
    return states;
  }

  std::vector<EditRequest> requests(const Unit& unit, const std::vector<EditedRecord>& states) const {
    std::vector<EditRequest> wanted;
    for (std::int64_t i = unit.begin; i < unit.end; ++i)
      if (states[static_cast<std::size_t>(i - unit.begin)].status == "edited") wanted.push_back(record(i).request);
    return wanted;
  }

  Laid edit(Entrant& entrant, const Unit& unit, const std::vector<EditedRecord>& before) {
    Laid laid{{}, std::vector<std::int64_t>(before.size(), -1), before};
    const std::vector<EditRequest> wanted = requests(unit, before);
    if (wanted.empty()) return laid;
    const auto began = Clock::now();
    EditorContext context = entrant.contender->context;
    context.keep_going = true;
    InnerProgress inner(progress_, done_, entrant.contender->header.label + ": searching");
    std::vector<Edit> edits;
    if (setup_.mode.kind == EvalMode::Kind::kSingle)
      edits = edit_alone(*entrant.contender->editor, model_, wanted, context, inner);
    else
      edits = {edit_together(*entrant.contender->editor, model_, wanted, context, inner)};
    entrant.search_seconds += seconds_since(began);
    std::size_t next = 0;
    for (std::size_t r = 0; r < before.size(); ++r) {
      if (before[r].status != "edited") continue;
      const bool single = setup_.mode.kind == EvalMode::Kind::kSingle;
      const std::size_t e = single ? next : 0;
      note_outcome(edits[e], wanted[next], laid.states[r]);
      laid.edit_of_record[r] = static_cast<std::int64_t>(e);
      ++next;
    }
    for (Edit& edit : edits) laid.edits.push_back(std::move(edit.changes));
    return laid;
  }

  // --- measuring ----------------------------------------------------------------------------------------------------------

  AnswerEngine::Options engine_options(std::int64_t records) const {
    AnswerEngine::Options options;
    options.first_edited_block = first_block_;
    options.token_budget = setup_.token_budget;
    options.records = records;
    return options;
  }

  // Results of the unit's records for each entrant; the base answers once for all of them.
  std::vector<std::vector<RecordResult>> measure(const Unit& unit, const std::vector<Entrant*>& entrants,
                                                 const std::vector<Laid>& laid) {
    std::vector<std::vector<RecordResult>> results(entrants.size());
    for (const Unit& part : cut(unit.begin, unit.end, kTogether)) {
      auto began = Clock::now();
      std::vector<Questions> questions(static_cast<std::size_t>(part.size()));
      for (std::int64_t i = part.begin; i < part.end; ++i)
        if (anyone_edits(laid, static_cast<std::size_t>(i - unit.begin)))
          for (const auto& metric : setup_.metrics) metric->ask(record(i), questions[static_cast<std::size_t>(i - part.begin)]);
      const Tokenizer& tokenizer = model_.tokenizer();
      AnswerEngine asked(model_, question_sheet(tokenizer, questions, form_, setup_.extra_tokens), engine_options(part.size()));
      AnswerEngine::Options sampling = engine_options(part.size());
      sampling.draw = {1.0, 5, entrants_.front().contender->header.seed};  // top 5 at temperature 1 (Meng et al. 2022)
      AnswerEngine written(model_,
                           writing_sheet(tokenizer, questions, form_, setup_.text_tokens,
                                         static_cast<std::uint64_t>(setup_.first_record + part.begin)),
                           sampling);
      const std::vector<Answers> base = with_texts(asked.answer_base(), written.answer_base());
      double shared_seconds = seconds_since(began) / static_cast<double>(entrants.size());
      for (std::size_t e = 0; e < entrants.size(); ++e) {
        progress_.update(done_, entrants[e]->contender->header.label + ": measuring");
        began = Clock::now();
        const auto first = laid[e].edit_of_record.begin() + (part.begin - unit.begin);
        const std::vector<std::int64_t> edit_of_record(first, first + part.size());
        const std::vector<Answers> now =
            with_texts(asked.answer(laid[e].edits, edit_of_record), written.answer(laid[e].edits, edit_of_record));
        for (std::int64_t i = part.begin; i < part.end; ++i) {
          const auto at = static_cast<std::size_t>(i - part.begin), in_unit = static_cast<std::size_t>(i - unit.begin);
          results[e].push_back(result(i, laid[e].states[in_unit], base[at], now[at]));
        }
        entrants[e]->evaluation_seconds += seconds_since(began) + shared_seconds;
      }
    }
    for (std::size_t e = 0; e < entrants.size(); ++e) measure_drift(*entrants[e], laid[e], results[e]);
    return results;
  }

  static bool anyone_edits(const std::vector<Laid>& laid, std::size_t record) {
    return std::any_of(laid.begin(), laid.end(), [&](const Laid& one) { return is_evaluated(one.states[record]); });
  }

  static std::vector<Answers> with_texts(std::vector<Answers> answers, const std::vector<Answers>& written) {
    for (std::size_t i = 0; i < answers.size(); ++i) answers[i].texts = written[i].texts;
    return answers;
  }

  RecordResult result(std::int64_t i, const EditedRecord& state, const Answers& base, const Answers& now) const {
    const EditRequest& request = record(i).request;
    RecordResult result;
    result.index = setup_.first_record + i;
    result.id = request.id;
    result.prompt = request.prompt;
    result.subject = request.subject;
    result.target = request.target;
    result.was = request.was;
    result.status = state.status;
    result.reason = state.reason;
    result.layer = state.layer;
    result.steps = state.steps;
    result.loss = state.loss;
    result.relative_norm = state.relative_norm;
    if (!is_evaluated(state)) return result;
    for (const auto& metric : setup_.metrics) {
      metric->judge({record(i), base, base}, result.base);
      metric->judge({record(i), base, now}, result.metrics);
    }
    result.answers = answer_traces(record(i), base, now);
    return result;
  }

  void measure_drift(Entrant& entrant, const Laid& laid, std::vector<RecordResult>& results) {
    if (setup_.drift_rows.empty()) return;
    const auto began = Clock::now();
    if (!drift_) drift_.emplace(model_, setup_.drift_rows, first_block_, setup_.token_budget);
    std::vector<std::optional<Drift>> of_edit(laid.edits.size());
    for (std::size_t r = 0; r < results.size(); ++r) {
      const std::int64_t edit = laid.edit_of_record[r];
      if (edit < 0 || !is_evaluated(laid.states[r])) continue;
      auto& drift = of_edit[static_cast<std::size_t>(edit)];
      if (!drift) drift = drift_->measure(laid.edits[static_cast<std::size_t>(edit)]);
      results[r].metrics["drift_kl"] = drift->kl;
      results[r].metrics["drift_perplexity"] = drift->perplexity;
      results[r].base["drift_kl"] = 0;
      results[r].base["drift_perplexity"] = 1;
    }
    entrant.evaluation_seconds += seconds_since(began);
  }

  // --- sequential ---------------------------------------------------------------------------------------------------------

  void run_in_sequence() {
    std::vector<std::vector<RunFolder::Step>> saved;
    std::vector<Entrant*> pending;
    for (Entrant& entrant : entrants_) {
      entrant.done = entrant.folder.take_up({static_cast<std::int64_t>(setup_.records.size())});
      entrant.retention = entrant.folder.retention();
      if (entrant.done > 0) continue;
      pending.push_back(&entrant);
      saved.push_back(entrant.folder.steps());
    }
    if (pending.empty()) return;
    for (std::size_t u = 0; u < units_.size(); ++u) {
      const std::vector<EditedRecord> before = base_states(units_[u]);
      for (std::size_t p = 0; p < pending.size(); ++p) {
        if (u < saved[p].size())
          lay(*pending[p], saved[p][u]);
        else
          step(*pending[p], u, before);
      }
      done_ = units_[u].end;
      progress_.update(done_, "");
      const bool last = u + 1 == units_.size();
      const bool point = (u + 1) * kRetentionPoints / units_.size() != u * kRetentionPoints / units_.size();
      if (point || last) measure_so_far(pending, units_[u].end, last);
    }
  }

  // Edits the model as it is after the steps before.
  void step(Entrant& entrant, std::size_t u, const std::vector<EditedRecord>& before) {
    Laid laid;
    {
      const ScopedEdit so_far(model_, entrant.applied);
      laid = edit(entrant, units_[u], before);
    }
    RunFolder::Step step;
    for (auto& changes : laid.edits)
      for (WeightChange& change : changes) step.changes.push_back(std::move(change));
    step.outcomes = outcomes_json(laid.states).dump();
    entrant.folder.save_step(u, step);
    lay(entrant, step);
  }

  static void lay(Entrant& entrant, const RunFolder::Step& step) {
    entrant.applied.insert(entrant.applied.end(), step.changes.begin(), step.changes.end());
    for (EditedRecord& state : outcomes_from(nlohmann::json::parse(step.outcomes))) entrant.edited.push_back(std::move(state));
  }

  void measure_so_far(const std::vector<Entrant*>& pending, std::int64_t end, bool last) {
    const Unit so_far{0, end};
    std::vector<Laid> laid;
    for (const Entrant* entrant : pending)
      laid.push_back({{entrant->applied}, std::vector<std::int64_t>(static_cast<std::size_t>(end), 0), entrant->edited});
    const auto known = [&](const Entrant& entrant) {
      return std::any_of(entrant.retention.begin(), entrant.retention.end(), [&](const auto& point) { return point.edits == end; });
    };
    if (!last && std::all_of(pending.begin(), pending.end(), [&](const Entrant* entrant) { return known(*entrant); })) return;
    const auto results = measure(so_far, pending, laid);
    for (std::size_t p = 0; p < pending.size(); ++p) {
      if (!known(*pending[p])) pending[p]->retention.push_back({end, summarize_records(results[p], Moment::kAfter)});
      pending[p]->folder.save_retention(pending[p]->retention);
      if (last) pending[p]->folder.append(results[p]);
    }
  }

  // --- the end ------------------------------------------------------------------------------------------------------------

  EvalSummary finish(const Entrant& entrant) const {
    EvalSummary summary = entrant.contender->header;
    const std::vector<RecordResult>& records = entrant.folder.records();
    fill_figures(summary, records);
    summary.retention = entrant.retention;
    summary.seconds = seconds(entrant);
    if (records.empty()) write_file_atomically(entrant.folder.path() / kRecordsFile, "");  // a part may have none
    if (summary.records == 0) summary.notes.push_back("No record was evaluated: all were left out.");
    if (setup_.drift_rows.empty())
      summary.notes.push_back("Drift was not measured: no text was given, and the statistics hold none back.");
    write_summary(entrant.folder.path(), summary);
    return summary;
  }

  // Of this process; a finished run that is only looked at again keeps those it was made in.
  std::map<std::string, double> seconds(const Entrant& entrant) const {
    const std::filesystem::path before = entrant.folder.path() / kSummaryFile;
    if (entrant.search_seconds + entrant.evaluation_seconds == 0 && std::filesystem::exists(before))
      return read_summary(before).seconds;
    std::map<std::string, double> seconds = entrant.contender->header.seconds;
    seconds["search"] = entrant.search_seconds;
    seconds["evaluation"] = entrant.evaluation_seconds;
    double total = 0;
    for (const auto& [part, time] : seconds) total += time;
    seconds["total"] = total;
    return seconds;
  }

  Model& model_;
  const EvalSetup& setup_;
  Progress& progress_;
  RowForm form_;
  int first_block_;
  std::vector<Unit> units_;
  std::vector<Entrant> entrants_;
  std::optional<DriftProbe> drift_;
  std::int64_t done_ = 0;  // records
};

}  // namespace

std::string EvalMode::text() const {
  switch (kind) {
    case Kind::kSingle: return "single";
    case Kind::kBatch: return "batch:" + std::to_string(size);
    case Kind::kSequential: return "sequential:" + std::to_string(size);
  }
  return "";
}

EvalMode parse_eval_mode(const std::string& text) {
  if (text == "single") return {};
  const std::size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  if (colon != std::string::npos && (name == "batch" || name == "sequential")) {
    EvalMode mode{name == "batch" ? EvalMode::Kind::kBatch : EvalMode::Kind::kSequential, 0};
    const auto [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), mode.size);
    if (error == std::errc() && end == text.data() + text.size() && mode.size >= 1) return mode;
  }
  throw Error(ErrorKind::kUsage, "--mode must be single, batch:N or sequential:N with N from 1, found " + quote(text));
}

void require_shardable(const EvalSetup& setup) {
  if (setup.mode.kind == EvalMode::Kind::kSequential && setup.shard.count > 1)
    throw Error(ErrorKind::kUsage, "--shard does not go with --mode sequential: every step builds on the one before");
}

std::vector<EvalSummary> run_eval(Model& model, const EvalSetup& setup, const std::vector<Contender>& contenders,
                                  Progress& progress) {
  require_shardable(setup);
  return Run(model, setup, contenders, progress).run();
}

}  // namespace emend
