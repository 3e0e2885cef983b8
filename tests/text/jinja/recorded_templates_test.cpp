// Templates and expressions against what jinja2 made of them, called as transformers calls it
// (tools/fixtures/chat_templates.py).
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>

#include "base/files.h"
#include "emend/error.h"
#include "json_values.h"
#include "text/jinja/template.h"

namespace emend {
namespace {

using test::OrderedJson;

std::string read(const std::string& name) {
  return read_text_file(std::filesystem::path(EMEND_TEST_DATA) / "chat_templates" / name);
}

// std::nullopt where the template is refused or fails; `why` then says how.
std::optional<std::string> render(const std::string& source, const text::jinja::Variables& variables,
                                  std::string& why) {
  try {
    return text::jinja::Template(source, "template").render(variables, {});
  } catch (const Error& error) {
    why = error.what();
    return std::nullopt;
  }
}

std::optional<std::string> text_of(const OrderedJson& recorded) {
  return recorded.is_null() ? std::nullopt : std::optional(recorded.get<std::string>());
}

// What render_jinja_template gives to a template, besides the options of the call.
OrderedJson variables_of_call(const OrderedJson& conversation, const OrderedJson& special) {
  OrderedJson variables = special;
  variables["messages"] = conversation["messages"];
  variables["tools"] = nullptr;
  variables["documents"] = nullptr;
  variables["add_generation_prompt"] = true;
  variables.update(conversation["options"]);
  return variables;
}

TEST(RecordedTemplates, TextsAreThoseOfTransformers) {
  const OrderedJson recorded = OrderedJson::parse(read("rendered.json"));
  int compared = 0;
  for (const auto& [file, texts] : recorded["texts"].items()) {
    const std::string source = read(file);
    for (const auto& [name, text] : texts.items()) {
      const OrderedJson variables = variables_of_call(recorded["conversations"][name], recorded["special"]);
      std::string why;
      EXPECT_EQ(render(source, test::variables_of(variables), why), text_of(text))
          << file << ", " << name << ": " << why;
      ++compared;
    }
  }
  EXPECT_GE(compared, 200);
}

TEST(RecordedTemplates, ExpressionsAreThoseOfJinja2) {
  const OrderedJson recorded = OrderedJson::parse(read("expressions.json"));
  OrderedJson variables = recorded["variables"];
  for (const char* name : {"tools", "documents"}) variables[name] = nullptr;
  variables["messages"] = OrderedJson::array();
  variables["add_generation_prompt"] = false;
  const text::jinja::Variables values = test::variables_of(variables);
  for (const OrderedJson& expression : recorded["expressions"]) {
    const auto source = expression["template"].get<std::string>();
    std::string why;
    EXPECT_EQ(render(source, values, why), text_of(expression["text"])) << source << "\n" << why;
  }
  EXPECT_GE(recorded["expressions"].size(), 500u);
}

}  // namespace
}  // namespace emend
