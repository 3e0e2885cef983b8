#include "text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/json.h"
#include "emend/tokenizer.h"
#include "fixtures.h"

namespace emend {
namespace {

using testing::HasSubstr;

std::unique_ptr<Tokenizer> with_template(const std::string& jinja, const Json& config = Json::object()) {
  TokenizerJson source;
  source.tokenizer_json = test::minimal_tokenizer_json();
  source.tokenizer_config_json = config.dump();
  source.chat_template_jinja = jinja;
  source.where = "tokenizer.json";
  return make_tokenizer(source);
}

const std::string kSmolLm2 =
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ "
    "'<|im_start|>system\nYou are a "
    "helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + "
    "message['role'] "
    "+ '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ "
    "'<|im_start|>assistant\n' }}{% endif %}";

TEST(RenderChat, WritesTheDefaultSystemMessage) {
  EXPECT_EQ(
      render_chat(*with_template(kSmolLm2), "Hi"),
      "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
      "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
}

TEST(RenderChat, ReadsEscapedNewlines) {
  std::string escaped;
  for (const char c : kSmolLm2) escaped += c == '\n' ? std::string("\\n") : std::string(1, c);
  EXPECT_EQ(render_chat(*with_template(escaped), "Hi"), render_chat(*with_template(kSmolLm2), "Hi"));
}

TEST(RenderChat, TakesTheBranchWithoutTools) {
  const std::string qwen = R"({%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0]['role'] == 'system' %}{{- messages[0]['content'] }}
    {%- else %}{{- 'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.' }}{%- endif %}
    {{- "\n\n# Tools\n\nYou may call one or more functions\n</tools><|im_end|>\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %})";
  EXPECT_EQ(
      render_chat(*with_template(qwen), "Hi"),
      "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
      "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
}

TEST(RenderChat, KnowsTemplatesWithoutASystemMessage) {
  const std::string jinja =
      "{# '<|im_start|>system\\nnot this<|im_end|>' #}{% for m in messages %}{{ '<|im_start|>' + m['role'] + "
      "'\\n' + "
      "m['content'] | trim + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ "
      "'<|im_start|>assistant\\n<think>\\n' }}{% endif %}";
  EXPECT_EQ(render_chat(*with_template(jinja), " Hi \n"),
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n");
}

// Llama 2 and Gemma have such templates: what a system message says is passed over or refused. emend sends a
// user's message alone, so that nothing is dropped and nothing raised, and the message is found.
TEST(RenderChat, TemplatesThatDropASystemMessageKeepTheUsers) {
  const std::string dropping =
      "{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
      "{% elif m['role'] == 'system' %}{{ '' }}{% endif %}{% endfor %}";
  const std::string refusing =
      "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
      "{% for m in messages %}{{ '<start_of_turn>' + m['role'] + '\n' + m['content'] | trim + "
      "'<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif "
      "%}";
  // The first message becomes the system's where it is one, and is no user's message any more.
  const std::string sliced =
      "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% else %}{% set rest = messages "
      "%}{% endif %}{% for m in rest %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}{{ "
      "'assistant: ' }}";
  for (const auto& [jinja, text] :
       {std::pair(dropping, "[INST] Say system [/INST]"),
        std::pair(refusing, "<start_of_turn>user\nSay system<end_of_turn>\n<start_of_turn>model\n"),
        std::pair(sliced, "user: Say system\nassistant: ")}) {
    const auto tokenizer = with_template(jinja);
    EXPECT_EQ(render_chat(*tokenizer, "Say system"), text);
    const ChatText chat = render_chat_with_place(*tokenizer, "Say system");
    EXPECT_EQ(chat.text.substr(chat.message.begin, chat.message.end - chat.message.begin), "Say system");
  }
}

TEST(RenderChat, ReadsASystemMessageFromAVariable) {
  const std::string jinja =
      "{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content'] %}{% else %}"
      "{% set system_message = \"It's me\" %}{% endif %}{{ '<|im_start|>system\\n' + system_message + "
      "'<|im_end|>\\n' }}"
      "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% "
      "endfor %}"
      "{{ '<|im_start|>assistant\\n' }}";
  EXPECT_EQ(render_chat(*with_template(jinja), "Hi"),
            "<|im_start|>system\nIt's me<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
}

// Looks like ChatML, and is not: it was rendered as plain ChatML once.
TEST(RenderChat, RolesMayBeRenamed) {
  const std::string jinja =
      "{% for m in messages %}{{ '<|im_start|>' + ('human' if m['role'] == 'user' else m['role']) + '\\n' + "
      "m['content'] + '<|im_end|>\\n' }}{% endfor %}{{ '<|im_start|>assistant\\n' }}";
  EXPECT_EQ(render_chat(*with_template(jinja), "Hi"),
            "<|im_start|>human\nHi<|im_end|>\n<|im_start|>assistant\n");
}

TEST(RenderChat, SpecialTokensAreVariables) {
  const Json config = {
      {"bos_token", {{"content", "<|end|>"}}}, {"eos_token", "</s>"}, {"unk_token", nullptr}};
  EXPECT_EQ(
      render_chat(*with_template("{{ bos_token }}{{ eos_token }}{{ unk_token is defined }}", config), "Hi"),
      "<|end|></s>False");
}

// transformers passes them to every template.
TEST(RenderChat, ToolsAndDocumentsAreDefinedButNone) {
  EXPECT_EQ(
      render_chat(*with_template("{{ tools is defined }}{{ tools }}{{ documents }}{{ messages|length }}"),
                  "Hi"),
      "TrueNoneNone1");
}

TEST(RenderChat, TheDayIsAnOption) {
  const auto tokenizer = with_template("{{ strftime_now('%d %b %Y') }}");
  EXPECT_EQ(render_chat(*tokenizer, "Hi"), "26 Jul 2024");
  EXPECT_EQ(render_chat(*tokenizer, "Hi", {.year = 2025, .month = 2, .day = 3}), "03 Feb 2025");
}

TEST(RenderChat, ErrorsTellThePlaceAndTheTemplatesWords) {
  const auto message = [](const std::string& jinja) {
    return test::error_of(ErrorKind::kModel, [&] { render_chat(*with_template(jinja), "Hi"); });
  };
  EXPECT_EQ(
      message("a\n {{ raise_exception('Roles must alternate') }}"),
      "the model's chat template, line 2, column 20: the template refuses this conversation: Roles must "
      "alternate");
  EXPECT_EQ(message("{{ role + 'x' }}"), "the model's chat template, line 1, column 9: 'role' is undefined");
  EXPECT_THAT(message("{% include 'x' %}"), HasSubstr("the statement 'include' is not supported by emend"));
  EXPECT_THAT(message(""), HasSubstr("no chat template"));
}

// What the message's bytes are in the chat text.
std::string found_message(const ChatText& chat) {
  return chat.text.substr(chat.message.begin, chat.message.end - chat.message.begin);
}

TEST(ChatPlace, TheMessageIsFoundWhereItStands) {
  const auto tokenizer = with_template(kSmolLm2);
  // Both words stand elsewhere in the text too, behind the message and before it.
  for (const std::string message : {"assistant", "system", "a", "\n", "<|im_end|>", "\xEE\x80\x80"}) {
    const ChatText chat = render_chat_with_place(*tokenizer, message);
    EXPECT_EQ(chat.text, render_chat(*tokenizer, message));
    EXPECT_EQ(found_message(chat), message);
    EXPECT_EQ(chat.text.substr(0, chat.message.begin).substr(chat.message.begin - 5), "user\n");
    EXPECT_EQ(chat.taken_off, 0u);
  }
}

TEST(ChatPlace, WhiteSpaceMayBeTakenOff) {
  const auto tokenizer = with_template("{{ '<start_of_turn>' + messages[0].content | trim + '|' }}");
  const ChatText chat = render_chat_with_place(*tokenizer, "\n The tower ");
  EXPECT_EQ(chat.text, "<start_of_turn>The tower|");
  EXPECT_EQ(found_message(chat), "The tower");
  EXPECT_EQ(chat.taken_off, 2u);
  const ByteSpan tower = place_in_chat(chat, {6, 11});
  EXPECT_EQ(chat.text.substr(tower.begin, tower.end - tower.begin), "tower");
  test::error_of(ErrorKind::kConfig, [&] { place_in_chat(chat, {1, 5}); });
  test::error_of(ErrorKind::kConfig, [&] { place_in_chat(chat, {6, 12}); });
}

TEST(ChatPlace, AMessageThatStandsTwiceIsItsLastOne) {
  const ChatText chat =
      render_chat_with_place(*with_template("{{ messages[0].content }}, {{ messages[0].content }}!"), "Hi");
  EXPECT_EQ(chat.text, "Hi, Hi!");
  EXPECT_EQ(chat.message.begin, 4u);
}

TEST(ChatPlace, AChangedMessageHasNoPlace) {
  for (const std::string jinja :
       {"{{ messages[0].content | upper }}", "{{ messages[0].content[1:] }}", "x",
        "{{ messages[0].content | replace('tower', 'house') }}",
        "{{ 'short' if messages[0].content | length < 12 else messages[0].content }}"}) {
    const std::string error = test::error_of(
        ErrorKind::kConfig, [&] { render_chat_with_place(*with_template(jinja), "The tower"); });
    EXPECT_THAT(error, HasSubstr("changes the text of the message \"The tower\"")) << jinja;
  }
}

TEST(KindOfTemplate, IsReadOffItsMarks) {
  EXPECT_EQ(text::kind_of_template("{{ '<|im_start|>' }}"), "ChatML");
  EXPECT_THAT(text::kind_of_template("{{ '<|start_header_id|>' + role }}"), HasSubstr("Llama 3"));
  EXPECT_THAT(text::kind_of_template("{{ bos_token + '[INST] ' }}"), HasSubstr("[INST]"));
  EXPECT_THAT(text::kind_of_template("<start_of_turn>user"), HasSubstr("Gemma"));
  EXPECT_EQ(text::kind_of_template("{{ messages }}"), "a template of its own");
}

}  // namespace
}  // namespace emend
