// The bytes of a YAML file made ready for the parser, and the way back from the parser's marks to places a
// person finds. And the parser, yaml-cpp with its rough edges taken off.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace emend {

// A larger file is refused: it is not an edit file, and the parser would need many times its size in memory.
inline constexpr std::size_t kMaxYamlBytes = std::size_t{64} << 20;

// Immutable after construction.
class YamlText {
 public:
  // Takes a byte order mark and Windows line ends away. Throws Error(kConfig), naming `name`, line and
  // column, for control characters and for bytes that are not UTF-8; and when `bytes` is larger than
  // kMaxYamlBytes.
  YamlText(std::string_view bytes, std::string name);

  const std::string& text() const { return text_; }
  const std::string& name() const { return name_; }

  // "eiffel.yaml:9:12" for the line and byte column (both from 0) of a yaml-cpp mark. The result counts from
  // 1, and columns in characters.
  std::string where(int line, int byte_column) const;

 private:
  std::string where_of_offset(std::size_t offset) const;

  std::string name_;
  std::string text_;
  std::vector<std::size_t> line_begins_;
};

// The one document in `text`. Throws Error(kConfig) for broken syntax, an empty text, or more than one
// document, with the place and, where there is a usual one, the cause.
YAML::Node parse_yaml(const YamlText& text);

}  // namespace emend
