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

std::string unit_of(const ProgressState& state, std::int64_t count) {
  if (count != 1 || !state.unit.ends_with('s')) return state.unit;
  return state.unit.substr(0, state.unit.size() - (state.unit.ends_with("xes") ? 2 : 1));  // "prefixes"
}

// Count, rate, time left, note.
std::vector<std::string> facts_of(const ProgressState& state) {
  std::vector<std::string> facts;
  std::string of;
  if (state.total > 0) of.append("/").append(count_text(state.total));
  facts.push_back(fmt::format("{}{} {}", count_text(state.done), of,
                              unit_of(state, state.total > 0 ? state.total : state.done)));
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

std::string progress_begin(const ProgressState& state) {
  if (state.total <= 0) return state.stage + ": started";
  return fmt::format("{}: {} {}", state.stage, count_text(state.total), unit_of(state, state.total));
}

std::string progress_text(const ProgressState& state) {
  return fmt::format("{}: {}", state.stage, join(facts_of(state)));
}

std::string progress_end(const ProgressState& state) {
  return fmt::format("{}: {} {} in {}", state.stage, count_text(state.done), unit_of(state, state.done),
                     human_seconds(state.seconds));
}

}  // namespace emend
