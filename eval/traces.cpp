#include "eval/traces.h"

#include "eval/metrics/answer_match.h"

namespace emend {

namespace {

// `wanted`: what should be said after the prompt now; `other`: the text whose probability stands beside it.
AnswerState state(const Answers& answers, const std::string& prompt, const std::string& target, const std::string& answer,
                  const std::string& wanted) {
  AnswerState state;
  const auto probability = [&](const std::string& text) {
    const auto found = answers.scores.find({prompt, text});
    return found == answers.scores.end() ? 0.0 : found->second.probability();
  };
  state.p_target = probability(target);
  state.p_answer = answer.empty() ? 0.0 : probability(answer);
  const auto score = answers.scores.find({prompt, wanted});
  state.argmax = score != answers.scores.end() && score->second.argmax();
  const auto text = answers.completions.find(prompt);
  if (text != answers.completions.end()) {
    state.text = text->second;
    state.generated = begins_with_answer(text->second, wanted);
  }
  return state;
}

}  // namespace

std::vector<AnswerTrace> answer_traces(const EvalRecord& record, const Answers& base, const Answers& now) {
  const EditRequest& request = record.request;
  std::vector<AnswerTrace> traces;
  const auto add = [&](const std::string& role, const std::string& prompt, const std::string& answer, const std::string& wanted) {
    if (base.scores.count({prompt, wanted}) == 0) return;
    traces.push_back({role, prompt, answer, state(base, prompt, request.target, answer, wanted),
                      state(now, prompt, request.target, answer, wanted)});
  };
  add("prompt", request.prompt, request.was, request.target);
  for (const std::string& paraphrase : request.paraphrases) add("paraphrase", paraphrase, request.was, request.target);
  for (const Neighbour& neighbour : request.neighbours)
    if (are_opposed(neighbour.answer, request.target)) add("neighbour", neighbour.prompt, neighbour.answer, neighbour.answer);
  for (const KindQuestion& question : record.locality) add("locality " + question.kind, question.prompt, question.answer, question.answer);
  for (const KindQuestion& question : record.portability)
    add("portability " + question.kind, question.prompt, question.answer, question.answer);
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

}  // namespace emend
