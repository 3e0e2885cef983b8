// What a model made of a prompt (emend/generate_run.h).
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "emend/generate_run.h"
#include "emend/model.h"

namespace emend {

// The completion, behind the prompt unless that went through a chat template; and the likeliest next tokens.
std::string generated_text(const PromptOutcome& outcome, const std::string& prompt, PromptForm form,
                           std::size_t columns);
ResultJson generated_json(const PromptOutcome& outcome, const std::string& prompt);

// The same of the base and of the edited model side by side: the texts in two lines, the likeliest next
// tokens in one table.
std::string compared_text(const PromptOutcome& base, const PromptOutcome& edited, std::size_t columns);
// generated_json of the edited model, with `base`: {"completion", "completion_tokens", "ended",
// "top"}.
ResultJson compared_json(const PromptOutcome& base, const PromptOutcome& edited, const std::string& prompt);

// That fewer tokens than `asked` can follow the prompt; empty if as many as that can.
std::string limit_remark(const PromptOutcome& outcome, std::int64_t asked, const Model& model);

// That the bound cut the text; empty if the model ended it.
std::string unended_remark(const PromptOutcome& outcome);

}  // namespace emend
