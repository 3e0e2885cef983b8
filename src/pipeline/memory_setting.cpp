// Settings of cells as text.
#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/strings.h"
#include "emend/error.h"
#include "emend/memory_set.h"

namespace emend {
namespace {

[[noreturn]] void refuse(std::string_view text) {
  throw Error(ErrorKind::kUsage,
              fmt::format("{} is no setting of a cell: it is written L12D771=off, L12D771=on, L12D771=2.5 or "
                          "L12D771=x0.5, with @last, @generated or positions such as @0,4 behind it if it is "
                          "not for all tokens",
                          quote(text)));
}

template <typename Number>
bool read_whole(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

void read_amount(MemorySetting& setting, std::string_view amount, std::string_view text) {
  if (amount == "off") {
    setting.kind = MemorySetting::Kind::kOff;
  } else if (amount == "on") {
    setting.kind = MemorySetting::Kind::kOn;
  } else {
    setting.kind = amount.starts_with('x') ? MemorySetting::Kind::kFactor : MemorySetting::Kind::kValue;
    if (setting.kind == MemorySetting::Kind::kFactor) amount.remove_prefix(1);
    if (!read_whole(amount, setting.amount) || !std::isfinite(setting.amount)) refuse(text);
  }
}

void read_where(MemorySetting& setting, std::string_view where, std::string_view text) {
  if (where == "all") return;
  if (where == "last" || where == "generated") {
    setting.where = where == "last" ? MemorySetting::Where::kLast : MemorySetting::Where::kGenerated;
    return;
  }
  setting.where = MemorySetting::Where::kListed;
  for (const std::string& part : split_at(where, ',')) {
    std::int64_t position = 0;
    if (!read_whole(std::string_view(part), position) || position < 0) refuse(text);
    setting.positions.push_back(position);
  }
}

}  // namespace

MemorySetting parse_memory_setting(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) refuse(text);
  MemorySetting setting;
  setting.cell = parse_memory_id(text.substr(0, equals));
  const std::string_view rest = text.substr(equals + 1);
  const std::size_t at = rest.find('@');
  read_amount(setting, rest.substr(0, at), text);
  if (at != std::string_view::npos) read_where(setting, rest.substr(at + 1), text);
  return setting;
}

std::vector<MemorySetting> parse_memory_settings(const std::vector<std::string>& texts) {
  std::vector<MemorySetting> settings;
  for (const std::string& text : texts) settings.push_back(parse_memory_setting(text));
  return settings;
}

std::string to_string(const MemorySetting& setting) {
  std::string text = to_string(setting.cell) + "=";
  switch (setting.kind) {
    case MemorySetting::Kind::kOff:
      text += "off";
      break;
    case MemorySetting::Kind::kOn:
      text += "on";
      break;
    case MemorySetting::Kind::kValue:
      text += fmt::format("{}", setting.amount);
      break;
    case MemorySetting::Kind::kFactor:
      text += fmt::format("x{}", setting.amount);
      break;
  }
  switch (setting.where) {
    case MemorySetting::Where::kAll:
      return text;
    case MemorySetting::Where::kLast:
      return text + "@last";
    case MemorySetting::Where::kGenerated:
      return text + "@generated";
    case MemorySetting::Where::kListed:
      return text + fmt::format("@{}", fmt::join(setting.positions, ","));
  }
  return text;
}

}  // namespace emend
