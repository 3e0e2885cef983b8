#include "editors/common/rows.h"

#include "emend/error.h"
#include "emend/generate.h"
#include "emend/statistics.h"

namespace emend {

namespace {

// CJK ideographs, kana and hangul are written without spaces between words (kana, ideographs) or begin a word by themselves.
bool begins_without_space(const std::string& target) {
  if (target.size() < 3 || (static_cast<unsigned char>(target[0]) & 0xF0) != 0xE0) return target.size() >= 4 && (static_cast<unsigned char>(target[0]) == 0xF0 && static_cast<unsigned char>(target[1]) >= 0xA0);
  const unsigned code = ((static_cast<unsigned char>(target[0]) & 0x0Fu) << 12) |
                        ((static_cast<unsigned char>(target[1]) & 0x3Fu) << 6) | (static_cast<unsigned char>(target[2]) & 0x3Fu);
  return (code >= 0x3040 && code <= 0x30FF) || (code >= 0x3400 && code <= 0x9FFF) || (code >= 0xF900 && code <= 0xFAFF);
}

// Encodes `before` + prompt and finds the subject's last token by its span.
PromptRow located_row(const Tokenizer& tokenizer, const TokenIds& front, const std::string& before, const EditRequest& request,
                      const RowForm& form) {
  std::string text = before + request.prompt;
  std::size_t begin = before.size() + request.subject_begin;
  if (form.form == PromptForm::kChat) {
    const std::string rendered = render_chat(tokenizer, text);
    const std::size_t at = rendered.rfind(text);
    if (at == std::string::npos)
      throw Error(ErrorKind::kConfig, "edit " + request.id + ": the chat template changes the prompt's text");
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

PromptRow context_row(const Tokenizer& tokenizer, const EditRequest& request, const TokenIds& context, const RowForm& form) {
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

std::vector<TokenIds> sample_contexts(const Model& model, const TokenIds& prefix, std::int64_t count, std::uint64_t seed) {
  std::vector<TokenIds> contexts;
  TokenIds opening = prefix;
  if (opening.empty()) opening.push_back(start_token(model, prefix));
  for (const std::int64_t length : {4, 9}) {
    GenerateOptions sampling;
    sampling.max_new = length;
    sampling.temperature = 1;
    sampling.top_k = 5;
    sampling.seed = seed;
    sampling.stream = (std::uint64_t{1} << 33) + static_cast<std::uint64_t>(contexts.size());
    for (TokenIds& context : generate(model, std::vector<TokenIds>(static_cast<std::size_t>(count), opening), sampling))
      contexts.push_back(std::move(context));
  }
  return contexts;
}

}  // namespace emend
