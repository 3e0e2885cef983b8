// Requests as token rows: prompts, contexts in front of them, targets, and the place of the subject's last
// token.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emend/generate.h"
#include "emend/model.h"
#include "emend/records.h"

namespace emend {

// The BOS ids that begin every row of a run: resolve_bos(), but in the chat form "auto" leaves it to the
// template whether a text begins with a BOS, as transformers does. Throws as resolve_bos() and render_chat()
// do.
TokenIds row_prefix(const Tokenizer& tokenizer, const std::string& bos, PromptForm form);

// What goes in front of a text's own ids: `front`, or nothing where a chat template wrote it already.
TokenIds front_of_row(const TokenIds& front, const TokenIds& ids, PromptForm form);

// How prompts become token rows in one run.
struct RowForm {
  TokenIds prefix;  // BOS ids, may be empty
  PromptForm form = PromptForm::kRaw;
};

// A prompt as ids, with the token of the subject's end.
struct PromptRow {
  TokenIds ids;            // prefix + context + prompt
  std::size_t lookup = 0;  // the subject's last token: the key is read here
  bool straddles = false;  // that token also covers text after the subject
};

// [prefix] + ids of the prompt (through the chat template with form: chat).
TokenIds prompt_ids(const Tokenizer& tokenizer, const std::string& prompt, const RowForm& form);

// Ids of " " + target, encoded apart from the prompt. No space before CJK, and none after the opening of a
// chat template.
TokenIds target_ids(const Tokenizer& tokenizer, const std::string& target, const RowForm& form);

// The tokens by which the model is taught to end its text behind a target (end_tokens.h); empty: it is not
// taught to. Throws Error(kConfig), beginning with `where`, for TargetEnd::kEos with a tokenizer that has
// no such token.
TokenIds taught_ends(const Tokenizer& tokenizer, TargetEnd end, PromptForm form, const std::string& where);

// The bare row: [prefix] + prompt.
PromptRow bare_row(const Tokenizer& tokenizer, const EditRequest& request, const RowForm& form);

// A context row: [prefix] + context ids + ids of ". " + prompt.
PromptRow context_row(const Tokenizer& tokenizer, const EditRequest& request, const TokenIds& context,
                      const RowForm& form);

// [prefix] + subject alone, for the drift term, which is read at the subject's last token. The papers append
// " is a", which cannot change what is read there.
PromptRow subject_row(const Tokenizer& tokenizer, const EditRequest& request, const RowForm& form);

}  // namespace emend
