#include "emend/eval.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

#include "base/strings.h"
#include "emend/error.h"

namespace emend {
namespace {

constexpr std::array<std::pair<RecordStatus, std::string_view>, 4> kStatuses = {{
    {RecordStatus::kEdited, "edited"},
    {RecordStatus::kAlreadyTrue, "already true"},
    {RecordStatus::kFailed, "failed"},
    {RecordStatus::kSkipped, "skipped"},
}};

}  // namespace

std::string EvalMode::text() const {
  switch (kind) {
    case Kind::kSingle:
      return "single";
    case Kind::kBatch:
      return fmt::format("batch:{}", size);
    case Kind::kSequential:
      return fmt::format("sequential:{}", size);
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
              "the option mode must be single, batch:N or sequential:N with N from 1, found " + quote(text));
}

std::string_view to_string(RecordStatus status) {
  for (const auto& [known, name] : kStatuses)
    if (known == status) return name;
  return "";
}

std::optional<RecordStatus> parse_record_status(std::string_view text) {
  for (const auto& [status, name] : kStatuses)
    if (name == text) return status;
  return std::nullopt;
}

bool is_evaluated(RecordStatus status) {
  return status == RecordStatus::kEdited || status == RecordStatus::kFailed;
}

}  // namespace emend
