#include "model/families/rope_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "emend/error.h"
#include "model/rotary.h"

namespace emend {

namespace {

[[noreturn]] void refuse(const ConfigValues& v, const std::string& what) {
  throw Error(ErrorKind::kModel, fmt::format("{}: {}", v.where(), what));
}

// The objects of config.json that may hold a setting, the first one that has it counts.
class RopeObjects {
 public:
  RopeObjects(const ConfigValues& values, const std::string& layer_type) : v_(values) {
    if (layer_type.empty()) {
      const bool older = v_.has_object("rope_scaling");
      objects_ = {older ? "rope_scaling." : "rope_parameters."};
    } else {
      if (layer_type == "full_attention" && v_.has_object("rope_scaling")) objects_ = {"rope_scaling."};
      objects_.push_back("rope_parameters." + layer_type + ".");
    }
  }

  // The setting's full name inside the objects; inside the first of them where none has it.
  SettingName inside(const std::string& key) const {
    for (const std::string& object : objects_)
      if (v_.has({object + key, ""})) return {object + key, ""};
    return {objects_.front() + key, ""};
  }
  // The same, or the setting beside them.
  SettingName anywhere(const std::string& key, const std::string& beside) const {
    const SettingName name = inside(key);
    return v_.has(name) ? name : SettingName{beside, ""};
  }
  double number(const std::string& key) const { return v_.number(inside(key)); }
  double number(const std::string& key, double fallback) const { return v_.number(inside(key), fallback); }

 private:
  const ConfigValues& v_;
  std::vector<std::string> objects_;
};

// How many of a head's dimensions turn.
std::int64_t turned_dimensions(const ConfigValues& v, const ModelConfig& c, double partial) {
  if (c.head_dim <= 0 || c.head_dim % 2 != 0 || c.head_dim > (1 << 16))
    refuse(v, fmt::format("the head size is {}; it must be even and positive", c.head_dim));
  const auto turned = static_cast<std::int64_t>(static_cast<double>(c.head_dim) * partial);
  if (!(partial > 0 && partial <= 1) || turned < 2 || turned % 2 != 0)
    refuse(v, fmt::format("{} of {} head dimensions turn; it must be an even number of them", turned,
                          c.head_dim));
  return turned;
}

double checked_base(const ConfigValues& v, double base) {
  if (!(base > 1) || !std::isfinite(base))
    refuse(v, fmt::format("the rotary base is {}; it must be larger than 1", base));
  return base;
}

// What scalings make of settings that no model has: no number.
RotaryTable checked(const ConfigValues& v, RotaryTable table) {
  const auto finite = [](double number) { return std::isfinite(number); };
  if (!std::all_of(table.frequencies.begin(), table.frequencies.end(), finite) ||
      !std::all_of(table.long_frequencies.begin(), table.long_frequencies.end(), finite) ||
      !finite(table.amplitude))
    refuse(v, "the rotary settings give no numbers");
  return table;
}

double checked_factor(const ConfigValues& v, double factor) {
  if (!(factor > 0) || !std::isfinite(factor))
    refuse(v, fmt::format("the factor of the rotary scaling is {}; it must be positive", factor));
  return factor;
}

void divide(std::vector<double>& frequencies, double factor) {
  for (double& f : frequencies) f /= factor;
}

std::vector<double> divided(const std::vector<double>& frequencies, const std::vector<double>& factors,
                            const ConfigValues& v, const std::string& name) {
  if (factors.size() != frequencies.size())
    refuse(v, fmt::format("{} has {} values, expected {}", name, factors.size(), frequencies.size()));
  std::vector<double> found;
  for (std::size_t i = 0; i < factors.size(); ++i)
    found.push_back(frequencies[i] / checked_factor(v, factors[i]));
  return found;
}

// The length that the model was trained on before its positions were stretched.
double original_positions(const ConfigValues& v, const RopeObjects& rope, std::int64_t usual) {
  const SettingName beside{"original_max_position_embeddings", ""};
  const std::int64_t found =
      v.has(beside) ? v.integer(beside) : v.integer(rope.inside("original_max_position_embeddings"), usual);
  if (found <= 0) refuse(v, "original_max_position_embeddings must be positive");
  return static_cast<double>(found);
}

void read_yarn(const ConfigValues& v, const RopeObjects& rope, std::int64_t usual, double base,
               RotaryTable& table) {
  YarnScaling scaling;
  scaling.original_max_positions = original_positions(v, rope, usual);
  scaling.factor = checked_factor(v, rope.number("factor"));
  scaling.beta_fast = rope.number("beta_fast", 32);
  scaling.beta_slow = rope.number("beta_slow", 1);
  scaling.truncate = v.boolean(rope.inside("truncate"), true);
  scale_yarn(table.frequencies, base, scaling);
  const double m = rope.number("mscale", 0), all = rope.number("mscale_all_dim", 0);
  table.amplitude = m != 0 && all != 0
                        ? yarn_amplitude(scaling.factor, m) / yarn_amplitude(scaling.factor, all)
                        : yarn_amplitude(scaling.factor);
  table.amplitude = rope.number("attention_factor", table.amplitude);
}

void read_longrope(const ConfigValues& v, const RopeObjects& rope, std::int64_t usual, double positions,
                   RotaryTable& table) {
  const double original = original_positions(v, rope, usual);
  const double factor = rope.number("factor", positions / original);
  const std::vector<double> plain = table.frequencies;
  const SettingName for_short = rope.inside("short_factor"), for_long = rope.inside("long_factor");
  table.frequencies = divided(plain, v.numbers(for_short), v, for_short.json);
  table.long_frequencies = divided(plain, v.numbers(for_long), v, for_long.json);
  table.long_from = static_cast<std::int64_t>(original);
  table.amplitude = rope.number("attention_factor",
                                factor <= 1 ? 1.0 : std::sqrt(1 + std::log(factor) / std::log(original)));
}

void read_llama3(const ConfigValues& v, const RopeObjects& rope, std::int64_t usual, RotaryTable& table) {
  Llama3Scaling scaling;
  scaling.factor = checked_factor(v, rope.number("factor"));
  scaling.low_freq_factor = rope.number("low_freq_factor");
  scaling.high_freq_factor = rope.number("high_freq_factor");
  scaling.original_max_positions = original_positions(v, rope, usual);
  scale_llama3(table.frequencies, scaling);
}

void read_dynamic(const ConfigValues& v, const RopeObjects& rope, const ModelConfig& c, double base,
                  RotaryTable& table) {
  table.dynamic_factor = checked_factor(v, rope.number("factor"));
  if (table.dynamic_factor < 1 || table.frequencies.size() < 2)
    refuse(v, "dynamic rotary scaling needs a factor of at least 1 and at least 4 dimensions that turn");
  table.base = base;
  table.long_from = c.max_positions;
}

RotaryTable read_json(const ConfigValues& v, const ModelConfig& c, const RopeDefaults& d) {
  const RopeObjects rope(v, d.layer_type);
  if (d.layer_type.empty() &&
      (v.has_object("rope_parameters.full_attention") || v.has_object("rope_parameters.sliding_attention")))
    refuse(v, fmt::format("rotary parameters by layer type are not supported for {}", c.family));
  const double base = checked_base(v, v.number(rope.anywhere("rope_theta", d.base_name), d.base));
  const double partial = d.takes_partial
                             ? v.number(rope.anywhere("partial_rotary_factor", d.partial_name), d.partial)
                             : d.partial;
  RotaryTable table;
  table.frequencies = rotary_frequencies(turned_dimensions(v, c, partial), base);
  const std::int64_t usual = d.original_positions > 0 ? d.original_positions : c.max_positions;
  std::string type = v.text(rope.inside("rope_type"), v.text(rope.inside("type"), "default"));
  if (d.yarn_is_longrope && (type == "su" || type == "yarn")) type = "longrope";
  if (type == "linear")
    divide(table.frequencies, checked_factor(v, rope.number("factor")));
  else if (type == "yarn")
    read_yarn(v, rope, usual, base, table);
  else if (type == "longrope")
    read_longrope(v, rope, usual, static_cast<double>(c.max_positions), table);
  else if (type == "llama3")
    read_llama3(v, rope, usual, table);
  else if (type == "dynamic")
    read_dynamic(v, rope, c, base, table);
  else if (type != "default")
    refuse(v, fmt::format("rope_type {} is not supported; known: default, linear, dynamic, yarn, longrope, "
                          "llama3",
                          quote(type)));
  return table;
}

std::vector<double> read_factors(const TensorFile& file, const std::string& name) {
  const TensorInfo* stored = file.find(name);
  if (!stored) return {};
  constexpr std::int64_t kMost = 1 << 16;  // as many pairs has no head
  if (stored->elements() > kMost)
    throw Error(ErrorKind::kModel, fmt::format("{}: {} has {} values, more than a head has pairs",
                                               file.path().string(), name, stored->elements()));
  std::vector<float> factors(static_cast<std::size_t>(stored->elements()));
  read_as_float32(file, *stored, factors);
  return {factors.begin(), factors.end()};
}

// Divisors that the converter worked out: rope_freqs (Llama 3), or those of short and long rows (longrope).
void apply_stored_factors(const ConfigValues& v, const TensorFile& file, RotaryTable& table,
                          double original) {
  const std::vector<double> plain = table.frequencies;
  const auto apply = [&](const char* name, std::vector<double>& target) {
    const std::vector<double> factors = read_factors(file, name);
    if (!factors.empty()) target = divided(plain, factors, v, name);
  };
  apply("rope_freqs.weight", table.frequencies);
  apply("rope_factors_short.weight", table.frequencies);
  apply("rope_factors_long.weight", table.long_frequencies);
  if (!table.long_frequencies.empty()) table.long_from = static_cast<std::int64_t>(original);
}

RotaryTable read_gguf(const ConfigValues& v, const TensorFile& file, const ModelConfig& c,
                      const RopeDefaults& d) {
  const bool sliding = d.layer_type == "sliding_attention";
  const double base =
      checked_base(v, v.number({"", sliding ? "rope.freq_base_swa" : "rope.freq_base"}, d.base));
  const SettingName count{"", "rope.dimension_count"};
  const std::int64_t turned = v.has(count) ? v.integer(count) : turned_dimensions(v, c, d.partial);
  if (turned < 2 || turned % 2 != 0 || turned > c.head_dim)
    refuse(v, fmt::format("{}.rope.dimension_count is {}; it must be even and at most the head size, {}",
                          v.text({"", "general.architecture"}), turned, c.head_dim));
  RotaryTable table;
  table.pairs = d.gguf_pairs;
  table.frequencies = rotary_frequencies(turned, base);
  if (sliding) return table;  // llama.cpp scales full layers only
  double factor = v.number({"", "rope.scaling.factor"}, v.number({"", "rope.scale_linear"}, 0.0));
  factor = factor == 0 ? 1.0 : checked_factor(v, factor);
  const double original =
      static_cast<double>(v.integer({"", "rope.scaling.original_context_length"}, c.max_positions));
  const std::string type = v.text({"", "rope.scaling.type"}, "linear");
  if (type == "linear") {
    divide(table.frequencies, factor);
  } else if (type == "yarn") {
    YarnScaling scaling;
    scaling.factor = factor;
    scaling.original_max_positions = original;
    scaling.beta_fast = v.number({"", "rope.scaling.yarn_beta_fast"}, 32.0);
    scaling.beta_slow = v.number({"", "rope.scaling.yarn_beta_slow"}, 1.0);
    if (v.number({"", "rope.scaling.yarn_log_multiplier"}, 0.0) != 0)
      refuse(v, "rope.scaling.yarn_log_multiplier is not supported");
    const double mix = v.number({"", "rope.scaling.yarn_ext_factor"}, 1.0);  // negative: the usual, 1
    if (mix >= 0 && mix != 1)
      refuse(v, fmt::format("rope.scaling.yarn_ext_factor {} is not supported, only 1", mix));
    scale_yarn(table.frequencies, base, scaling);
    table.amplitude = v.number({"", "rope.scaling.yarn_attn_factor"}, yarn_amplitude(factor));
  } else if (type != "none" && type != "longrope") {
    refuse(v,
           fmt::format("rope scaling {} is not supported; known: none, linear, yarn, longrope", quote(type)));
  }
  table.amplitude *= v.number({"", "rope.scaling.attn_factor"}, 1.0);
  apply_stored_factors(v, file, table, original);
  return table;
}

}  // namespace

RotaryTable read_rotary(const ConfigValues& values, const TensorFile& file, const ModelConfig& config,
                        const RopeDefaults& defaults) {
  return checked(values, values.is_gguf() ? read_gguf(values, file, config, defaults)
                                          : read_json(values, config, defaults));
}

void use_rotary(const ConfigValues& values, const TensorFile& file, ModelConfig& config,
                const RopeDefaults& defaults) {
  config.learned_positions = false;
  config.rotary = {read_rotary(values, file, config, defaults)};
  const RotaryTable& table = config.rotary.front();
  if (table.dynamic_factor > 1)  // positions are stretched so far
    config.max_positions =
        static_cast<std::int64_t>(static_cast<double>(config.max_positions) * table.dynamic_factor);
}

}  // namespace emend
