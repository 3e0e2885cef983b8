#include "bindings/c_api/json_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/nearest.h"
#include "base/strings.h"
#include "emend/error.h"

namespace emend::c_api {
namespace {

int small_integer(const JsonView& value) {
  const std::int64_t number = value.as_integer();
  if (number < std::numeric_limits<int>::min() || number > std::numeric_limits<int>::max())
    value.refuse("an integer of 32 bits");
  return static_cast<int>(number);
}

template <typename Element>
ResultJson shown_list(const std::vector<Element>& elements) {
  ResultJson list = ResultJson::array();
  for (const Element& element : elements) list.push_back(JsonField<Element>::show(element));
  return list;
}

// Of values that are written as text: what `parse` throws is told with the option's name.
template <typename Parse>
auto parsed_text(const JsonView& value, Parse parse) {
  try {
    return parse(value.as_string());
  } catch (const Error& error) {
    throw Error(ErrorKind::kUsage, fmt::format("{}: {}", value.path(), error.what()));
  }
}

}  // namespace

JsonOptions::JsonOptions(const char* text, std::string owner) : owner_(std::move(owner)) {
  if (text == nullptr) return;
  try {
    values_ = parse_json(text, "the options of " + owner_);
  } catch (const Error& error) {
    throw Error(ErrorKind::kUsage, error.what());
  }
  if (!values_.is_object())
    throw Error(ErrorKind::kUsage,
                fmt::format("the options of {} must be a JSON object, such as {{\"top\": 5}}", owner_));
}

void JsonOptions::require_all_taken() const {
  for (const auto& [name, value] : values_.items())
    if (std::find(taken_.begin(), taken_.end(), name) == taken_.end())
      throw Error(ErrorKind::kUsage,
                  fmt::format("{} has no option {}{}", owner_, quote(name), did_you_mean(name, taken_)));
  if (!missing_.empty())
    throw Error(ErrorKind::kUsage, fmt::format("{} needs the option {}", owner_, missing_.front()));
}

const char* JsonField<bool>::name() {
  return "true or false";
}
void JsonField<bool>::read(const JsonView& value, bool& field) {
  field = value.as_bool();
}
ResultJson JsonField<bool>::show(const bool& field) {
  return field;
}

const char* JsonField<int>::name() {
  return "integer";
}
void JsonField<int>::read(const JsonView& value, int& field) {
  field = small_integer(value);
}
ResultJson JsonField<int>::show(const int& field) {
  return field;
}

const char* JsonField<std::int64_t>::name() {
  return "integer";
}
void JsonField<std::int64_t>::read(const JsonView& value, std::int64_t& field) {
  field = value.as_integer();
}
ResultJson JsonField<std::int64_t>::show(const std::int64_t& field) {
  return field;
}

const char* JsonField<std::uint64_t>::name() {
  return "integer";
}
void JsonField<std::uint64_t>::read(const JsonView& value, std::uint64_t& field) {
  if (!value.json().is_number_unsigned()) value.refuse("an integer not below 0");
  field = value.json().get<std::uint64_t>();
}
ResultJson JsonField<std::uint64_t>::show(const std::uint64_t& field) {
  return field;
}

const char* JsonField<double>::name() {
  return "number";
}
void JsonField<double>::read(const JsonView& value, double& field) {
  field = value.as_number();
}
ResultJson JsonField<double>::show(const double& field) {
  return field;
}

const char* JsonField<std::string>::name() {
  return "text";
}
void JsonField<std::string>::read(const JsonView& value, std::string& field) {
  field = value.as_string();
}
ResultJson JsonField<std::string>::show(const std::string& field) {
  return field;
}

const char* JsonField<std::filesystem::path>::name() {
  return "path";
}
void JsonField<std::filesystem::path>::read(const JsonView& value, std::filesystem::path& field) {
  field = value.as_string();
}
ResultJson JsonField<std::filesystem::path>::show(const std::filesystem::path& field) {
  return field.string();
}

const char* JsonField<std::vector<int>>::name() {
  return "list of integers";
}
void JsonField<std::vector<int>>::read(const JsonView& value, std::vector<int>& field) {
  if (!value.is_array()) value.refuse("an array of integers");
  field.clear();
  for (const JsonView& element : value.elements()) field.push_back(small_integer(element));
}
ResultJson JsonField<std::vector<int>>::show(const std::vector<int>& field) {
  return shown_list(field);
}

const char* JsonField<std::vector<std::string>>::name() {
  return "list of texts";
}
void JsonField<std::vector<std::string>>::read(const JsonView& value, std::vector<std::string>& field) {
  field = value.as_strings();
}
ResultJson JsonField<std::vector<std::string>>::show(const std::vector<std::string>& field) {
  return field;
}

const char* JsonField<std::vector<std::filesystem::path>>::name() {
  return "list of paths";
}
void JsonField<std::vector<std::filesystem::path>>::read(const JsonView& value,
                                                         std::vector<std::filesystem::path>& field) {
  const std::vector<std::string> paths = value.as_strings();
  field.assign(paths.begin(), paths.end());
}
ResultJson JsonField<std::vector<std::filesystem::path>>::show(
    const std::vector<std::filesystem::path>& field) {
  return shown_list(field);
}

const char* JsonField<LensOptions>::name() {
  return "lens";
}
void JsonField<LensOptions>::read(const JsonView& value, LensOptions& field) {
  LensOptions lens = parsed_text(value, parse_lens);
  lens.mask_special = field.mask_special;
  field = std::move(lens);
}
ResultJson JsonField<LensOptions>::show(const LensOptions& field) {
  return to_string(field);
}

const char* JsonField<Dedup>::name() {
  return "none, window or suffix";
}
void JsonField<Dedup>::read(const JsonView& value, Dedup& field) {
  field = parsed_text(value, parse_dedup);
}
ResultJson JsonField<Dedup>::show(const Dedup& field) {
  return to_string(field);
}

const char* JsonField<ExportForm>::name() {
  return "neuronpedia or delphi";
}
void JsonField<ExportForm>::read(const JsonView& value, ExportForm& field) {
  field = parsed_text(value, parse_export_form);
}
ResultJson JsonField<ExportForm>::show(const ExportForm& field) {
  return field == ExportForm::kDelphi ? "delphi" : "neuronpedia";
}

const char* JsonField<MemoryId>::name() {
  return "cell";
}
void JsonField<MemoryId>::read(const JsonView& value, MemoryId& field) {
  field = parsed_text(value, parse_memory_id);
}
ResultJson JsonField<MemoryId>::show(const MemoryId& field) {
  return to_string(field);
}

const char* JsonField<std::vector<MemorySetting>>::name() {
  return "list of settings";
}
void JsonField<std::vector<MemorySetting>>::read(const JsonView& value, std::vector<MemorySetting>& field) {
  if (!value.is_array()) value.refuse("an array of strings");
  field.clear();
  for (const JsonView& element : value.elements())
    field.push_back(parsed_text(element, parse_memory_setting));
}
ResultJson JsonField<std::vector<MemorySetting>>::show(const std::vector<MemorySetting>& field) {
  ResultJson list = ResultJson::array();
  for (const MemorySetting& setting : field) list.push_back(to_string(setting));
  return list;
}

}  // namespace emend::c_api
