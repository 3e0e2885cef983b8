// Records measured: the questions of all metrics, answered by the base and by each contender's edited models.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "analysis/prompt_rows.h"
#include "emend/eval.h"
#include "eval/record_edits.h"
#include "eval/run.h"
#include "measure/answer_engine.h"
#include "measure/drift.h"

namespace emend {

// Consecutive records [begin, end) of EvalSetup::records.
struct RecordRange {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
};
// [begin, end) in ranges of `size`, the last one perhaps smaller.
std::vector<RecordRange> cut(RecordRange whole, std::int64_t size);

// How many records are measured together, and how many of them are searched together in single mode: what
// they have in common is computed once, and a search needs room for the rows of all its records. The numbers
// are fixed, since batches decide how sums are rounded.
inline constexpr std::int64_t kTogether = 32;
inline constexpr std::int64_t kSearchedTogether = 16;

// What a contender made of a range of records.
struct LaidEdits {
  std::vector<std::vector<WeightChange>> edits;
  std::vector<std::int64_t> edit_of_record;  // under which edit each record is measured; -1: none
  std::vector<EditedRecord> states;          // what became of each record
  // What each edit puts in front of every prompt (eval/told_facts.h); none at all: it changes weights.
  Fronts fronts = {};
};

class Measure {
 public:
  // `metrics` ask in the form `form`. Blocks below `first_block` are never edited. `seed`: of the free texts.
  // Model, setup and metrics must outlive this.
  Measure(const Model& model, const EvalSetup& setup, const std::vector<std::unique_ptr<Metric>>& metrics,
          const RowForm& form, int first_block, std::uint64_t seed)
      : model_(model),
        setup_(setup),
        metrics_(metrics),
        form_(form),
        first_block_(first_block),
        seed_(seed) {}

  // Which records are to be edited (kEdited), by the base's answers to their prompts; the others are already
  // true or skipped.
  std::vector<EditedRecord> before(RecordRange range) const;

  // Tokens that a text in front of a prompt may take, so that the longest question of all records still has
  // room in the model's positions with its answer; below 1: none.
  std::int64_t room_in_front() const;

  // Results of the range's records for each of `laid`. The base is asked once for all of them; the model must
  // be the base. `step` is called before every kTogether records, and may throw to stop.
  std::vector<std::vector<RecordResult>> measure(RecordRange range, const std::vector<LaidEdits>& laid,
                                                 const std::function<void()>& step);

  // Adds the drift of each edit to the first of its records. Drift is measured on text, whatever the form.
  void add_drift(const LaidEdits& laid, std::vector<RecordResult>& results);

 private:
  AnswerOptions answer_options(std::int64_t records) const;
  std::vector<Questions> questions(RecordRange part, RecordRange range,
                                   const std::vector<LaidEdits>& laid) const;
  // The answers of the base, then those under each of `laid`.
  std::vector<std::vector<Answers>> answers(RecordRange part, RecordRange range,
                                            const std::vector<Questions>& questions,
                                            const std::vector<LaidEdits>& laid) const;
  std::vector<std::vector<Answers>> ask(RecordRange part, const std::vector<Questions>& questions,
                                        const Fronts& fronts, const std::vector<EditedModels>& models) const;
  // Adds the texts to their end, if any are asked for.
  void ask_to_end(RecordRange part, const std::vector<Questions>& questions, const Fronts& fronts,
                  const std::vector<EditedModels>& models, std::vector<std::vector<Answers>>& answers) const;
  // Adds the sampled texts, if any are asked for.
  void ask_sampled(RecordRange part, const std::vector<Questions>& questions, const Fronts& fronts,
                   const std::vector<EditedModels>& models, std::vector<std::vector<Answers>>& answers) const;
  RecordResult result(std::int64_t i, const EditedRecord& state, const Answers& base,
                      const Answers& now) const;
  const EvalRecord& record(std::int64_t i) const { return setup_.records[static_cast<std::size_t>(i)]; }

  const Model& model_;
  const EvalSetup& setup_;
  const std::vector<std::unique_ptr<Metric>>& metrics_;
  RowForm form_;
  int first_block_;
  std::uint64_t seed_;
  std::optional<DriftProbe> drift_;
};

}  // namespace emend
