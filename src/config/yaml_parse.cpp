#include "config/yaml_parse.h"

#include <yaml-cpp/eventhandler.h>

#include <sstream>
#include <string>
#include <vector>

#include "emend/error.h"

namespace emend {
namespace {

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

// yaml-cpp's words, with the usual cause where there is one.
std::string explain(const std::string& message) {
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

YAML::Node parse_yaml(const YamlText& text) {
  try {
    const YAML::Node root = parse_single(text);
    if (root.IsNull()) fail(text.where(0, 0), "the file is empty; expected a map");
    return root;
  } catch (const YAML::Exception& error) {
    const bool known = !error.mark.is_null();
    fail(known ? text.where(error.mark.line, error.mark.column) : text.name(),
         "not valid YAML: " + explain(error.msg));
  }
}

}  // namespace emend
