// Efficacy, paraphrase, neighbourhood and drift of an edit (Meng et al. 2022, section 3.2), teacher-forced
// and greedy side by side.
#include "emend/checks.h"

#include <algorithm>
#include <cmath>

#include "analysis/prompt_rows.h"
#include "base/strings.h"
#include "emend/generate.h"
#include "emend/judge.h"

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

// All prompts of all requests as rows, and what is asked of each.
class Questions {
 public:
  Questions(const Model& model, const CheckOptions& options)
      : tokenizer_(model.tokenizer()), form_{options.prefix, options.form} {}

  std::size_t add_prompt(const std::string& prompt) {
    prompts.push_back(prompt_ids(tokenizer_, prompt, form_));
    return prompts.size() - 1;
  }
  std::size_t ask(std::size_t prompt, const std::string& answer) {
    continuations.push_back({prompt, target_ids(tokenizer_, answer, form_)});
    return continuations.size() - 1;
  }

  std::vector<TokenIds> prompts;
  std::vector<Continuation> continuations;

 private:
  const Tokenizer& tokenizer_;
  RowForm form_;
};

std::vector<std::string> completions(const Model& model, const std::vector<TokenIds>& prompts,
                                     const CheckOptions& options) {
  GenerateOptions greedy;
  greedy.max_new = options.completion_tokens;
  greedy.token_budget = options.token_budget;
  if (const auto eos = model.tokenizer().eos()) greedy.stop = {*eos};
  std::vector<std::string> texts;
  for (const TokenIds& ids : generate(model, prompts, greedy))
    texts.push_back(model.tokenizer().decode(ids, true));
  return texts;
}

}  // namespace

void fill_present_answers(const Model& model, std::vector<EditRequest>& requests,
                          const CheckOptions& options) {
  Questions questions(model, options);
  std::vector<std::pair<std::string*, std::size_t>> wanted;  // where the answer goes, and how many words
  for (EditRequest& request : requests) {
    const std::size_t words = word_count(request.target);
    if (request.was.empty()) {
      questions.add_prompt(request.prompt);
      wanted.emplace_back(&request.was, words);
    }
    for (Neighbour& neighbour : request.neighbours)
      if (neighbour.answer.empty()) {
        questions.add_prompt(neighbour.prompt);
        wanted.emplace_back(&neighbour.answer, words);
      }
  }
  if (wanted.empty()) return;
  const auto texts = completions(model, questions.prompts, options);
  for (std::size_t i = 0; i < wanted.size(); ++i) *wanted[i].first = first_words(texts[i], wanted[i].second);
}

std::vector<FactState> measure_facts(const Model& model, const std::vector<EditRequest>& requests,
                                     const CheckOptions& options, Progress& progress) {
  Questions questions(model, options);
  // Prompts in order: the request's, its paraphrases, its neighbours; two continuations each: target, and
  // present answer.
  for (const EditRequest& request : requests) {
    const auto ask_both = [&](const std::string& prompt, const std::string& answer) {
      const std::size_t row = questions.add_prompt(prompt);
      questions.ask(row, request.target);
      questions.ask(row, answer.empty() ? request.target : answer);
    };
    ask_both(request.prompt, request.was);
    for (const std::string& paraphrase : request.paraphrases) ask_both(paraphrase, request.was);
    for (const Neighbour& neighbour : request.neighbours) ask_both(neighbour.prompt, neighbour.answer);
  }
  progress.begin("measuring " + std::to_string(questions.prompts.size()) + " prompts", 2, "passes");
  const auto scores =
      score_continuations(model, questions.prompts, questions.continuations, options.token_budget);
  progress.update(1, "");
  const auto texts = completions(model, questions.prompts, options);
  progress.update(2, "");
  progress.end();

  std::vector<FactState> states;
  std::size_t row = 0;
  const auto next = [&] {
    const ContinuationScore &target = scores[2 * row], &was = scores[2 * row + 1];
    return PromptState{std::exp(-target.nll), std::exp(-was.nll), target.argmax, texts[row++]};
  };
  for (const EditRequest& request : requests) {
    FactState state;
    state.id = request.id;
    state.prompt = next();
    for (std::size_t i = 0; i < request.paraphrases.size(); ++i) state.paraphrases.push_back(next());
    for (const Neighbour& neighbour : request.neighbours) {
      const PromptState seen = next();
      state.neighbours.push_back({neighbour.answer, seen.p_was, seen.p_target, seen.completion});
    }
    states.push_back(std::move(state));
  }
  return states;
}

std::vector<CheckResult> run_checks(const std::vector<EditRequest>& requests,
                                    const std::vector<FactState>& after, const std::vector<bool>& skipped,
                                    std::optional<double> drift, std::int64_t drift_tokens,
                                    const CheckThresholds& thresholds) {
  struct Share {
    std::int64_t good = 0, n = 0;
    void count(bool success) {
      good += success ? 1 : 0;
      ++n;
    }
  } efficacy, paraphrase, neighbourhood;
  for (std::size_t i = 0; i < after.size(); ++i) {
    if (i < skipped.size() && skipped[i]) continue;
    const FactVerdict verdict = judge(requests[i], after[i]);
    efficacy.count(verdict.holds);
    for (const bool holds : verdict.paraphrases) paraphrase.count(holds);
    for (const std::optional<bool> kept : verdict.neighbours)
      if (kept) neighbourhood.count(*kept);
  }
  const auto share = [](const std::string& name, const Share& counted, double threshold) {
    CheckResult result{name, std::nullopt, threshold, false, counted.n};
    if (counted.n > 0) {
      result.value = static_cast<double>(counted.good) / static_cast<double>(counted.n);
      result.passed = *result.value >= threshold;
    }
    return result;
  };
  CheckResult held{"drift", drift, thresholds.drift, false, drift_tokens};
  held.passed = drift && std::isfinite(*drift) && *drift <= thresholds.drift;
  return {share("efficacy", efficacy, thresholds.efficacy),
          share("paraphrase", paraphrase, thresholds.paraphrase),
          share("neighbourhood", neighbourhood, thresholds.neighbourhood), held};
}

bool all_passed(const std::vector<CheckResult>& checks) {
  return std::all_of(checks.begin(), checks.end(),
                     [](const CheckResult& check) { return !check.value || check.passed; });
}

}  // namespace emend
