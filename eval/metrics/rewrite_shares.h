// The three questions of a rewrite on whole texts (natural_stop.cpp, sampled.cpp): the edited prompt and its
// paraphrases, where the target is wanted, and the neighbours, where their own answer is.
#pragma once

#include <map>
#include <string>

#include "emend/dataset.h"
#include "emend/judge.h"
#include "eval/metric.h"

namespace emend {

// `visit(question, prompt, wanted)` for each prompt of a record, in its order; `question` is "efficacy",
// "paraphrase" or "neighbourhood". A neighbour without an answer, or with the target as its answer, is left
// out (are_opposed): its text tells nothing of the edit.
template <typename Visit>
void visit_rewrite_prompts(const EvalRecord& record, Visit visit) {
  const EditRequest& r = record.request;
  visit("efficacy", r.prompt, r.target);
  for (const std::string& prompt : r.paraphrases) visit("paraphrase", prompt, r.target);
  for (const Neighbour& neighbour : r.neighbours)
    if (are_opposed(neighbour.answer, r.target)) visit("neighbourhood", neighbour.prompt, neighbour.answer);
}

// Puts the mean of `share(prompt, wanted)`, 0 to 1, over the prompts of each question under
// "QUESTION_ENDING"; a question without prompts is absent.
template <typename Share>
void put_rewrite_shares(const EvalRecord& record, const std::string& ending, Share share,
                        MetricValues& values) {
  std::map<std::string, MeanOf> means;
  visit_rewrite_prompts(record,
                        [&](const char* question, const std::string& prompt, const std::string& wanted) {
                          means[question].add(share(prompt, wanted));
                        });
  for (const auto& [question, mean] : means) mean.put(question + "_" + ending, values);
}

}  // namespace emend
