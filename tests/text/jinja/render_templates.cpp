// Renders templates for tools/check_templates.py. One JSON object a line comes in: {"template": text,
// "variables": {name: value}}. One goes out for each: {"text": what the template gives} or {"error": why
// there is none}.
#include <iostream>
#include <string>

#include "emend/error.h"
#include "json_values.h"
#include "text/jinja/template.h"

namespace emend {
namespace {

using test::OrderedJson;

OrderedJson render(const OrderedJson& request) {
  try {
    const text::jinja::Template source(request.at("template").get<std::string>(), "template");
    return {{"text", source.render(test::variables_of(request.at("variables")), {})}};
  } catch (const Error& error) {
    return {{"error", error.what()}};
  }
}

}  // namespace
}  // namespace emend

int main() {
  for (std::string line; std::getline(std::cin, line);)
    std::cout << emend::render(emend::test::OrderedJson::parse(line)).dump() << "\n";
}
