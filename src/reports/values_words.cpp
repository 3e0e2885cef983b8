#include "reports/values_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "report/numbers.h"

namespace emend {

std::string quartiles_text(const std::array<double, 3>& quartiles) {
  return fmt::format("{}, {}, {}", probability_text(quartiles[0]), probability_text(quartiles[1]),
                     probability_text(quartiles[2]));
}

std::string ranks_text(const std::array<double, 3>& quartiles) {
  const auto text = [](double rank) {
    return std::isfinite(rank) ? count_text(static_cast<std::int64_t>(rank)) : "-";
  };
  return fmt::format("{}, {}, {}", text(quartiles[0]), text(quartiles[1]), text(quartiles[2]));
}

std::string share_text(double share) {
  constexpr double kSmall = 0.01;
  if (share == 0) return "0 %";
  return std::abs(share) < kSmall ? number_text(100 * share, 2) + " %" : percent_text(share);
}

std::string precision_name(const ValuesOutcome& outcome) {
  int triggers = 0;
  for (const LayerValues& layer : outcome.layers)
    if (layer.agreement) triggers = std::max(triggers, layer.agreement->triggers);
  return triggers > 0 ? fmt::format("precision@{}", triggers) : "precision";
}

std::string tokens_text(const std::vector<std::string>& tokens) {
  std::vector<std::string> quoted;
  for (const std::string& token : tokens) quoted.push_back(quote(token));
  return join(quoted, " ");
}

std::string ending_text(const std::string& text) {
  constexpr std::size_t kShown = 70;
  if (text.size() <= kShown) return text;
  std::size_t from = text.size() - kShown;
  while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xC0) == 0x80) ++from;
  return "…" + text.substr(from);
}

std::string values_summary(const ValuesOutcome& outcome, const ValueOptions& options) {
  std::string text = fmt::format("{} values against {} tokens (lens {}).", count_text(outcome.cells),
                                 count_text(outcome.vocabulary), to_string(options.lens));
  if (!outcome.sharpest.empty())
    text += fmt::format(" Of the {} sharpest {} lie in the upper third of the layers",
                        outcome.sharpest.size(), outcome.sharpest_in_top_third);
  if (!outcome.index_settings.empty() && !outcome.sharpest.empty())
    text += fmt::format(", {} foretell what follows one of their triggers", outcome.sharpest_agreeing);
  return outcome.sharpest.empty() ? text : text + ".";
}

}  // namespace emend
