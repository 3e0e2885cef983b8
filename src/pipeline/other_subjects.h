// The other subjects that an edit is protected from: those of the edit file, and those that the model itself
// names.
#pragma once

#include <string>
#include <vector>

#include "emend/checks.h"
#include "emend/model.h"
#include "emend/protection.h"
#include "emend/records.h"
#include "emend/statistics.h"

namespace emend {

// For each request the subjects that the model puts into its prompt in the place of the subject, likeliest
// first: behind the prompt with its present answer, the same sentence begins once more, and each of the
// `begins` likeliest next tokens is continued greedily; what then stands in front of the rest of the prompt
// is a subject. Requests of one template are asked once. Names that begin otherwise than the subject (a
// capital letter, a digit, ...) are left out. Two passes over each template, and eight columns of `begins`
// tokens.
std::vector<std::vector<std::string>> name_other_subjects(const Model& model,
                                                          const std::vector<EditRequest>& requests,
                                                          const CheckOptions& options,
                                                          std::int64_t begins = 32);

// What each request is protected from. `requests` have their present answers. With Protect::kAuto a request
// for which the model names nothing is told in `unnamed`, by its id. Throws Error(kConfig) as given_texts
// does.
Protection find_protection(const Model& model, const std::vector<EditRequest>& requests, Protect protect,
                           bool strict, const CheckOptions& options, std::vector<std::string>& unnamed);

}  // namespace emend
