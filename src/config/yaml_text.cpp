#include "config/yaml_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "config/text_check.h"
#include "emend/error.h"

namespace emend {
namespace {

std::string normalised(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  std::string text;
  text.reserve(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const bool windows_line_end = bytes[i] == '\r' && i + 1 < bytes.size() && bytes[i + 1] == '\n';
    if (!windows_line_end) text += bytes[i];
  }
  return text;
}

}  // namespace

YamlText::YamlText(std::string_view bytes, std::string name) : name_(std::move(name)) {
  if (bytes.size() > kMaxYamlBytes) {
    throw Error(
        ErrorKind::kConfig,
        fmt::format("{}: the file has {}, more than the {} that are read; split it into several files", name_,
                    human_bytes(bytes.size()), human_bytes(kMaxYamlBytes)));
  }
  text_ = normalised(bytes);
  line_begins_.push_back(0);
  for (std::size_t i = 0; i < text_.size(); ++i) {
    if (text_[i] == '\n') line_begins_.push_back(i + 1);
  }
  if (const auto bad = find_bad_character(text_, TextShape::kLines)) {
    throw Error(ErrorKind::kConfig, fmt::format("{}: {} cannot stand in a YAML file; expected UTF-8 text",
                                                where_of_offset(bad->offset), bad->what));
  }
}

std::string YamlText::where(int line, int byte_column) const {
  const std::size_t index = std::min<std::size_t>(std::max(line, 0), line_begins_.size() - 1);
  const std::size_t begin = line_begins_[index];
  const std::size_t length = std::min<std::size_t>(std::max(byte_column, 0), text_.size() - begin);
  const auto before = std::string_view(text_).substr(begin, length);
  const auto characters = std::ranges::count_if(before, [](char c) { return (c & 0xC0) != 0x80; });
  return fmt::format("{}:{}:{}", name_, index + 1, characters + 1);
}

std::string YamlText::where_of_offset(std::size_t offset) const {
  const auto next = std::ranges::upper_bound(line_begins_, offset);
  const auto line = next - line_begins_.begin() - 1;
  return where(static_cast<int>(line), static_cast<int>(offset - line_begins_[line]));
}

}  // namespace emend
