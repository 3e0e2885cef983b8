#include "datasets/json_records.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/files.h"
#include "base/strings.h"
#include "datasets/subject_place.h"
#include "emend/error.h"

namespace emend {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// A record of JSON lines. For a broken one the lines above stand in as empty ones, so that the message counts
// lines in the file.
Json parse_line(std::string_view line, std::size_t lines_above, const std::string& source) {
  try {
    return parse_json(line, source);
  } catch (const Error&) {
    return parse_json(std::string(lines_above, '\n') + std::string(line), source);
  }
}

// `lines` gets the number of each record's line.
std::vector<Json> parse_lines(std::string_view text, const std::string& source,
                              std::vector<std::size_t>& lines) {
  std::vector<Json> records;
  for (std::size_t begin = 0, line = 0; begin < text.size(); ++line) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view content = text.substr(begin, end - begin);
    if (!trim(content).empty()) {
      records.push_back(parse_line(content, line, source));
      lines.push_back(line + 1);
    }
    begin = end + 1;
  }
  return records;
}

std::vector<Json> parse_array(std::string_view text, const std::string& source) {
  Json document = parse_json(text, source);
  return std::move(document.get_ref<Json::array_t&>());
}

}  // namespace

JsonRecords::JsonRecords(const std::filesystem::path& path) : path_(path) {
  const std::string bytes = read_text_file(path);
  std::string_view text = bytes;
  if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) text.remove_prefix(kByteOrderMark.size());
  const std::string_view content = trim(text);
  if (content.empty()) throw Error(ErrorKind::kFormat, path.string() + ": the file is empty");
  if (content.front() != '[' && content.front() != '{')
    throw Error(ErrorKind::kFormat,
                path.string() + ": neither a JSON array nor JSON lines (an object a line)");
  if (content.front() == '[')
    records_ = parse_array(text, path.string());
  else if (!take_members(text))
    records_ = parse_lines(text, path.string(), lines_);
  for (std::size_t i = 0; i < records_.size(); ++i)
    if (!records_[i].is_object())
      throw Error(ErrorKind::kFormat, fmt::format("{}: record {} must be an object, found {}", path.string(),
                                                  i, records_[i].type_name()));
}

// Whether the text is one object of records.
bool JsonRecords::take_members(std::string_view text) {
  Json document;
  try {
    document = parse_json(text, path_.string());
  } catch (const Error&) {
    return false;  // JSON lines, or broken ones, which parse_lines tells
  }
  if (document.empty()) return false;
  for (const auto& [name, member] : document.items())
    if (!member.is_object() || !member.contains("edit")) return false;
  for (const auto& [name, member] : document.items()) names_.push_back(name);
  // Numbers by their size: "2" before "10".
  const auto is_number = [](const std::string& name) {
    return !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
  };
  if (std::all_of(names_.begin(), names_.end(), is_number))
    std::stable_sort(names_.begin(), names_.end(),
                     [](const std::string& a, const std::string& b) { return a.size() < b.size(); });
  for (const std::string& name : names_) records_.push_back(std::move(document[name]));
  return true;
}

std::string JsonRecords::name(std::size_t number) const {
  return names_.empty() ? std::to_string(number) : names_.at(number);
}

JsonView JsonRecords::at(std::size_t number) const {
  if (!names_.empty())
    return {records_.at(number), fmt::format("{}: record {}", path_.string(), quote(names_.at(number)))};
  return {records_.at(number), fmt::format("{}: record {}", path_.string(), number)};
}

std::string JsonRecords::place(std::size_t number) const {
  if (lines_.empty()) return fmt::format("{}: record {}", path_.string(), number);
  return fmt::format("{}:{}", path_.string(), lines_.at(number));
}

void refuse_second_id(const JsonView& record, const std::string& id) {
  throw Error(ErrorKind::kConfig, fmt::format("{}: the id {} was met before", record.source(), quote(id)));
}

void refuse_no_facts(const std::filesystem::path& path) {
  throw Error(ErrorKind::kConfig, path.string() + ": there are no facts in it");
}

std::string expected_answer(const JsonView& record) {
  for (const char* const key : {"answer", "attribute", "was"})
    if (const auto answer = record.find(key))
      if (std::string text(trim(answer->as_string())); !text.empty()) return text;
  return {};
}

std::string fact_id(const JsonView& record, std::size_t number) {
  return id_or_number(record, record.has("id") ? "id" : "known_id", number);
}

std::string id_or_number(const JsonView& record, std::string_view key, std::size_t number) {
  const auto id = record.find(key);
  if (!id) return std::to_string(number);
  return id->is_string() ? id->as_string() : std::to_string(id->as_integer());
}

void read_prompt_and_subject(EditRequest& request, const JsonView& record, std::string_view prompt_key) {
  const std::string& prompt = record.string(prompt_key);
  find_subject(request, prompt, record.string("subject"));
}

std::vector<std::string> texts_or_none(const JsonView& record, std::string_view key) {
  const auto list = record.find(key);
  return list ? list->as_strings() : std::vector<std::string>();
}

std::string first_leaf(const JsonView& value) {
  if (value.is_array()) return value.json().empty() ? std::string() : first_leaf(value.elements().front());
  if (value.json().is_number_integer()) return std::to_string(value.as_integer());
  return value.as_string();
}

}  // namespace emend
