#include "editors/common/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "base/nearest.h"
#include "base/strings.h"
#include "emend/error.h"

namespace emend::editors {

namespace {

template <typename Number>
Number parse_number(const std::string& text, const std::string& expected) {
  Number value{};
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size()) throw std::invalid_argument(expected);
  return value;
}

template <typename Number>
std::string number_text(Number value) {
  char buffer[64];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
  return {buffer, result.ptr};
}

template <typename Number>
OptionBinding ranged(const std::string& name, Number& field, Number low, Number high, const std::string& kind,
                     const std::string& help) {
  const std::string expected = fmt::format("{} between {} and {}", kind, number_text(low), number_text(high));
  return {name, help, [&field] { return number_text(field); },
          [&field, low, high, expected](const std::string& text) {
            const auto value = parse_number<Number>(text, expected);
            if (!(value >= low && value <= high)) throw std::invalid_argument(expected);
            field = value;
          }};
}

}  // namespace

OptionBinding number_option(const std::string& name, double& field, double low, double high,
                            const std::string& help) {
  return ranged(name, field, low, high, "a number", help);
}

OptionBinding integer_option(const std::string& name, int& field, int low, int high,
                             const std::string& help) {
  return ranged(name, field, low, high, "an integer", help);
}

OptionBinding flag_option(const std::string& name, bool& field, const std::string& help) {
  return {name, help, [&field] { return field ? "true" : "false"; },
          [&field](const std::string& text) {
            if (text != "true" && text != "false") throw std::invalid_argument("true or false");
            field = text == "true";
          }};
}

OptionBinding choice_option(const std::string& name, const std::vector<std::string>& words,
                            std::function<int()> get, std::function<void(int)> set, const std::string& help) {
  return {name, help, [words, get] { return words[static_cast<std::size_t>(get())]; },
          [words, set](const std::string& text) {
            const auto it = std::find(words.begin(), words.end(), text);
            if (it == words.end()) throw std::invalid_argument("one of " + join(words));
            set(static_cast<int>(it - words.begin()));
          }};
}

OptionBinding preset_option(bool& published, std::function<void()> use, const std::string& help) {
  return choice_option(
      "preset", {"emend", "paper"}, [&published] { return published ? 1 : 0; },
      [&published, use = std::move(use)](int choice) {
        published = choice == 1;
        use();
      },
      help);
}

void append(std::vector<OptionBinding>& all, std::vector<OptionBinding> some) {
  std::move(some.begin(), some.end(), std::back_inserter(all));
}

void apply_options(const std::string& method, const std::vector<OptionBinding>& table,
                   const std::map<std::string, OptionText>& given) {
  for (const auto& option : given) {
    const std::string& name = option.first;
    const OptionText& text = option.second;
    const auto it = std::find_if(table.begin(), table.end(),
                                 [&](const OptionBinding& known) { return known.name == name; });
    if (it == table.end()) {
      std::vector<std::string> known;
      known.reserve(table.size());
      for (const OptionBinding& binding : table) known.push_back(binding.name);
      throw Error(ErrorKind::kConfig, fmt::format("{}: {} has no option {}{}", text.where, method,
                                                  quote(name), did_you_mean(name, known)));
    }
    try {
      it->set(text.value);
    } catch (const std::invalid_argument& expected) {
      throw Error(ErrorKind::kConfig, fmt::format("{}: option {} must be {}, found {}", text.where,
                                                  quote(name), expected.what(), quote(text.value)));
    }
  }
}

std::map<std::string, std::string> option_values(const std::vector<OptionBinding>& table) {
  std::map<std::string, std::string> values;
  for (const OptionBinding& option : table) values[option.name] = option.get();
  return values;
}

std::vector<OptionHelp> option_help(const std::vector<OptionBinding>& table) {
  std::vector<OptionHelp> help;
  help.reserve(table.size());
  for (const OptionBinding& option : table) help.push_back({option.name, option.get(), option.help});
  return help;
}

}  // namespace emend::editors
