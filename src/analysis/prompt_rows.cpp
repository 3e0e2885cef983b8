#include "analysis/prompt_rows.h"

#include <algorithm>

#include "emend/error.h"
#include "text/end_tokens.h"

namespace emend {

namespace {

// What stands in front of a prompt: ids, and text that is encoded with it.
struct RowFront {
  TokenIds ids;
  std::string text;
  Position position = Position::kStart;  // of that text
};

bool begin_with(const TokenIds& ids, const TokenIds& prefix) {
  return ids.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), ids.begin());
}

// Encodes the front's text + prompt and finds the subject's last token by its span.
PromptRow located_row(const Tokenizer& tokenizer, const RowFront& front, const EditRequest& request,
                      const RowForm& form) {
  std::string text = front.text + request.prompt;
  ByteSpan span{front.text.size() + request.subject_begin, 0};
  span.end = span.begin + request.subject.size();
  if (form.form == PromptForm::kChat) {
    const ChatText chat = render_chat_with_place(tokenizer, text);
    span = place_in_chat(chat, span);
    text = chat.text;
  }
  const Encoding encoding = tokenizer.encode(text, SpecialTokens::kNone, front.position);
  const SubjectTokens subject = find_subject_tokens(encoding, span);
  PromptRow row;
  row.ids = front_of_row(front.ids, encoding.ids, form.form);
  row.lookup = row.ids.size() + subject.last;
  row.ids.insert(row.ids.end(), encoding.ids.begin(), encoding.ids.end());
  row.straddles = subject.straddles_end;
  return row;
}

}  // namespace

TokenIds row_prefix(const Tokenizer& tokenizer, const std::string& bos, PromptForm form) {
  const TokenIds prefix = resolve_bos(tokenizer, bos);
  if (form == PromptForm::kRaw || bos != "auto" || prefix.empty()) return prefix;
  const TokenIds ids = tokenizer.encode(render_chat(tokenizer, "x"), SpecialTokens::kNone).ids;
  return begin_with(ids, prefix) ? prefix : TokenIds{};
}

TokenIds front_of_row(const TokenIds& front, const TokenIds& ids, PromptForm form) {
  return form == PromptForm::kChat && begin_with(ids, front) ? TokenIds{} : front;
}

TokenIds prompt_ids(const Tokenizer& tokenizer, const std::string& prompt, const RowForm& form) {
  const std::string text = form.form == PromptForm::kChat ? render_chat(tokenizer, prompt) : prompt;
  const TokenIds own = tokenizer.encode(text, SpecialTokens::kNone).ids;
  TokenIds ids = front_of_row(form.prefix, own, form.form);
  ids.insert(ids.end(), own.begin(), own.end());
  return ids;
}

TokenIds target_ids(const Tokenizer& tokenizer, const std::string& target, const RowForm& form) {
  if (form.form == PromptForm::kRaw) return encode_next_words(tokenizer, target);
  return tokenizer.encode(target, SpecialTokens::kNone, Position::kContinuation).ids;
}

TokenIds taught_ends(const Tokenizer& tokenizer, TargetEnd end, PromptForm form, const std::string& where) {
  if (end == TargetEnd::kNone || (end == TargetEnd::kAuto && form == PromptForm::kRaw)) return {};
  TokenIds ends = end_tokens(tokenizer);
  if (ends.empty() && end == TargetEnd::kEos)
    throw Error(ErrorKind::kConfig,
                where + ": end: eos: the tokenizer of this model has no token that ends a text or a turn");
  return ends;
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
