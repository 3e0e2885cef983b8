// Typed options of a method: one table gives names, defaults, help, parsing and printing.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "emend/editor.h"
#include "emend/records.h"

namespace emend::editors {

// One option bound to a field of the method's options struct.
struct OptionBinding {
  std::string name;
  std::string help;
  std::function<std::string()> get;
  // Throws std::invalid_argument with what was expected.
  std::function<void(const std::string&)> set;
};

OptionBinding number_option(const std::string& name, double& field, double low, double high,
                            const std::string& help);
OptionBinding integer_option(const std::string& name, int& field, int low, int high, const std::string& help);
OptionBinding flag_option(const std::string& name, bool& field, const std::string& help);
// One of a few words.
OptionBinding choice_option(const std::string& name, const std::vector<std::string>& words,
                            std::function<int()> get, std::function<void(int)> set, const std::string& help);

// One of a few words, which stand in the order of the enum.
template <typename Enum>
OptionBinding word_option(const std::string& name, const std::vector<std::string>& words, Enum& field,
                          const std::string& help) {
  return choice_option(
      name, words, [&field] { return static_cast<int>(field); },
      [&field](int choice) { field = static_cast<Enum>(choice); }, help);
}

// `preset`: emend, or paper (`published`). `use` gives all options the values of the preset that was chosen.
OptionBinding preset_option(bool& published, std::function<void()> use, const std::string& help);

// Puts `some` behind what `all` has.
void append(std::vector<OptionBinding>& all, std::vector<OptionBinding> some);

// Sets what is given. Throws Error(kConfig) with place, option and, for an unknown one, the nearest known.
void apply_options(const std::string& method, const std::vector<OptionBinding>& table,
                   const std::map<std::string, OptionText>& given);
std::map<std::string, std::string> option_values(const std::vector<OptionBinding>& table);
std::vector<OptionHelp> option_help(const std::vector<OptionBinding>& table);

}  // namespace emend::editors
