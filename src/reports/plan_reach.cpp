#include "reports/plan_reach.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/first_names.h"
#include "report/numbers.h"

namespace emend {
namespace {

constexpr double kLittle = 0.05, kLoud = 0.3;  // shares of the value that a neighbour receives
constexpr double kLargeNorm = 3;               // times the median of the file
constexpr std::size_t kFewest = 3;             // edits of which there is a usual size
constexpr std::size_t kLines = 10;

// Nothing is known of it, or its size says that it reaches far: told first, as one that may reach furthest.
bool may_reach_far(const EditPlan::Entry& entry, double median) {
  return reach_of(entry) == Reach::kUnknown || (median > 0 && entry.predicted_norm > kLargeNorm * median);
}

double median_norm(const EditPlan& plan) {
  std::vector<double> norms;
  for (const EditPlan::Entry& entry : plan.entries) norms.push_back(entry.predicted_norm);
  std::sort(norms.begin(), norms.end());
  return norms.size() < kFewest ? 0 : norms[norms.size() / 2];
}

std::string neighbours_words(const EditPlan::Entry& entry) {
  const std::string share = percent_text(entry.largest_neighbour_alpha);
  switch (reach_of(entry)) {
    case Reach::kUnknown:
      return "no neighbours are given, so how far it reaches others is not known before it is made";
    case Reach::kHardly:
      return fmt::format("its neighbours are hardly reached: the nearest one receives {} of the change",
                         share);
    case Reach::kTouched:
      return fmt::format("a neighbour receives {} of the change: its answer may move", share);
    case Reach::kReached:
      return fmt::format(
          "a neighbour receives {} of the change, as a prompt does that names the same subject: only the "
          "checks "
          "tell whether its own answer stays",
          share);
  }
  return "";
}

std::string line_of(const EditPlan::Entry& entry, double median) {
  std::string line = entry.id + ": " + neighbours_words(entry);
  if (entry.text_share > 0)
    line +=
        fmt::format("; ordinary text receives {} of it (root mean square)", percent_text(entry.text_share));
  if (!entry.merged_with.empty())
    line +=
        fmt::format("; it is one change with {}, whose key is the same", first_names(entry.merged_with, 3));
  if (median > 0 && entry.predicted_norm > kLargeNorm * median)
    line += fmt::format(
        "; its change will be {} times the usual one of this file, since its key lies close to "
        "ordinary text: expect it to reach further",
        number_text(entry.predicted_norm / median, 2));
  return line + ".";
}

}  // namespace

Reach reach_of(const EditPlan::Entry& entry) {
  if (entry.largest_neighbour_alpha <= 0) return Reach::kUnknown;
  if (entry.largest_neighbour_alpha < kLittle) return Reach::kHardly;
  return entry.largest_neighbour_alpha <= kLoud ? Reach::kTouched : Reach::kReached;
}

const char* to_string(Reach reach) {
  switch (reach) {
    case Reach::kUnknown:
      return "unknown";
    case Reach::kHardly:
      return "hardly";
    case Reach::kTouched:
      return "touched";
    case Reach::kReached:
      return "reached";
  }
  return "";
}

std::string reach_text(const EditPlan& plan) {
  std::vector<EditPlan::Entry> entries = plan.entries;
  std::erase_if(entries, [](const EditPlan::Entry& entry) { return entry.predicted_norm <= 0; });
  if (entries.empty()) return "";
  const double median = median_norm(plan);
  std::stable_sort(entries.begin(), entries.end(), [&](const EditPlan::Entry& a, const EditPlan::Entry& b) {
    const bool a_first = may_reach_far(a, median), b_first = may_reach_far(b, median);
    if (a_first != b_first) return a_first;
    return a.largest_neighbour_alpha > b.largest_neighbour_alpha;
  });
  std::string text = "What the edits will reach, as their keys tell before any search:\n";
  const std::size_t told = std::min(entries.size(), kLines);
  for (std::size_t i = 0; i < told; ++i) text += "  " + line_of(entries[i], median) + "\n";
  const auto rest = entries.begin() + static_cast<std::ptrdiff_t>(told);
  const auto far = std::count_if(rest, entries.end(),
                                 [&](const EditPlan::Entry& entry) { return may_reach_far(entry, median); });
  if (far > 0)
    text += fmt::format("  {} more of unknown reach, or with a change far larger than the usual one.\n", far);
  if (const auto others = entries.end() - rest - far; others > 0)
    text += fmt::format(
        "  {} more {}.\n", others,
        may_reach_far(*(rest - 1), median) ? "whose neighbours are named" : "reach no further than these");
  return text;
}

}  // namespace emend
