#include "analysis/prompt_rows.h"

#include <fmt/format.h>

#include "emend/error.h"

namespace emend {

namespace {

// What stands in front of a prompt: ids, and text that is encoded with it.
struct RowFront {
  TokenIds ids;
  std::string text;
  Position position = Position::kStart;  // of that text
};

// Encodes the front's text + prompt and finds the subject's last token by its span.
PromptRow located_row(const Tokenizer& tokenizer, const RowFront& front, const EditRequest& request,
                      const RowForm& form) {
  std::string text = front.text + request.prompt;
  std::size_t begin = front.text.size() + request.subject_begin;
  if (form.form == PromptForm::kChat) {
    const std::string rendered = render_chat(tokenizer, text);
    const std::size_t at = rendered.rfind(text);
    if (at == std::string::npos)
      throw Error(ErrorKind::kConfig,
                  fmt::format("edit {}: the chat template changes the prompt's text", request.id));
    begin += at;
    text = rendered;
  }
  const Encoding encoding = tokenizer.encode(text, SpecialTokens::kNone, front.position);
  const SubjectTokens subject = find_subject_tokens(encoding, {begin, begin + request.subject.size()});
  PromptRow row;
  row.ids = front.ids;
  row.ids.insert(row.ids.end(), encoding.ids.begin(), encoding.ids.end());
  row.lookup = front.ids.size() + subject.last;
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
  if (form.form == PromptForm::kRaw) return encode_next_words(tokenizer, target);
  return tokenizer.encode(target, SpecialTokens::kNone, Position::kContinuation).ids;
}

PromptRow bare_row(const Tokenizer& tokenizer, const EditRequest& request, const RowForm& form) {
  return located_row(tokenizer, {form.prefix, ""}, request, form);
}

PromptRow context_row(const Tokenizer& tokenizer, const EditRequest& request, const TokenIds& context,
                      const RowForm& form) {
  if (form.form == PromptForm::kChat)  // the context is part of the user's message
    return located_row(tokenizer, {form.prefix, tokenizer.decode(context, true) + ". "}, request, form);
  RowFront front{form.prefix, ". ", Position::kContinuation};
  front.ids.insert(front.ids.end(), context.begin(), context.end());
  return located_row(tokenizer, front, request, form);
}

PromptRow subject_row(const Tokenizer& tokenizer, const EditRequest& request, const RowForm& form) {
  EditRequest alone;
  alone.id = request.id;
  alone.prompt = alone.subject = request.subject;
  return located_row(tokenizer, {form.prefix, ""}, alone, {form.prefix, PromptForm::kRaw});
}

}  // namespace emend
