// A chat template, rendered for a conversation with rules, turns and tools.
#include <string>
#include <vector>

#include "emend/error.h"
#include "read_input.h"
#include "text/jinja/template.h"

namespace emend::fuzz {
namespace {

using text::jinja::Value;

Value turn(const char* role, const char* content) {
  return Value::dict({{"role", role}, {"content", content}});
}

text::jinja::Variables conversation() {
  const Value function = Value::dict({{"name", "f"}, {"parameters", Value::dict({{"x", 1.5}})}});
  const Value tool = Value::dict({{"type", "function"}, {"function", function}});
  return {
      {"messages", Value::list({turn("system", " Be short.\n"), turn("user", "caf\xC3\xA9 \xE6\x9D\xB1 <b>"),
                                turn("assistant", "<think>\nx</think>\n\nA"), turn("user", "\xFF")})},
      {"tools", Value::list({tool})},
      {"documents", Value()},
      {"add_generation_prompt", true},
      {"bos_token", "<s>"},
      {"eos_token", "</s>"}};
}

}  // namespace

void read_input(std::string_view input) {
  const text::jinja::Template chat(input, "template");
  const text::jinja::Variables variables = conversation();
  const std::string text = chat.render(variables, {});
  abort_unless(text == chat.render(variables, {}), "a template gives the same text each time");
}

}  // namespace emend::fuzz
