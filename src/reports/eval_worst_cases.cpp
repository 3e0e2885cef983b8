#include "reports/eval_worst_cases.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "emend/judge.h"

namespace emend {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// At a neighbour its own answer is wanted, elsewhere the target.
AnswerVerdict verdict_of(const RecordResult& record, const AnswerTrace& trace, const AnswerState& state) {
  if (trace.role == "neighbour")
    return judge({trace.answer, record.target, state.p_answer, state.p_target, state.argmax});
  return judge({record.target, trace.answer, state.p_target, state.p_answer, state.argmax});
}

bool failed_edit(const RecordResult& record, const AnswerTrace& trace) {
  return trace.role == "prompt" && !verdict_of(record, trace, trace.after).holds();
}

bool not_generated(const RecordResult&, const AnswerTrace& trace) {
  return trace.role == "prompt" && trace.after.argmax && !trace.after.generated;
}

bool failed_paraphrase(const RecordResult& record, const AnswerTrace& trace) {
  return trace.role == "paraphrase" && !verdict_of(record, trace, trace.after).is_preferred();
}

bool flipped_neighbour(const RecordResult& record, const AnswerTrace& trace) {
  if (trace.role != "neighbour") return false;
  const AnswerVerdict before = verdict_of(record, trace, trace.before);
  return before.opposed && before.likelier && !verdict_of(record, trace, trace.after).likelier;
}

struct Kind {
  const char* title;
  const char* meaning;
  bool (*belongs)(const RecordResult& record, const AnswerTrace& trace);
};

constexpr Kind kKinds[] = {
    {"Edits that failed",
     "No update was found, or after it the target is not likelier than the present answer, or not the greedy "
     "continuation of the prompt.",
     failed_edit},
    {"Edits that hold under teacher forcing only",
     "The target is the greedy continuation token by token, yet free text does not begin with it.",
     not_generated},
    {"Paraphrases that failed",
     "In another wording the target is not likelier than the present answer, or, where there is none, not "
     "the "
     "greedy continuation.",
     failed_paraphrase},
    {"Neighbours flipped",
     "The neighbour's own answer beat the target before the edit and does not after it.", flipped_neighbour},
};

double margin_of(const RecordResult& record, const AnswerTrace& trace) {
  if (!are_opposed(record.target, trace.answer)) return trace.after.p_target;
  const double margin = trace.after.p_target - trace.after.p_answer;
  return trace.role == "neighbour" ? -margin : margin;
}

// What was not measured is worst.
bool worse(const WorstCase& a, const WorstCase& b) {
  const double infinity = std::numeric_limits<double>::infinity();
  return (std::isnan(a.margin) ? -infinity : a.margin) < (std::isnan(b.margin) ? -infinity : b.margin);
}

WorstCases cases_of(const Kind& kind, const std::vector<RecordResult>& records) {
  WorstCases found{kind.title, kind.meaning, {}};
  for (const RecordResult& record : records) {
    if (!is_evaluated(record.status)) continue;
    if (record.status == RecordStatus::kFailed && kind.belongs == failed_edit) {
      found.cases.push_back({&record, nullptr, kNaN});
      continue;
    }
    if (record.status == RecordStatus::kFailed) continue;  // shown once
    for (const AnswerTrace& trace : record.answers)
      if (kind.belongs(record, trace)) found.cases.push_back({&record, &trace, margin_of(record, trace)});
  }
  std::stable_sort(found.cases.begin(), found.cases.end(), worse);
  return found;
}

}  // namespace

std::vector<WorstCases> find_worst_cases(const std::vector<RecordResult>& records) {
  std::vector<WorstCases> all;
  for (const Kind& kind : kKinds) all.push_back(cases_of(kind, records));
  return all;
}

}  // namespace emend
