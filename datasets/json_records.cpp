#include "datasets/json_records.h"

#include <fmt/format.h>

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
  records_ =
      content.front() == '[' ? parse_array(text, path.string()) : parse_lines(text, path.string(), lines_);
  for (std::size_t i = 0; i < records_.size(); ++i)
    if (!records_[i].is_object())
      throw Error(ErrorKind::kFormat, fmt::format("{}: record {} must be an object, found {}", path.string(),
                                                  i, records_[i].type_name()));
}

JsonView JsonRecords::at(std::size_t number) const {
  return {records_.at(number), fmt::format("{}: record {}", path_.string(), number)};
}

std::string JsonRecords::place(std::size_t number) const {
  if (lines_.empty()) return fmt::format("{}: record {}", path_.string(), number);
  return fmt::format("{}:{}", path_.string(), lines_.at(number));
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
