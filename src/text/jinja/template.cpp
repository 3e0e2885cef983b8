#include "text/jinja/template.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "emend/error.h"
#include "text/jinja/characters.h"
#include "text/jinja/lexer.h"
#include "text/jinja/statement_parser.h"

namespace emend::text::jinja {

Template::Template(std::string_view source, std::string where)
    : source_(normalise_source(source)), where_(std::move(where)) {
  try {
    block_ = parse(source_);
  } catch (const SyntaxFault& fault) {
    fail(fault.position, fault.message);
  }
}

std::string Template::render(const Variables& variables, const Moment& now, const Limits& limits) const {
  Runtime runtime(limits, now);
  Evaluator evaluator(runtime, variables);
  try {
    return evaluator.run(block_);
  } catch (const Fault& fault) {
    fail(evaluator.position(), fault.message);
  }
}

void Template::fail(std::size_t position, const std::string& message) const {
  const std::string_view before = std::string_view(source_).substr(0, position);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t column = 1 + count_characters(before.substr(before.rfind('\n') + 1));
  throw Error(ErrorKind::kModel, fmt::format("{}, line {}, column {}: {}", where_, line, column, message));
}

}  // namespace emend::text::jinja
