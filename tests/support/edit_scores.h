// Scores of single edits, each on the unedited model, with the definitions of Meng et al. 2022, section 3.2.
#pragma once

#include <vector>

#include "emend/checks.h"
#include "emend/edit.h"

namespace emend::test {

struct EditScores {
  double efficacy = 0, paraphrase = 0, neighbourhood = 0;  // ES, PS, NS: means over edits of the means over prompts
  double argmax = 0;                                       // the target is the greedy continuation
  double steps = 0, relative_norm = 0;
  std::vector<std::string> failures;                       // ids whose efficacy failed
};

inline EditScores score_edits(Model& model, const std::vector<Edit>& edits, const CheckOptions& options) {
  EditScores scores;
  SilentProgress silent;
  double with_paraphrases = 0, with_neighbours = 0;
  for (const Edit& edit : edits) {
    const EditRequest& request = edit.facts.front().request;
    const ScopedEdit scope(model, edit.changes);
    const FactState state = measure_facts(model, {request}, options, silent).front();
    const bool success = state.prompt.p_target > state.prompt.p_was;
    scores.efficacy += success;
    scores.argmax += state.prompt.argmax_target;
    if (!success || !state.prompt.argmax_target) scores.failures.push_back(request.id);
    double paraphrase = 0, neighbourhood = 0;
    for (const PromptState& p : state.paraphrases) paraphrase += p.p_target > p.p_was;
    for (const auto& n : state.neighbours) neighbourhood += n.p_answer > n.p_target;
    if (!state.paraphrases.empty()) {
      scores.paraphrase += paraphrase / static_cast<double>(state.paraphrases.size());
      ++with_paraphrases;
    }
    if (!state.neighbours.empty()) {
      scores.neighbourhood += neighbourhood / static_cast<double>(state.neighbours.size());
      ++with_neighbours;
    }
    scores.steps += edit.facts.front().steps;
    scores.relative_norm += edit.facts.front().relative_norm();
  }
  const auto n = static_cast<double>(edits.size());
  scores.efficacy /= n;
  scores.argmax /= n;
  scores.steps /= n;
  scores.relative_norm /= n;
  scores.paraphrase /= with_paraphrases;
  scores.neighbourhood /= with_neighbours;
  return scores;
}

}  // namespace emend::test
