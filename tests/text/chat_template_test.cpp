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

std::unique_ptr<Tokenizer> with_template(const std::string& jinja) {
  TokenizerJson source;
  source.tokenizer_json = test::minimal_tokenizer_json();
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

TEST(RenderChat, ReadsQwenTemplates) {
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

TEST(RenderChat, RefusesOtherKindsByName) {
  const auto message = [](const std::string& jinja) {
    return test::error_of(ErrorKind::kModel, [&] { render_chat(*with_template(jinja), "Hi"); });
  };
  EXPECT_THAT(message("{{ '<|start_header_id|>' + role }}"), HasSubstr("looks like Llama 3"));
  EXPECT_THAT(message("{{ bos_token + '[INST] ' }}"), HasSubstr("[INST]"));
  EXPECT_THAT(message("<start_of_turn>user"), HasSubstr("Gemma"));
  EXPECT_THAT(message("{{ messages }}"), HasSubstr("not known"));
  EXPECT_THAT(message(""), HasSubstr("no chat template"));
}

TEST(ChatTemplate, LiteralsEndWhereTheirQuotesDo) {
  const auto pieces = text::literals_of_template("a{{ 'x}}\\'' + \"y'\" }}b{% if 'c' %}{# d #}");
  std::vector<std::string> texts;
  for (const auto& piece : pieces) texts.push_back(piece.text);
  EXPECT_THAT(texts, testing::ElementsAre("a", "x}}'", "y'", "b", "c"));
}

TEST(ChatTemplate, BrokenTemplatesDoNotRunAway) {
  for (const std::string jinja : {"{{ 'abc", "{% ", "{#", "{", "{{ 'a\\"}) {
    EXPECT_LE(text::literals_of_template(jinja).size(), 1u) << jinja;
  }
}

}  // namespace
}  // namespace emend
