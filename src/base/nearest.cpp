#include "base/nearest.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/strings.h"

namespace emend {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// At least one slip is forgiven, whatever the length.
std::size_t forgiven_distance(std::size_t longer) {
  return std::clamp<std::size_t>(longer / 3, 1, 3);
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  const std::size_t n = b.size();
  std::vector<std::size_t> before(n + 1), previous(n + 1), current(n + 1);
  std::iota(previous.begin(), previous.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= n; ++j) {
      const std::size_t replaced = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({replaced, previous[j] + 1, current[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        current[j] = std::min(current[j], before[j - 2] + 1);
      }
    }
    before.swap(previous);
    previous.swap(current);
  }
  return previous[n];
}

std::optional<std::string> nearest_name(std::string_view name, const std::vector<std::string>& known) {
  constexpr std::size_t kLongestName = 256;
  if (name.size() > kLongestName) return std::nullopt;
  const std::string wanted = lower(name);
  std::optional<std::string> best;
  std::size_t best_distance = 0;
  for (const std::string& candidate : known) {
    const std::size_t limit = forgiven_distance(std::max(name.size(), candidate.size()));
    const std::size_t gap = std::max(name.size(), candidate.size()) - std::min(name.size(), candidate.size());
    if (gap > limit) continue;
    const std::size_t distance = edit_distance(wanted, lower(candidate));
    // A name as short as the distance has nothing in common with it.
    if (distance > limit || distance >= std::max(name.size(), candidate.size())) continue;
    if (!best || distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

namespace {

// The name that `name` begins with: "target" for "target_new".
std::optional<std::string> without_addition(std::string_view name, const std::vector<std::string>& known) {
  const std::string wanted = lower(name);
  for (const std::string& candidate : known)
    if (!candidate.empty() && wanted.starts_with(lower(candidate) + "_")) return candidate;
  return std::nullopt;
}

}  // namespace

std::string did_you_mean(std::string_view name, const std::vector<std::string>& known) {
  std::optional<std::string> near = nearest_name(name, known);
  if (!near) near = without_addition(name, known);
  if (near) return fmt::format("; did you mean {}?", quote(*near));
  return known.empty() ? std::string() : "; known: " + join(known);
}

}  // namespace emend
