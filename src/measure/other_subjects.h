// The other subjects that an edit is protected from: those of the edit file, and those that the model itself
// names.
#pragma once

#include <string>
#include <vector>

#include "emend/checks.h"
#include "emend/model.h"
#include "emend/protection.h"
#include "emend/records.h"

namespace emend {

// The request's prompt about another subject.
ProtectedText text_about(const EditRequest& request, const std::string& subject);

// The subject that stands in `prompt` where the request's own stands in its prompt; empty: it is another
// prompt.
std::string subject_in_place(const EditRequest& request, const std::string& prompt);

// The texts that the request itself gives: its `bleed` subjects, then its neighbours. Neighbours that are the
// request's prompt about another subject are told by that subject. Throws Error(kConfig), naming both, for a
// neighbour about the request's own subject.
std::vector<ProtectedText> given_texts(const EditRequest& request);

// The same requests without the `bleed` subjects and neighbours for which given_texts throws.
std::vector<EditRequest> without_own_subjects(std::vector<EditRequest> requests);

// For each request the subjects that the model puts into its prompt in the place of the subject, likeliest
// first: behind the prompt with its present answer, the same sentence begins once more, and each of the
// `begins` likeliest next tokens is continued greedily; what then stands in front of the rest of the prompt
// is a subject (subject_names.h). Requests of one template are asked once. Names that begin otherwise than
// the subject (a capital letter, a digit, ...) are left out.
std::vector<std::vector<std::string>> name_other_subjects(const Model& model,
                                                          const std::vector<EditRequest>& requests,
                                                          const CheckOptions& options,
                                                          std::int64_t begins = 64);

// What each request is protected from. `requests` have their present answers. With Protect::kAuto a request
// for which the model names nothing is told in `unnamed`, by its id. Throws Error(kConfig) as given_texts
// does.
Protection find_protection(const Model& model, const std::vector<EditRequest>& requests, Protect protect,
                           bool strict, const CheckOptions& options, std::vector<std::string>& unnamed);

// Takes the `bleed` subjects of each of `held`, which has the id of a request, out of the names that the
// model gave for it, and names that are a part of one of them or have one as a part ("the Netherlands").
void leave_out_names(const std::vector<EditRequest>& held, Protection& protection);

}  // namespace emend
