#include "analysis/prompt_rows.h"

#include <fmt/format.h>

#include "emend/error.h"
#include "text/unicode.h"

namespace emend {

namespace {

// Scripts written without spaces between words: kana and CJK ideographs (hangul has spaces).
bool begins_without_space(const std::string& target) {
  const char32_t code = target.empty() ? 0 : text::code_point_at(target, 0).code_point;
  return (code >= 0x3040 && code <= 0x30FF) || (code >= 0x3400 && code <= 0x9FFF) ||
         (code >= 0xF900 && code <= 0xFAFF) || (code >= 0x20000 && code <= 0x3FFFF);
}

// Encodes `before` + prompt and finds the subject's last token by its span.
PromptRow located_row(const Tokenizer& tokenizer, const TokenIds& front, const std::string& before,
                      const EditRequest& request, const RowForm& form) {
  std::string text = before + request.prompt;
  std::size_t begin = before.size() + request.subject_begin;
  if (form.form == PromptForm::kChat) {
    const std::string rendered = render_chat(tokenizer, text);
    const std::size_t at = rendered.rfind(text);
    if (at == std::string::npos)
      throw Error(ErrorKind::kConfig,
                  fmt::format("edit {}: the chat template changes the prompt's text", request.id));
    begin += at;
    text = rendered;
  }
  const Encoding encoding = tokenizer.encode(text, SpecialTokens::kNone);
  const SubjectTokens subject = find_subject_tokens(encoding, {begin, begin + request.subject.size()});
  PromptRow row;
  row.ids = front;
  row.ids.insert(row.ids.end(), encoding.ids.begin(), encoding.ids.end());
  row.lookup = front.size() + subject.last;
  row.straddles = subject.straddles_end;
  return row;
}

}  // namespace

TokenIds prompt_ids(const Tokenizer& tokenizer, const std::string& prompt, const RowForm& form) {
  const std::string text = form.form == PromptForm::kChat ? render_chat(tokenizer, prompt) : prompt;
  TokenIds ids = form.prefix;
  const TokenIds own = tokenizer.encode(text, SpecialTokens::kNone).ids;
  ids.insert(ids.end(), own.begin(), own.end());
  return ids;
}

TokenIds target_ids(const Tokenizer& tokenizer, const std::string& target, const RowForm& form) {
  const bool space = form.form == PromptForm::kRaw && !begins_without_space(target);
  return tokenizer.encode((space ? " " : "") + target, SpecialTokens::kNone).ids;
}

PromptRow bare_row(const Tokenizer& tokenizer, const EditRequest& request, const RowForm& form) {
  return located_row(tokenizer, form.prefix, "", request, form);
}

PromptRow context_row(const Tokenizer& tokenizer, const EditRequest& request, const TokenIds& context,
                      const RowForm& form) {
  if (form.form == PromptForm::kChat)  // the context is part of the user's message
    return located_row(tokenizer, form.prefix, tokenizer.decode(context, true) + ". ", request, form);
  TokenIds front = form.prefix;
  front.insert(front.end(), context.begin(), context.end());
  return located_row(tokenizer, front, ". ", request, form);
}

PromptRow subject_row(const Tokenizer& tokenizer, const EditRequest& request, const RowForm& form) {
  EditRequest alone;
  alone.id = request.id;
  alone.prompt = alone.subject = request.subject;
  return located_row(tokenizer, form.prefix, "", alone, {form.prefix, PromptForm::kRaw});
}

}  // namespace emend
