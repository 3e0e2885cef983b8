// What the model says to the prompts of one fact, as plain data.
#pragma once

#include <string>
#include <vector>

namespace emend {

// What the model says to one prompt. Probabilities are exp(-nll per token). If the ids of
// one answer begin with those of the other, they are those of the whole answers instead, and that of the
// shorter one is p(shorter) - p(longer): the text does not continue as the longer one.
struct PromptState {
  double p_target = 0;
  double p_was = 0;
  bool argmax_target = false;  // the target is the greedy continuation
  std::string completion;      // greedy, as text
};

struct FactState {
  std::string id;
  PromptState prompt;
  std::vector<PromptState> paraphrases;
  // Its probabilities are those of whole answers, not means per token: the two answers may be of different
  // lengths. If one begins with the other, they are as in PromptState.
  struct NeighbourState {
    std::string answer;  // given, or the base's greedy one
    double p_answer = 0;
    double p_target = 0;
    std::string completion;
  };
  std::vector<NeighbourState> neighbours;
  // Another subject in the place of the edit's. Its probabilities are those of whole answers, not means per
  // token.
  struct OtherSubjectState {
    std::string subject;
    std::string answer;  // given, or the base's greedy one
    double p_answer = 0;
    double p_target = 0;
    bool argmax_answer = false;  // the answer is the greedy continuation
    std::string completion;
  };
  std::vector<OtherSubjectState> bleed = {};
};

}  // namespace emend
