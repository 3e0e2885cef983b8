#include "text/chat_template.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/strings.h"
#include "emend/error.h"
#include "emend/tokenizer.h"
#include "text/jinja/characters.h"
#include "text/jinja/template.h"
#include "text/unicode.h"

namespace emend {
namespace text {
namespace {

using jinja::Value;

constexpr std::string_view kWhere = "the model's chat template";

jinja::Template template_of(const Tokenizer& tokenizer) {
  const std::string& source = tokenizer.chat_template();
  if (source.empty())
    throw Error(ErrorKind::kModel, "the model has no chat template, or none named default; use the raw form");
  return {source, std::string(kWhere)};
}

jinja::Moment moment_of(const ChatOptions& options) {
  jinja::Moment moment;
  moment.year = options.year;
  moment.month = options.month;
  moment.day = options.day;
  return moment;
}

// As transformers calls a template: tools and documents are defined, but none.
jinja::Variables variables_for(const Tokenizer& tokenizer, std::string_view message) {
  jinja::Variables variables;
  for (const auto& [name, content] : tokenizer.named_special_tokens()) variables.emplace_back(name, content);
  Value user = Value::dict({{"role", "user"}, {"content", std::string(message)}});
  variables.emplace_back("messages", Value::list({std::move(user)}));
  variables.emplace_back("tools", Value());
  variables.emplace_back("documents", Value());
  variables.emplace_back("add_generation_prompt", true);
  return variables;
}

// A private character that stands neither in the message nor in the template.
std::string find_mark(std::string_view message, std::string_view jinja) {
  for (char32_t code = 0xE000; code < 0xF8FF; ++code) {
    std::string mark;
    append_utf8(mark, code);
    if (message.find(mark) == std::string_view::npos && jinja.find(mark) == std::string_view::npos)
      return mark;
  }
  throw Error(ErrorKind::kConfig,
              "the message holds every private character of Unicode; emend needs one of them");
}

}  // namespace

std::string kind_of_template(std::string_view jinja) {
  using Sign = std::pair<std::string_view, std::string_view>;
  constexpr std::array kSigns = std::to_array<Sign>({
      {"<|im_start|>", "ChatML"},
      {"<|start_header_id|>", "Llama 3 (<|start_header_id|>)"},
      {"[INST]", "Llama 2 or Mistral ([INST])"},
      {"<start_of_turn>", "Gemma (<start_of_turn>)"},
      {"<|start_of_role|>", "Granite (<|start_of_role|>)"},
      {"<|START_OF_TURN_TOKEN|>", "Command (<|START_OF_TURN_TOKEN|>)"},
      {"<|user|>", "Zephyr or Phi-3 (<|user|>)"},
      {"<\xEF\xBD\x9CUser\xEF\xBD\x9C>", "DeepSeek (<\xEF\xBD\x9CUser\xEF\xBD\x9C>)"},
      {"### Instruction", "Alpaca (### Instruction)"},
  });
  for (const auto& [sign, name] : kSigns) {
    if (jinja.find(sign) != std::string_view::npos) return std::string(name);
  }
  return "a template of its own";
}

}  // namespace text

std::string render_chat(const Tokenizer& tokenizer, std::string_view user_message,
                        const ChatOptions& options) {
  return text::template_of(tokenizer).render(text::variables_for(tokenizer, user_message),
                                             text::moment_of(options));
}

ChatText render_chat_with_place(const Tokenizer& tokenizer, std::string_view user_message,
                                const ChatOptions& options) {
  const text::jinja::Template chat = text::template_of(tokenizer);
  const auto render = [&](std::string_view message) {
    return chat.render(text::variables_for(tokenizer, message), text::moment_of(options));
  };
  const std::string mark = text::find_mark(user_message, tokenizer.chat_template());
  const std::string_view stripped = text::jinja::strip(user_message, text::jinja::Side::kBoth);
  ChatText result;
  result.text = render(user_message);
  // Whole first; then, for templates that trim, without the white space around it.
  for (const std::string_view message : {user_message, stripped}) {
    if (message.empty()) continue;
    const std::string between = fmt::format("{}{}{}", mark, message, mark);
    const std::string marked = render(between);
    const std::size_t begin = marked.rfind(between);
    if (begin == std::string::npos) continue;
    std::string unmarked = marked;
    for (std::size_t at = unmarked.find(mark); at != std::string::npos; at = unmarked.find(mark, at))
      unmarked.erase(at, mark.size());
    if (unmarked != result.text) continue;
    std::size_t marks_before = 0;
    for (std::size_t at = marked.find(mark); at < begin; at = marked.find(mark, at + mark.size()))
      ++marks_before;
    const std::size_t place = begin - marks_before * mark.size();
    result.message = {place, place + message.size()};
    result.taken_off = static_cast<std::size_t>(message.data() - user_message.data());
    return result;
  }
  throw Error(
      ErrorKind::kConfig,
      fmt::format(
          "the chat template changes the text of the message {}, so that the place of a word in it is "
          "not known; use the raw form",
          quote(user_message)));
}

ByteSpan place_in_chat(const ChatText& chat, ByteSpan span) {
  const std::size_t size = chat.message.end - chat.message.begin;
  if (span.begin < chat.taken_off || span.end > chat.taken_off + size || span.begin > span.end)
    throw Error(ErrorKind::kConfig,
                fmt::format("bytes {} to {} of the message are white space that the chat template takes off",
                            span.begin, span.end));
  const auto place = [&](std::size_t byte) { return byte - chat.taken_off + chat.message.begin; };
  return {place(span.begin), place(span.end)};
}

}  // namespace emend
