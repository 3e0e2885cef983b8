#include "config/yaml_text.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

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

// Notes only where documents begin.
class DocumentMarks : public YAML::EventHandler {
 public:
  const std::vector<YAML::Mark>& marks() const { return marks_; }

  void OnDocumentStart(const YAML::Mark& mark) override { marks_.push_back(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
  }
  void OnMapEnd() override {}

 private:
  std::vector<YAML::Mark> marks_;
};

// Where the first two documents begin. YAML::LoadAll would do, but it never ends on a text that begins with a
// comma: there the parser starts one document after the other without moving on.
std::vector<YAML::Mark> first_documents(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DocumentMarks documents;
  while (documents.marks().size() < 2 && parser.HandleNextDocument(documents)) {
  }
  return documents.marks();
}

// Whether the line around the offset `at` is indented by a tab.
bool begins_with_tab(const std::string& text, std::size_t at) {
  const std::size_t begin = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;
  const std::size_t end = text.find_first_not_of(" \t", begin);
  return text.substr(begin, end - begin).find('\t') != std::string::npos;
}

// yaml-cpp's words, with the usual cause where there is one.
std::string explain(const std::string& message, bool after_tab) {
  if (after_tab) return message + " (this line begins with a tab, which cannot indent; use spaces)";
  if (message == "illegal map value") return message + " (a text with \": \" in it needs quotes)";
  if (message == "unknown token") return message + " (a text that begins with %, @ or ` needs quotes)";
  if (message == "bad file") return "lists or maps are nested too deep";
  return message;
}

[[noreturn]] void fail(const std::string& where, const std::string& message) {
  throw Error(ErrorKind::kConfig, where + ": " + message);
}

YAML::Node parse_single(const YamlText& text) {
  const std::vector<YAML::Mark> marks = first_documents(text.text());
  if (marks.size() > 1) {
    const std::string where = text.where(marks[1].line, marks[1].column);
    if (marks[0].pos == marks[1].pos) fail(where, "not valid YAML: nothing can begin like this");
    fail(where, "a second document begins here; expected one (is the indentation right?)");
  }
  return YAML::Load(text.text());
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

YAML::Node parse_yaml(const YamlText& text) {
  try {
    const YAML::Node root = parse_single(text);
    if (root.IsNull()) fail(text.where(0, 0), "the file is empty; expected a map");
    return root;
  } catch (const YAML::Exception& error) {
    const bool known = !error.mark.is_null();
    const bool after_tab = known && begins_with_tab(text.text(), static_cast<std::size_t>(error.mark.pos));
    fail(known ? text.where(error.mark.line, error.mark.column) : text.name(),
         "not valid YAML: " + explain(error.msg, after_tab));
  }
}

}  // namespace emend
