#include <algorithm>

#include "base/nearest.h"
#include "base/strings.h"
#include "editors/rome/rome.h"
#include "emend/editor.h"
#include "emend/error.h"

namespace emend {

namespace {

struct Entry {
  EditorHelp (*help)();
  std::unique_ptr<Editor> (*make)(const std::map<std::string, OptionText>&);
};

constexpr Entry kEditors[] = {{rome_help, make_rome}};

}  // namespace

std::vector<EditorHelp> list_editors() {
  std::vector<EditorHelp> all;
  for (const Entry& entry : kEditors) all.push_back(entry.help());
  return all;
}

std::unique_ptr<Editor> make_editor(const std::string& name,
                                    const std::map<std::string, OptionText>& options) {
  std::vector<std::string> known;
  for (const Entry& entry : kEditors) {
    known.push_back(entry.help().name);
    if (known.back() == name) return entry.make(options);
  }
  throw Error(ErrorKind::kConfig, "there is no method " + quote(name) + did_you_mean(name, known));
}

}  // namespace emend
