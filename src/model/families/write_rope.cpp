#include "model/families/write_rope.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "model/rotary.h"

namespace emend {

double decimal(double value) {
  return std::strtod(fmt::format("{}", static_cast<float>(value)).c_str(), nullptr);
}

namespace {

// The base that the angles of an unscaled table, or one that is scaled by one factor, have.
double base_of(const std::vector<double>& frequencies) {
  if (frequencies.size() < 2) return 10000;
  const double ratio = frequencies[0] / frequencies[1];
  return decimal(std::pow(ratio, static_cast<double>(frequencies.size())));
}

std::vector<double> factors_of(const std::vector<double>& plain, const std::vector<double>& scaled) {
  std::vector<double> factors;
  for (std::size_t i = 0; i < plain.size(); ++i) factors.push_back(decimal(plain[i] / scaled[i]));
  return factors;
}

bool are_near(const std::vector<double>& a, const std::vector<double>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](double x, double y) { return std::abs(x - y) <= 1e-6 * std::abs(y); });
}

// Llama 3.1 and later: factor 8 or 32 of an original length of 8192.
std::optional<ResultJson> llama3_words(const std::vector<double>& plain, const RotaryTable& table) {
  Llama3Scaling scaling;
  scaling.factor = std::round(plain.back() / table.frequencies.back());
  std::vector<double> scaled = plain;
  scale_llama3(scaled, scaling);
  if (!are_near(scaled, table.frequencies)) return std::nullopt;
  return ResultJson{{"rope_type", "llama3"},
                    {"factor", scaling.factor},
                    {"low_freq_factor", scaling.low_freq_factor},
                    {"high_freq_factor", scaling.high_freq_factor},
                    {"original_max_position_embeddings", scaling.original_max_positions}};
}

// Each angle by a factor of its own, for short rows and for long ones.
ResultJson longrope_words(const std::vector<double>& plain, const RotaryTable& table, double original) {
  const bool has_long = !table.long_frequencies.empty();
  return {{"rope_type", "longrope"},
          {"short_factor", factors_of(plain, table.frequencies)},
          {"long_factor", factors_of(plain, has_long ? table.long_frequencies : table.frequencies)},
          {"attention_factor", decimal(table.amplitude)},
          {"original_max_position_embeddings", original}};
}

void add_scaling(const ModelConfig& c, const ConfigValues& v, const TensorFile& file,
                 const RotaryTable& table, RopeWords& words) {
  const std::vector<double> plain =
      rotary_frequencies(2 * static_cast<std::int64_t>(table.frequencies.size()), words.base);
  const auto original = v.integer({"", "rope.scaling.original_context_length"}, c.max_positions);
  const std::string type = v.text({"", "rope.scaling.type"}, "linear");
  const bool has_factors =
      file.find("rope_freqs.weight") != nullptr || file.find("rope_factors_short.weight") != nullptr;
  if (type == "yarn") {
    words.scaling = {{"rope_type", "yarn"},
                     {"factor", decimal(v.number({"", "rope.scaling.factor"}, 1.0))},
                     {"original_max_position_embeddings", original},
                     {"beta_fast", decimal(v.number({"", "rope.scaling.yarn_beta_fast"}, 32.0))},
                     {"beta_slow", decimal(v.number({"", "rope.scaling.yarn_beta_slow"}, 1.0))},
                     {"attention_factor", decimal(table.amplitude)}};
  } else if (has_factors || table.amplitude != 1) {
    if (table.long_frequencies.empty() && table.amplitude == 1)
      if (const auto llama3 = llama3_words(plain, table)) {
        words.scaling = *llama3;
        return;
      }
    words.original_positions = table.long_frequencies.empty() ? c.max_positions : table.long_from;
    words.scaling = longrope_words(plain, table, static_cast<double>(*words.original_positions));
  } else if (const double factor = plain.front() / table.frequencies.front(); std::abs(factor - 1) > 1e-9) {
    words.scaling = {{"rope_type", "linear"}, {"factor", decimal(factor)}};
  }
}

}  // namespace

RopeWords rope_words(const ModelConfig& c, const ConfigValues& v, const TensorFile& file,
                     std::size_t number) {
  const RotaryTable& table = c.rotary.at(number);
  RopeWords words;
  const bool is_local = number > 0;
  const SettingName key{"", is_local ? "rope.freq_base_swa" : "rope.freq_base"};
  words.base = v.has(key) ? decimal(v.number(key)) : base_of(table.frequencies);
  words.partial = 2 * static_cast<double>(table.frequencies.size()) / static_cast<double>(c.head_dim);
  if (!is_local) add_scaling(c, v, file, table, words);
  return words;
}

}  // namespace emend
