#include "model/spec_text.h"

#include <fmt/format.h>

namespace emend {

namespace {

// Collects a line for each value that is not the usual one.
class Choices {
 public:
  template <typename Value>
  void add(const char* name, const Value& value, const Value& usual) {
    if (value != usual) lines_.push_back(fmt::format("{} {}", name, value));
  }
  void add(const char* line, bool wanted) {
    if (wanted) lines_.emplace_back(line);
  }
  std::vector<std::string> lines() && { return std::move(lines_); }

 private:
  std::vector<std::string> lines_;
};

std::string table_text(const RotaryTable& table) {
  return fmt::format("pairs {}, frequencies {}, long {} from {}, base {} times {}, amplitude {}",
                     static_cast<int>(table.pairs), fmt::join(table.frequencies, " "),
                     fmt::join(table.long_frequencies, " "), table.long_from, table.base,
                     table.dynamic_factor, table.amplitude);
}

bool is_plain(const RotaryTable& table) {
  return table.long_from == 0 && table.amplitude == 1;
}

std::string joined(const std::vector<std::string>& lines) {
  return fmt::format("{}", fmt::join(lines, ", "));
}

// The tables, unless there is one at most and its frequencies and pairs say all.
void add_tables(const ModelConfig& config, std::vector<std::string>& lines) {
  if (config.rotary.size() == 1 && is_plain(config.rotary.front())) return;
  for (const RotaryTable& table : config.rotary) lines.push_back("rotary " + table_text(table));
}

}  // namespace

std::vector<std::string> block_choices(const BlockSpec& s) {
  const BlockSpec usual;
  Choices choices;
  choices.add("query and key norm of each head", s.qk_norm == QkNorm::kPerHead);
  choices.add("query and key norm of the full width", s.qk_norm == QkNorm::kFullWidth);
  choices.add("query and key norm of each head, with factors of its own", s.qk_norm == QkNorm::kEachHead);
  choices.add("no rotary positions", s.rotary == kNoRotary);
  if (s.rotary != kNoRotary) choices.add("rotary table", s.rotary, usual.rotary);
  choices.add("window", s.window, usual.window);
  choices.add("attention scale", s.attention_scale, usual.attention_scale);
  choices.add("attention soft cap", s.attention_soft_cap, usual.attention_soft_cap);
  choices.add("ALiBi", s.alibi);
  choices.add("no norm before attention", !s.attention_norm);
  choices.add("norm behind attention", s.attention_post_norm);
  choices.add("no norm before the MLP", !s.mlp_norm && !s.parallel);
  choices.add("parallel MLP with its own norm", s.mlp_norm && s.parallel);
  choices.add("norm behind the MLP", s.mlp_post_norm);
  choices.add("residual multiplier", s.residual_multiplier, usual.residual_multiplier);
  return std::move(choices).lines();
}

std::vector<std::string> model_choices(const ModelConfig& config) {
  Choices choices;
  choices.add("embedding multiplier", config.embedding_multiplier, 1.0);
  choices.add("logit multiplier", config.logit_multiplier, 1.0);
  choices.add("logit soft cap", config.logit_soft_cap, 0.0);
  choices.add("position offset", config.position_offset, std::int64_t{0});
  choices.add("both learned and rotary positions", config.learned_positions && !config.rotary.empty());
  choices.add("no positions", !config.learned_positions && config.rotary.empty());
  return std::move(choices).lines();
}

std::vector<std::string> further_choices(const ModelConfig& config) {
  std::vector<std::string> lines = model_choices(config);
  add_tables(config, lines);
  for (const std::string& line : block_choices(config.block)) lines.push_back(line);
  for (int l = 0; l < static_cast<int>(config.blocks.size()); ++l) {
    const std::vector<std::string> own = block_choices(config.spec(l));
    if (!own.empty()) lines.push_back(fmt::format("block {}: {}", l, joined(own)));
  }
  return lines;
}

std::string norm_side(bool before, bool behind) {
  if (before) return behind ? "sandwich" : "pre";
  return behind ? "post" : "none";
}

bool is_direct_value_path(const BlockSpec& spec) {
  return !spec.mlp_post_norm && spec.residual_multiplier == 1;
}

std::string value_path_text(const BlockSpec& spec) {
  std::string text = spec.mlp_post_norm ? "behind a norm" : "";
  if (spec.residual_multiplier != 1)
    text += std::string(text.empty() ? "" : ", ") + "times " + std::to_string(spec.residual_multiplier);
  return text.empty() ? "added as it is" : text;
}

}  // namespace emend
