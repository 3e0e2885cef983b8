// Does an edit hold? The rule of the four checks (checks.h), of tables of facts, JUnit and the worst cases of
// a benchmark. The success metrics of a benchmark (ES, PS and NS of Meng et al. 2022, section 3.2: efficacy,
// paraphrase and neighbourhood) read the same verdicts; AnswerVerdict::success says where the two differ.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "emend/fact_state.h"
#include "emend/records.h"

namespace emend {

// Two answers to one prompt. After an edited prompt and its paraphrases the target is wanted and the present
// answer is the other one; after a neighbour its own answer is wanted and the target is the other one.
struct AnswerPair {
  std::string_view wanted, other;  // `other` is empty if no other answer is known
  double likelihood_of_wanted = 0;
  double likelihood_of_other = 0;  // both are probabilities, or both are log-probabilities
  bool wanted_is_greedy = false;   // `wanted` is the greedy continuation of the prompt
};

// Whether there are two answers to compare: both are given, and they differ.
bool are_opposed(std::string_view wanted, std::string_view other);

// Whether one of two different answers is the beginning of the other ("Guinea", "Guinea-Bissau"). The
// likelihood of the shorter text then counts the longer one too, so that the two cannot be compared as they
// are: see Likelihoods of measure/questions.h.
bool begin_alike(std::string_view wanted, std::string_view other);

struct AnswerVerdict {
  bool opposed = false;  // as are_opposed()
  bool likelier =
      false;            // `wanted` is strictly likelier: a tie and a value that is not a number are failures
  bool greedy = false;  // `wanted` is the greedy continuation
  bool compared = false;  // another answer is given, be it `wanted` itself

  // What a paraphrase must show: `wanted` beats the other answer. If there is no different answer, the
  // greedy continuation decides.
  bool is_preferred() const { return opposed ? likelier : greedy; }
  // What the edited prompt itself must show.
  bool holds() const { return is_preferred() && greedy; }
  // What a benchmark counts, as the field's programs do: `wanted` is likelier than the answer that the record
  // gives. A record whose given answer is `wanted` itself cannot be won and counts as a failure, while
  // holds() lets the greedy continuation decide; a record that gives none is not counted.
  std::optional<bool> success() const { return compared ? std::optional(likelier) : std::nullopt; }
};

AnswerVerdict judge(const AnswerPair& pair);

struct FactVerdict {
  // The target beats the present answer, and it is the greedy continuation of the prompt.
  bool holds = false;
  // Of each paraphrase: the target beats the present answer.
  std::vector<bool> paraphrases;
  // Of each neighbour: its answer beats the target. std::nullopt if there is nothing to compare: the
  // neighbour has no answer, or the target is its answer. The probabilities are those of whole answers
  // (FactState), while a benchmark compares means per token, as the papers do.
  std::vector<std::optional<bool>> neighbours;
};

// `state` is what a model says to `request`, so that its `was` and `target` are those that were measured.
FactVerdict judge(const EditRequest& request, const FactState& state);

}  // namespace emend
