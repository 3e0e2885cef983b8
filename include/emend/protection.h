// Whose keys an edit leaves as they are. Keys of near subjects are near, and a response that is quiet on
// general text still answers them: "The capital of France is" edited moves Germany's capital too. The keys
// given here join the system of the response a (linalg/response_solver.h) with the answer 0, or with whatever
// stays within a bound if the method's options allow one.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "emend/records.h"

namespace emend {

// A text whose key must not move.
struct ProtectedText {
  std::string name;  // for messages and reports: the subject, or the prompt
  std::string prompt;
  std::string subject;  // its last token has the key; empty: the token that the edit would move most
  std::size_t subject_begin = 0;  // byte offset in the prompt
};

// Of one request.
struct ProtectedTexts {
  std::vector<ProtectedText> given;  // all are held
  std::vector<ProtectedText> found;  // candidates: those that the edit would move most are held
};

struct Protection {
  std::map<std::string, ProtectedTexts> of;  // by the id of the request; ids without an entry protect nothing

  // Of the candidates: at most so many, and only those that would get at least this share of the residual.
  std::size_t most_found = 12;
  double least_response = 0.02;
  // A key whose cosine with an edit's own is above this cannot be separated from it by a response of
  // moderate norm. With `strict` such a key is an error if it is given and named in a warning if it was
  // found; else it is left out, and named in a warning if it is given.
  double largest_cosine = 0.95;
  bool strict = false;
};

}  // namespace emend
