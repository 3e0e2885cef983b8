#include "analysis/causal_trace/traced_prompt.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/strings.h"
#include "base/utf8.h"
#include "emend/error.h"
#include "emend/generate.h"

namespace emend::trace {

TracedPrompt prompt_row(const Model& model, const TraceFact& fact, const TraceOptions& options) {
  const Tokenizer& tokenizer = model.tokenizer();
  std::string text = fact.prompt;
  ByteSpan span{fact.subject_begin, fact.subject_begin + fact.subject.size()};
  if (options.form == PromptForm::kChat) {
    const ChatText chat = render_chat_with_place(tokenizer, fact.prompt);
    span = place_in_chat(chat, span);
    text = chat.text;
  }
  const Encoding encoding = tokenizer.encode(text, SpecialTokens::kNone);
  if (encoding.ids.size() < 2)
    throw Error(ErrorKind::kConfig, fmt::format("fact {}: the prompt {} is one token: there is nothing "
                                                "between the subject and the answer to trace",
                                                fact.id, quote(fact.prompt)));
  const SubjectTokens subject = find_subject_tokens(encoding, span, text);
  TracedPrompt row;
  row.ids = front_of_row(options.prefix, encoding.ids, options.form);
  const auto front = static_cast<std::int64_t>(row.ids.size());
  row.ids.insert(row.ids.end(), encoding.ids.begin(), encoding.ids.end());
  row.prompt = static_cast<std::int64_t>(row.ids.size());
  row.subject_begin = front + static_cast<std::int64_t>(subject.first);
  row.subject_end = front + static_cast<std::int64_t>(subject.last) + 1;
  return row;
}

TracedPrompt with_answer(TracedPrompt row, TokenIds answer) {
  row.ids.resize(static_cast<std::size_t>(row.prompt));
  row.ids.insert(row.ids.end(), answer.begin(), answer.end() - 1);
  row.answer = std::move(answer);
  return row;
}

TokenIds answer_ids(const Model& model, const TraceFact& fact, const TraceOptions& options,
                    const TracedPrompt& row) {
  if (fact.answer.empty()) return {next_tokens(model, {row.ids}, 1, options.token_budget)[0][0].id};
  TokenIds answer = target_ids(model.tokenizer(), fact.answer, {options.prefix, options.form});
  if (answer.empty())
    throw Error(ErrorKind::kConfig,
                fmt::format("fact {}: the answer {} has no tokens", fact.id, quote(fact.answer)));
  return answer;
}

std::string answer_text(const Tokenizer& tokenizer, const TokenIds& ids) {
  const std::string text = tokenizer.decode(ids, false);
  return text.substr(std::min(text.find_first_not_of(' '), text.size()));
}

std::string token_text(const Tokenizer& tokenizer, std::int64_t id) {
  const std::string bytes = tokenizer.token_bytes(id);
  std::string text;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t length = utf8_length(bytes, at);
    if (length > 0) {
      text += bytes.substr(at, length);
      at += length;
      continue;
    }
    char buffer[8];
    std::snprintf(buffer, sizeof buffer, "\\x%02X", static_cast<unsigned char>(bytes[at]));
    text += buffer;
    ++at;
  }
  return text;
}

}  // namespace emend::trace
