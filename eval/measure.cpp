#include "eval/measure.h"

#include <algorithm>
#include <cmath>

#include "eval/metrics/answer_match.h"
#include "text/end_tokens.h"

namespace emend {

namespace {

std::size_t index_in(RecordRange range, std::int64_t record) {
  return static_cast<std::size_t>(record - range.begin);
}

bool anyone_edits(const std::vector<LaidEdits>& laid, std::size_t record) {
  return std::any_of(laid.begin(), laid.end(),
                     [&](const LaidEdits& one) { return is_evaluated(one.states[record].status); });
}

// What was answered to one prompt. `wanted` is the text that the edited model should give: the target, or the
// answer.
AnswerState answer_state(const Answers& answers, const std::string& prompt, const std::string& target,
                         const std::string& answer, const std::string& wanted) {
  AnswerState state;
  const auto score_of = [&](const std::string& text) {
    const auto found = answers.scores.find({prompt, text});
    return found == answers.scores.end() ? nullptr : &found->second;
  };
  const AnswerScore* of_target = score_of(target);
  const AnswerScore* of_answer = answer.empty() ? nullptr : score_of(answer);
  state.p_target = of_target ? of_target->probability() : 0.0;
  state.p_answer = of_answer ? of_answer->probability() : 0.0;
  if (of_target && of_answer) {
    const Likelihoods logs = likelihoods(*of_target, *of_answer);
    state.p_target = std::exp(logs.wanted);
    state.p_answer = std::exp(logs.other);
  }
  const auto score = answers.scores.find({prompt, wanted});
  state.argmax = score != answers.scores.end() && score->second.argmax();
  const auto text = answers.completions.find(prompt);
  if (text != answers.completions.end()) {
    state.text = text->second;
    state.generated = begins_with_answer(text->second, wanted);
  }
  return state;
}

// Texts that the models were to end themselves, raw: an end shows as its token.
void add_to_end(const EvalRecord& record, const Answers& base, const Answers& now,
                std::vector<AnswerTrace>& traces) {
  const EditRequest& request = record.request;
  const auto add = [&](const std::string& role, const std::string& prompt, const std::string& answer,
                       const std::string& wanted) {
    if (base.to_end.count(prompt) == 0) return;
    AnswerTrace trace;
    trace.role = "natural " + role;
    trace.prompt = prompt;
    trace.answer = answer;
    for (const auto& [answers, state] : {std::pair(&base, &trace.before), std::pair(&now, &trace.after)}) {
      const EndedText& text = answers->to_end.at(prompt);
      state->text = text.raw;
      state->generated = is_whole_answer(text, wanted);
    }
    traces.push_back(std::move(trace));
  };
  add("prompt", request.prompt, request.was, request.target);
  for (const std::string& paraphrase : request.paraphrases)
    add("paraphrase", paraphrase, request.was, request.target);
  for (const Neighbour& neighbour : request.neighbours)
    if (are_opposed(neighbour.answer, request.target))
      add("neighbour", neighbour.prompt, neighbour.answer, neighbour.answer);
}

// Every sampled text with whether it begins with the answer.
void add_sampled(const EvalRecord& record, const Answers& base, const Answers& now,
                 std::vector<AnswerTrace>& traces) {
  const EditRequest& request = record.request;
  const auto add = [&](const std::string& role, const std::string& prompt, const std::string& answer,
                       const std::string& wanted) {
    const auto texts = base.samples.find(prompt);
    if (texts == base.samples.end()) return;
    for (std::size_t i = 0; i < texts->second.size(); ++i) {
      AnswerTrace trace;
      trace.role = "sampled " + role;
      trace.prompt = prompt;
      trace.answer = answer;
      for (const auto& [answers, state] : {std::pair(&base, &trace.before), std::pair(&now, &trace.after)}) {
        state->text = answers->samples.at(prompt).at(i);
        state->generated = begins_with_answer(state->text, wanted);
      }
      traces.push_back(std::move(trace));
    }
  };
  add("prompt", request.prompt, request.was, request.target);
  for (const std::string& paraphrase : request.paraphrases)
    add("paraphrase", paraphrase, request.was, request.target);
  for (const Neighbour& neighbour : request.neighbours)
    if (are_opposed(neighbour.answer, request.target))
      add("neighbour", neighbour.prompt, neighbour.answer, neighbour.answer);
}

// Prompts with the answers that were asked for; what no metric asked is left out.
std::vector<AnswerTrace> answer_traces(const EvalRecord& record, const Answers& base, const Answers& now) {
  const EditRequest& request = record.request;
  std::vector<AnswerTrace> traces;
  const auto add = [&](const std::string& role, const std::string& prompt, const std::string& answer,
                       const std::string& wanted) {
    if (base.scores.count({prompt, wanted}) == 0) return;
    traces.push_back({role, prompt, answer, answer_state(base, prompt, request.target, answer, wanted),
                      answer_state(now, prompt, request.target, answer, wanted)});
  };
  add("prompt", request.prompt, request.was, request.target);
  for (const std::string& paraphrase : request.paraphrases)
    add("paraphrase", paraphrase, request.was, request.target);
  for (const Neighbour& neighbour : request.neighbours)
    if (are_opposed(neighbour.answer, request.target))
      add("neighbour", neighbour.prompt, neighbour.answer, neighbour.answer);
  for (const KindQuestion& question : record.locality)
    add("locality " + question.kind, question.prompt, question.answer, question.answer);
  for (const KindQuestion& question : record.portability)
    add("portability " + question.kind, question.prompt, question.answer, question.answer);
  add_to_end(record, base, now, traces);
  add_sampled(record, base, now, traces);
  for (std::size_t i = 0; i < base.texts.size(); ++i) {
    AnswerTrace trace;
    trace.role = "generation";
    trace.prompt = record.generations[i];
    trace.before.text = base.texts[i];
    trace.after.text = now.texts[i];
    traces.push_back(std::move(trace));
  }
  return traces;
}

}  // namespace

std::vector<RecordRange> cut(RecordRange whole, std::int64_t size) {
  std::vector<RecordRange> ranges;
  for (std::int64_t begin = whole.begin; begin < whole.end; begin += size)
    ranges.push_back({begin, std::min(begin + size, whole.end)});
  return ranges;
}

AnswerOptions Measure::answer_options(std::int64_t records) const {
  AnswerOptions options;
  options.first_edited_block = first_block_;
  options.token_budget = setup_.token_budget;
  options.records = records;
  return options;
}

std::vector<EditedRecord> Measure::before(RecordRange range) const {
  std::vector<EditedRecord> states(static_cast<std::size_t>(range.size()));
  std::vector<Questions> questions(states.size());
  for (std::int64_t i = range.begin; i < range.end; ++i) {
    const EditRequest& request = record(i).request;
    Questions& asked = questions[index_in(range, i)];
    asked.score(request.prompt, request.target);
    if (!request.was.empty()) asked.score(request.prompt, request.was);
  }
  const AnswerEngine engine(model_, question_sheet(model_.tokenizer(), questions, form_, 0),
                            answer_options(range.size()));
  const std::vector<Answers> answers = engine.answer({}).front();
  for (std::int64_t i = range.begin; i < range.end; ++i) {
    const EditRequest& request = record(i).request;
    const std::size_t at = index_in(range, i);
    const auto says = [&](const std::string& wanted, const std::string& other) {
      const AnswerVerdict verdict = answers[at].verdict(request.prompt, wanted, other);
      return begin_alike(wanted, other) ? verdict.holds() : verdict.greedy;
    };
    if (setup_.skip_true && says(request.target, request.was))
      states[at].status = RecordStatus::kAlreadyTrue;
    else if (setup_.known_only && (request.was.empty() || !says(request.was, request.target)))
      states[at] = {RecordStatus::kSkipped, kNotKnown};
  }
  return states;
}

// What all metrics want to know of the records of `part` that somebody edits.
std::vector<Questions> Measure::questions(RecordRange part, RecordRange range,
                                          const std::vector<LaidEdits>& laid) const {
  std::vector<Questions> questions(static_cast<std::size_t>(part.size()));
  for (std::int64_t i = part.begin; i < part.end; ++i)
    if (anyone_edits(laid, index_in(range, i)))
      for (const auto& metric : metrics_) metric->ask(record(i), questions[index_in(part, i)]);
  return questions;
}

// Edited weights answer the base's rows, in its batches; what stands in front of a prompt makes other rows.
std::vector<std::vector<Answers>> Measure::answers(RecordRange part, RecordRange range,
                                                   const std::vector<Questions>& questions,
                                                   const std::vector<LaidEdits>& laid) const {
  std::vector<EditedModels> models;
  std::vector<Fronts> fronts(laid.size());
  for (std::size_t m = 0; m < laid.size(); ++m) {
    const LaidEdits& one = laid[m];
    const auto first = one.edit_of_record.begin() + (part.begin - range.begin);
    if (one.fronts.empty()) {
      models.push_back({&one.edits, {first, first + part.size()}});
      continue;
    }
    for (auto edit = first; edit != first + part.size(); ++edit)
      fronts[m].push_back(*edit < 0 ? "" : one.fronts.at(static_cast<std::size_t>(*edit)));
  }
  std::vector<std::vector<Answers>> by_weights = ask(part, questions, {}, models), all;
  std::size_t next = 0;
  all.push_back(std::move(by_weights[next++]));
  for (const Fronts& told : fronts)
    all.push_back(told.empty() ? std::move(by_weights[next++])
                               : std::move(ask(part, questions, told, {}).front()));
  return all;
}

// Scores, greedy completions and sampled texts: [0] of the base, [1 + i] of models[i].
std::vector<std::vector<Answers>> Measure::ask(RecordRange part, const std::vector<Questions>& questions,
                                               const Fronts& fronts,
                                               const std::vector<EditedModels>& models) const {
  const Tokenizer& tokenizer = model_.tokenizer();
  const AnswerEngine asked(model_, question_sheet(tokenizer, questions, form_, setup_.extra_tokens, fronts),
                           answer_options(part.size()));
  AnswerOptions sampling = answer_options(part.size());
  sampling.draw = {1.0, 5, seed_};  // top 5 at temperature 1 (Meng et al. 2022)
  const auto first = static_cast<std::uint64_t>(setup_.first_record + part.begin);
  const AnswerEngine written(
      model_, writing_sheet(tokenizer, questions, form_, setup_.text_tokens, first, fronts), sampling);
  auto answers = asked.answer(models);
  auto texts = written.answer(models);
  ask_to_end(part, questions, fronts, models, answers);
  ask_sampled(part, questions, fronts, models, answers);
  for (std::size_t m = 0; m < answers.size(); ++m)
    for (std::size_t r = 0; r < answers[m].size(); ++r) answers[m][r].texts = std::move(texts[m][r].texts);
  return answers;
}

void Measure::ask_to_end(RecordRange part, const std::vector<Questions>& questions, const Fronts& fronts,
                         const std::vector<EditedModels>& models,
                         std::vector<std::vector<Answers>>& answers) const {
  if (setup_.natural_tokens == 0) return;
  AnswerOptions options = answer_options(part.size());
  options.ends = end_tokens(model_.tokenizer());
  const AnswerEngine engine(model_,
                            ending_sheet(model_.tokenizer(), questions, form_, setup_.natural_tokens,
                                         model_.config().max_positions, fronts),
                            options);
  auto ended = engine.answer(models);
  for (std::size_t m = 0; m < answers.size(); ++m)
    for (std::size_t r = 0; r < answers[m].size(); ++r) answers[m][r].to_end = std::move(ended[m][r].to_end);
}

void Measure::ask_sampled(RecordRange part, const std::vector<Questions>& questions, const Fronts& fronts,
                          const std::vector<EditedModels>& models,
                          std::vector<std::vector<Answers>>& answers) const {
  if (setup_.sampled == 0) return;
  AnswerOptions options = answer_options(part.size());
  options.samples = true;
  options.draw = {setup_.temperature, 0, seed_};
  const auto first = static_cast<std::uint64_t>(setup_.first_record + part.begin);
  const AnswerEngine engine(model_,
                            sampling_sheet(model_.tokenizer(), questions, form_, setup_.sampled,
                                           setup_.extra_tokens, first, fronts),
                            options);
  auto drawn = engine.answer(models);
  for (std::size_t m = 0; m < answers.size(); ++m)
    for (std::size_t r = 0; r < answers[m].size(); ++r)
      answers[m][r].samples = std::move(drawn[m][r].samples);
}

std::int64_t Measure::room_in_front() const {
  constexpr std::int64_t kSeam = 8;  // a prompt may take some tokens more behind a text than alone
  std::vector<Questions> questions(setup_.records.size());
  for (std::size_t r = 0; r < questions.size(); ++r)
    for (const auto& metric : metrics_) metric->ask(setup_.records[r], questions[r]);
  const Tokenizer& tokenizer = model_.tokenizer();
  const std::int64_t positions = model_.config().max_positions;
  const std::int64_t longest =
      std::max({longest_row(question_sheet(tokenizer, questions, form_, setup_.extra_tokens)),
                longest_row(writing_sheet(tokenizer, questions, form_, setup_.text_tokens, 0)),
                longest_row(ending_sheet(tokenizer, questions, form_, setup_.natural_tokens, positions))});
  return positions - longest - kSeam;
}

std::vector<std::vector<RecordResult>> Measure::measure(RecordRange range, const std::vector<LaidEdits>& laid,
                                                        const std::function<void()>& step) {
  std::vector<std::vector<RecordResult>> results(laid.size());
  for (const RecordRange part : cut(range, kTogether)) {
    step();
    const auto said = answers(part, range, questions(part, range, laid), laid);
    for (std::size_t m = 0; m < laid.size(); ++m)
      for (std::int64_t i = part.begin; i < part.end; ++i) {
        const std::size_t at = index_in(part, i);
        results[m].push_back(
            result(i, laid[m].states[index_in(range, i)], said.front()[at], said[m + 1][at]));
      }
  }
  return results;
}

RecordResult Measure::result(std::int64_t i, const EditedRecord& state, const Answers& base,
                             const Answers& now) const {
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
  result.layers = state.layers;
  result.steps = state.steps;
  result.loss = state.loss;
  result.relative_norm = state.relative_norm;
  result.warnings = state.warnings;
  if (!is_evaluated(state.status)) return result;
  for (const auto& metric : metrics_) {
    metric->judge({record(i), base, base}, result.base);
    metric->judge({record(i), base, now}, result.metrics);
  }
  result.answers = answer_traces(record(i), base, now);
  for (const auto& metric : metrics_) metric->trace(record(i), base, now, result.answers);
  return result;
}

// The first of an edit's records that is evaluated carries it, so that n counts measurements.
void Measure::add_drift(const LaidEdits& laid, std::vector<RecordResult>& results) {
  if (setup_.drift_rows.empty() || !laid.fronts.empty()) return;
  if (!drift_) drift_.emplace(model_, setup_.drift_rows, first_block_, setup_.token_budget);
  std::vector<bool> carried(laid.edits.size(), false);
  for (std::size_t r = 0; r < results.size(); ++r) {
    const std::int64_t edit = laid.edit_of_record[r];
    if (edit < 0 || !is_evaluated(laid.states[r].status) || carried[static_cast<std::size_t>(edit)]) continue;
    carried[static_cast<std::size_t>(edit)] = true;
    const Drift drift = drift_->measure(laid.edits[static_cast<std::size_t>(edit)]);
    results[r].metrics["drift_kl"] = drift.kl;
    results[r].metrics["drift_perplexity"] = drift.perplexity;
    results[r].base["drift_kl"] = 0;
    results[r].base["drift_perplexity"] = 1;
  }
}

}  // namespace emend
