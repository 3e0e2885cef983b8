#include "editors/crispedit/options.h"

namespace emend::editors {

namespace {

// In the order of the enum.
const std::vector<std::string> kProjectedWords = {"gradient", "change"};

CrispEditOptions own_options() {
  CrispEditOptions own;
  own.training.relative_rate = 0.05;
  own.training.epochs = 250;
  return own;
}

// Ikram et al. 2026, as their program runs Llama 3 8B: energy 0.8 and 100 texts of at most 512 tokens,
// batches of 32, 25 epochs of Adam at 5e-4, layers 19 to 23 of 32.
CrispEditOptions published_options() {
  CrispEditOptions published;
  published.projected = Projected::kGradient;
  published.energy = 0.8;
  published.curvature_tokens = 51200;
  published.training.learning_rate = 5e-4;
  published.training.batch = 32;
  for (const double layer : {19, 20, 21, 22, 23}) published.depths.push_back(layer / 32);
  return published;
}

}  // namespace

CrispEditOptionTable::CrispEditOptionTable() : value_(own_options()) {}

CrispEditOptionTable::CrispEditOptionTable(const std::map<std::string, OptionText>& given)
    : CrispEditOptionTable() {
  std::map<std::string, OptionText> rest = given;
  if (const auto preset = rest.extract("preset"))
    apply_options("crispedit", bindings(), {{"preset", preset.mapped()}});
  apply_options("crispedit", bindings(), rest);
}

std::vector<OptionBinding> CrispEditOptionTable::bindings() {
  std::vector<OptionBinding> all = {
      preset_option(
          published_, [this] { value_ = published_ ? published_options() : own_options(); },
          "paper: the constants as published; other options still override them"),
      word_option("projected", kProjectedWords, value_.projected,
                  "what stays within the directions of low curvature; change: the change of the weight; "
                  "gradient: each gradient before Adam, as published"),
      number_option("energy", value_.energy, 0, 1,
                    "share of the curvature of each layer whose directions are left out"),
      integer_option("curvature_tokens", value_.curvature_tokens, 64, 1 << 24,
                     "tokens of text that the model writes, for the moment of gradients")};
  append(all, training_bindings(value_.training));
  return all;
}

}  // namespace emend::editors
