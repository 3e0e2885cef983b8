// Whose keys an edit leaves as they are. Keys of near subjects are near, and a response that is quiet on
// general text still answers them: "The capital of France is" edited moves Germany's capital too. The keys
// given here join the system of the response a (linalg/response_solver.h) with the answer 0.
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
  // A key whose cosine with an edit's own is above this cannot be told apart from it at a bearable norm. With
  // `strict` such a key is an error, else it is left out and named in a warning.
  double largest_cosine = 0.95;
  bool strict = false;
};

// The texts that the request itself gives: its `bleed` subjects, then its neighbours. Neighbours that are the
// request's prompt about another subject are told by that subject. Throws Error(kConfig), naming both, for a
// neighbour about the request's own subject.
std::vector<ProtectedText> given_texts(const EditRequest& request);

// The request's prompt about another subject.
ProtectedText text_about(const EditRequest& request, const std::string& subject);

// The subject that stands in `prompt` where the request's own stands in its prompt; empty: it is another
// prompt.
std::string subject_in_place(const EditRequest& request, const std::string& prompt);

}  // namespace emend
