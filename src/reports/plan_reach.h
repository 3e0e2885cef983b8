// What planned edits will reach besides their own subjects, in words.
#pragma once

#include <string>

#include "emend/editor.h"

namespace emend {

// From the share of an edit's value that arrives at the key of the neighbour nearest to it, a . k with the
// response a = C^-1 k* / (k*T C^-1 k*) of its own key k* (Meng et al. 2022, equation 2).
enum class Reach {
  kUnknown,  // it has no neighbours
  kHardly,   // less than 5 %
  kTouched,  // up to 30 %, where a plan warns of it
  // More: it names the same subject, or one that the model holds for nearly the same. What the change makes
  // of its own answer is not known before: prompts of one subject share a key, and often keep their answers.
  kReached
};
Reach reach_of(const EditPlan::Entry& entry);
const char* to_string(Reach reach);  // "unknown", "hardly", "touched", "reached"

// One line for each of the edits that reach furthest, then how many others there are; what a large norm
// means for an edit that needs a change of several times the file's usual size. Empty for
// methods that do not tell how their edits respond.
std::string reach_text(const EditPlan& plan);

}  // namespace emend
