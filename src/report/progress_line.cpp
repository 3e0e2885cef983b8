#include "report/progress_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/strings.h"
#include "report/display_text.h"
#include "report/numbers.h"

namespace emend {
namespace {

constexpr std::size_t kBarColumns = 20;

double share_of(const ProgressState& state) {
  return std::clamp(static_cast<double>(state.done) / static_cast<double>(state.total), 0.0, 1.0);
}

// Count, rate, time left, note.
std::vector<std::string> facts_of(const ProgressState& state) {
  std::vector<std::string> facts;
  std::string of;
  if (state.total > 0) of.append("/").append(count_text(state.total));
  facts.push_back(fmt::format("{}{} {}", count_text(state.done), of, state.unit));
  if (state.done > 0 && state.seconds > 0) {
    const double rate = static_cast<double>(state.done) / state.seconds;
    facts.push_back(fmt::format("{} {}/s", number_text(rate), state.unit));
    if (state.total > state.done)
      facts.push_back(human_seconds(static_cast<double>(state.total - state.done) / rate) + " left");
  }
  if (!state.note.empty()) facts.push_back(one_line(state.note));
  return facts;
}

}  // namespace

std::string progress_bar(const ProgressState& state, std::size_t columns) {
  std::string line = state.stage + "  ";
  if (state.total > 0) {
    const double share = share_of(state);
    const auto filled = static_cast<std::size_t>(share * kBarColumns);
    line.append("[").append(filled, '#').append(kBarColumns - filled, '.').append("]  ");
    line.append(std::to_string(static_cast<int>(100 * share))).append(" %  ");
  }
  return cut_to_width(line + join(facts_of(state), "  "), columns);
}

std::string progress_text(const ProgressState& state) {
  return fmt::format("{}: {}", state.stage, join(facts_of(state)));
}

std::string progress_end(const ProgressState& state) {
  return fmt::format("{}: {} {} in {}", state.stage, count_text(state.done), state.unit,
                     human_seconds(state.seconds));
}

}  // namespace emend
