#include "serve/completion_json.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"
#include "pipeline/continue_prompt.h"

namespace emend {
namespace {

// Characters that begin in these bytes.
std::int64_t characters(const std::string& bytes) {
  return std::count_if(bytes.begin(), bytes.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

std::string printable(const std::string& bytes) {
  if (!find_invalid_utf8(bytes)) return bytes;
  std::string text = "bytes:";
  for (const char c : bytes) text += fmt::format("\\x{:02X}", static_cast<unsigned char>(c));
  return text;
}

// The four lists of "logprobs".
class TokenLists {
 public:
  explicit TokenLists(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  // `offset`: characters of the text before the token.
  void add(const ReadToken& token, std::int64_t offset) {
    tokens_.push_back(printable(token_text(tokenizer_, token.id)));
    offsets_.push_back(offset);
    logprobs_.push_back(or_null(token.logprob));
    if (!token.logprob) {
      top_.push_back(nullptr);
      return;
    }
    ResultJson top = ResultJson::object();
    // Likeliest first: of tokens with the same text the likelier stays.
    for (const TokenLogprob& other : token.top)
      top.emplace(printable(token_text(tokenizer_, other.id)), other.logprob);
    if (!token.top.empty()) top[tokens_.back().get<std::string>()] = *token.logprob;
    top_.push_back(std::move(top));
  }

  ResultJson json() && {
    return {{"tokens", std::move(tokens_)},
            {"token_logprobs", std::move(logprobs_)},
            {"top_logprobs", std::move(top_)},
            {"text_offset", std::move(offsets_)}};
  }

 private:
  const Tokenizer& tokenizer_;
  ResultJson tokens_ = ResultJson::array(), logprobs_ = ResultJson::array(), top_ = ResultJson::array(),
             offsets_ = ResultJson::array();
};

ResultJson logprobs_json(const CompletionPrompt& prompt, const Completion& completion,
                         const Tokenizer& tokenizer) {
  TokenLists lists(tokenizer);
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < completion.before.size(); ++i) {
    lists.add(completion.before[i], offset);
    if (i < prompt.front) continue;  // a BOS that the text does not have
    const std::string bytes = token_text(tokenizer, completion.before[i].id);
    offset += characters(bytes);
    // Some tokenizers put a blank in front of a text, which stands in no text.
    if (i == prompt.front && bytes.starts_with(' ') && !prompt.text.starts_with(' ')) --offset;
  }
  const std::int64_t begin = completion.before.empty() ? 0 : characters(prompt.text);
  const std::int64_t end = begin + characters(completion.text);
  offset = begin;
  for (const ReadToken& token : completion.drawn) {
    lists.add(token, std::min(offset, end));
    if (token.id >= tokenizer.size() || !tokenizer.is_special(token.id))
      offset += characters(token_text(tokenizer, token.id));
  }
  return std::move(lists).json();
}

}  // namespace

ResultJson completion_json(const CompletionRequest& request, const std::vector<Completion>& completions,
                           const Tokenizer& tokenizer, const CompletionLabel& label) {
  ResultJson choices = ResultJson::array();
  std::int64_t read = 0, drawn = 0;
  for (const CompletionPrompt& prompt : request.prompts) read += static_cast<std::int64_t>(prompt.ids.size());
  for (const Completion& completion : completions) {
    const CompletionPrompt& prompt = request.prompts[completion.prompt];
    drawn += static_cast<std::int64_t>(completion.drawn.size());
    choices.push_back(
        {{"text", (request.echo ? prompt.text : "") + completion.text},
         {"index", choices.size()},
         {"logprobs", request.logprobs ? logprobs_json(prompt, completion, tokenizer) : ResultJson(nullptr)},
         {"finish_reason", completion.ended ? "stop" : "length"}});
  }
  return {{"id", label.id},
          {"object", "text_completion"},
          {"created", label.created},
          {"model", label.model},
          {"choices", std::move(choices)},
          {"usage", {{"prompt_tokens", read}, {"completion_tokens", drawn}, {"total_tokens", read + drawn}}}};
}

}  // namespace emend
