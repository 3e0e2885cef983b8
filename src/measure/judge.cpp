#include "emend/judge.h"

namespace emend {

namespace {

AnswerVerdict judge_target(const EditRequest& request, const PromptState& state) {
  return judge({request.target, request.was, state.p_target, state.p_was, state.argmax_target});
}

std::optional<bool> is_kept(const EditRequest& request, const FactState::NeighbourState& state) {
  const AnswerVerdict verdict =
      judge({state.answer, request.target, state.p_answer, state.p_target, /*wanted_is_greedy=*/false});
  return verdict.opposed ? std::optional(verdict.likelier) : std::nullopt;
}

}  // namespace

bool are_opposed(std::string_view wanted, std::string_view other) {
  return !wanted.empty() && !other.empty() && wanted != other;
}

bool begin_alike(std::string_view wanted, std::string_view other) {
  return are_opposed(wanted, other) && (wanted.starts_with(other) || other.starts_with(wanted));
}

AnswerVerdict judge(const AnswerPair& pair) {
  return {are_opposed(pair.wanted, pair.other), pair.likelihood_of_wanted > pair.likelihood_of_other,
          pair.wanted_is_greedy, !pair.other.empty()};
}

FactVerdict judge(const EditRequest& request, const FactState& state) {
  FactVerdict verdict;
  verdict.holds = judge_target(request, state.prompt).holds();
  for (const PromptState& paraphrase : state.paraphrases)
    verdict.paraphrases.push_back(judge_target(request, paraphrase).is_preferred());
  for (const FactState::NeighbourState& neighbour : state.neighbours)
    verdict.neighbours.push_back(is_kept(request, neighbour));
  return verdict;
}

}  // namespace emend
