#include <charconv>

#include "base/strings.h"
#include "emend/error.h"
#include "eval/run.h"

namespace emend {

std::string EvalMode::text() const {
  switch (kind) {
    case Kind::kSingle:
      return "single";
    case Kind::kBatch:
      return "batch:" + std::to_string(size);
    case Kind::kSequential:
      return "sequential:" + std::to_string(size);
  }
  return "";
}

EvalMode parse_eval_mode(const std::string& text) {
  if (text == "single") return {};
  const std::size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  if (colon != std::string::npos && (name == "batch" || name == "sequential")) {
    EvalMode mode{name == "batch" ? EvalMode::Kind::kBatch : EvalMode::Kind::kSequential, 0};
    const auto [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), mode.size);
    if (error == std::errc() && end == text.data() + text.size() && mode.size >= 1) return mode;
  }
  throw Error(ErrorKind::kUsage,
              "--mode must be single, batch:N or sequential:N with N from 1, found " + quote(text));
}

}  // namespace emend
