// Present answers and states of facts, from the answer engine.
#include <algorithm>
#include <cmath>
#include <utility>

#include "analysis/prompt_rows.h"
#include "emend/checks.h"
#include "measure/answer_engine.h"

namespace emend {

namespace {

std::size_t word_count(const std::string& text) {
  std::size_t words = 0;
  bool inside = false;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\t' || c == '\n';
    if (!space && !inside) ++words;
    inside = !space;
  }
  return std::max<std::size_t>(words, 1);
}

// Enough tokens for so many words to be whole: a cut in the middle of the last one would be no answer.
std::int64_t tokens_for(std::size_t words, std::int64_t least) {
  constexpr std::int64_t kTokensAWord = 4;
  return std::max(least, kTokensAWord * (static_cast<std::int64_t>(words) + 1));
}

// How many tokens the model's positions leave behind a prompt; at least one is asked for.
std::int64_t room_behind(const Model& model, const std::string& prompt, const CheckOptions& options) {
  const TokenIds ids = prompt_ids(model.tokenizer(), prompt, {options.prefix, options.form});
  return std::max<std::int64_t>(1, model.config().max_positions - static_cast<std::int64_t>(ids.size()));
}

// The first `words` words of a completion, without the punctuation that ends them.
std::string first_words(const std::string& completion, std::size_t words) {
  std::size_t at = completion.find_first_not_of(" \n\t");
  if (at == std::string::npos) return "";
  std::size_t end = at;
  for (std::size_t w = 0; w < words && end < completion.size(); ++w) {
    end = completion.find_first_of(" \n\t", completion.find_first_not_of(' ', end));
    if (end == std::string::npos) end = completion.size();
    if (end < completion.size() && completion[end] != ' ') break;  // an answer does not go past its line
  }
  const std::string taken = completion.substr(at, end - at);
  const std::size_t last = taken.find_last_not_of(" .,;:!?\"')");
  return last == std::string::npos ? taken : taken.substr(0, last + 1);
}

AnswerEngine engine_of(const Model& model, const std::vector<Questions>& questions,
                       const CheckOptions& options) {
  const RowForm form{options.prefix, options.form};
  AnswerOptions how;
  how.token_budget = options.token_budget;
  how.records = static_cast<std::int64_t>(questions.size());
  return AnswerEngine(model, question_sheet(model.tokenizer(), questions, form, 0), how);
}

// After every prompt of a request: p(target), p(answer) if there is one, and the greedy text.
Questions questions_about(const EditRequest& request, std::int64_t completion_tokens) {
  Questions questions;
  const auto ask = [&](const std::string& prompt, const std::string& answer) {
    questions.score(prompt, request.target);
    if (!answer.empty()) questions.score(prompt, answer);
    questions.complete(prompt, completion_tokens);
  };
  ask(request.prompt, request.was);
  for (const std::string& paraphrase : request.paraphrases) ask(paraphrase, request.was);
  for (const Neighbour& neighbour : request.neighbours) ask(neighbour.prompt, neighbour.answer);
  for (const OtherSubject& other : request.bleed) ask(prompt_about(request, other.subject), other.answer);
  return questions;
}

double whole_probability(const AnswerScore& score) {
  return std::exp(-score.nll * static_cast<double>(score.answer.size()));
}

// Where the answer is unknown, p_answer is that of the target.
FactState::OtherSubjectState other_subject_state(const Answers& answers, const EditRequest& request,
                                                 const OtherSubject& other) {
  const std::string prompt = prompt_about(request, other.subject);
  const AnswerScore& target = answers.scores.at({prompt, request.target});
  const AnswerScore& own = other.answer.empty() ? target : answers.scores.at({prompt, other.answer});
  return {other.subject,
          other.answer,
          whole_probability(own),
          whole_probability(target),
          !other.answer.empty() && own.argmax(),
          answers.completions.at(prompt)};
}

// Where the answer is unknown, p_was is that of the target.
PromptState prompt_state(const Answers& answers, const EditRequest& request, const std::string& prompt,
                         const std::string& answer) {
  const AnswerScore& target = answers.scores.at({prompt, request.target});
  const AnswerScore& other = answer.empty() ? target : answers.scores.at({prompt, answer});
  const Likelihoods logs = likelihoods(target, other);
  return {std::exp(logs.wanted), std::exp(logs.other), target.argmax(), answers.completions.at(prompt)};
}

// Where the answer is unknown, p_answer is that of the target.
FactState::NeighbourState neighbour_state(const Answers& answers, const EditRequest& request,
                                          const Neighbour& neighbour) {
  const AnswerScore& target = answers.scores.at({neighbour.prompt, request.target});
  const AnswerScore& own =
      neighbour.answer.empty() ? target : answers.scores.at({neighbour.prompt, neighbour.answer});
  const Likelihoods logs = whole_likelihoods(own, target);
  return {neighbour.answer, std::exp(logs.wanted), std::exp(logs.other),
          answers.completions.at(neighbour.prompt)};
}

FactState fact_state(const Answers& answers, const EditRequest& request) {
  FactState state;
  state.id = request.id;
  state.prompt = prompt_state(answers, request, request.prompt, request.was);
  for (const std::string& paraphrase : request.paraphrases)
    state.paraphrases.push_back(prompt_state(answers, request, paraphrase, request.was));
  for (const Neighbour& neighbour : request.neighbours)
    state.neighbours.push_back(neighbour_state(answers, request, neighbour));
  for (const OtherSubject& other : request.bleed)
    state.bleed.push_back(other_subject_state(answers, request, other));
  return state;
}

}  // namespace

void fill_present_answers(const Model& model, std::vector<EditRequest>& requests,
                          const CheckOptions& options) {
  std::vector<Questions> questions(requests.size());
  for (std::size_t r = 0; r < requests.size(); ++r) {
    const std::int64_t tokens = tokens_for(word_count(requests[r].target), options.completion_tokens);
    const auto ask = [&](const std::string& answer, const std::string& prompt) {
      if (answer.empty())
        questions[r].complete(prompt, std::min(tokens, room_behind(model, prompt, options)));
    };
    ask(requests[r].was, requests[r].prompt);
    for (const Neighbour& neighbour : requests[r].neighbours) ask(neighbour.answer, neighbour.prompt);
    for (const OtherSubject& other : requests[r].bleed)
      ask(other.answer, prompt_about(requests[r], other.subject));
  }
  const std::vector<Answers> answers = engine_of(model, questions, options).answer({}).front();
  for (std::size_t r = 0; r < requests.size(); ++r) {
    const std::size_t words = word_count(requests[r].target);
    const auto fill = [&](std::string& answer, const std::string& prompt) {
      if (answer.empty()) answer = first_words(answers[r].completions.at(prompt), words);
    };
    fill(requests[r].was, requests[r].prompt);
    for (Neighbour& neighbour : requests[r].neighbours) fill(neighbour.answer, neighbour.prompt);
    for (OtherSubject& other : requests[r].bleed)
      fill(other.answer, prompt_about(requests[r], other.subject));
  }
}

std::vector<FactState> measure_facts(const Model& model, const std::vector<EditRequest>& requests,
                                     const CheckOptions& options, Progress& progress) {
  std::vector<Questions> questions;
  for (const EditRequest& request : requests)
    questions.push_back(questions_about(request, options.completion_tokens));
  const AnswerEngine engine = engine_of(model, questions, options);
  progress.begin("measuring facts", engine.prompts(), "prompts");
  const std::vector<Answers> answers =
      engine.answer({}, [&](std::int64_t prompts) { progress.update(prompts, ""); }).front();
  progress.end();
  std::vector<FactState> states;
  for (std::size_t r = 0; r < requests.size(); ++r) states.push_back(fact_state(answers[r], requests[r]));
  return states;
}

}  // namespace emend
