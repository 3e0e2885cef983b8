// Jinja2 templates as transformers renders a model's chat template: ImmutableSandboxedEnvironment with
// trim_blocks, lstrip_blocks, loop controls, {% generation %}, its own tojson, no escaping. The subset is
// what chat templates use; anything else is refused by name, with line and column. Text equals jinja2's.
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/evaluator.h"
#include "text/jinja/runtime.h"
#include "text/jinja/syntax.h"

namespace emend::text::jinja {

class Template {
 public:
  // `where` names the template in errors. Throws Error(kModel) if it cannot be parsed.
  Template(std::string_view source, std::string where);

  // Throws Error(kModel) for what goes wrong while it runs: an undefined value that is used, raise_exception
  // (with the template's words), a limit that is passed.
  std::string render(const Variables& variables, const Moment& now, const Limits& limits = {}) const;

 private:
  [[noreturn]] void fail(std::size_t position, const std::string& message) const;

  std::string source_;
  std::string where_;
  Block block_;
};

}  // namespace emend::text::jinja
