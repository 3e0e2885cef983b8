// Which source file includes which, and whether the folder rules allow it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "source_files.h"

namespace emend::structure {

// A folder is named by one word ("io", "editors"). `includes` says which folders its files may include
// besides their own; an empty list is a folder that stands on nothing. "*" stands for every folder but the
// hidden ones.
struct FolderRules {
  std::map<std::string, std::set<std::string>> includes;
  std::set<std::string> everyone_may_include;  // folders of plain data
  std::set<std::string> hidden;                // folders that nobody else may include
  std::map<std::string, std::string>
      public_headers;  // "error.h" of include/emend: the folder that implements it
  std::set<std::string>
      interface_headers;  // public headers that are targets of their own, named like the header
};

// A third-party library that only some folders may see.
struct LibraryRule {
  std::string prefix;  // "torch/" or "oniguruma.h"
  std::set<std::string> folders;
};

// One include that is not allowed, or one header or folder that the rules do not know.
struct Violation {
  std::string file;
  int line = 0;  // 0: the file as a whole
  std::string message;
};

// All that `files` include against the rules. Editors get one rule more: editors/NAME includes no other
// editor than editors/common, and editors/common none of them.
std::vector<Violation> find_violations(const std::vector<SourceFile>& files, const FolderRules& rules,
                                       const std::vector<LibraryRule>& libraries);

// Arrows between the files (paths) or, by `folder_graph`, between folders.
using Graph = std::map<std::string, std::set<std::string>>;
Graph file_graph(const std::vector<SourceFile>& files);
Graph folder_graph(const std::vector<SourceFile>& files, const FolderRules& rules);

// The nodes of one cycle, first and last the same; empty when there is none.
std::vector<std::string> find_cycle(const Graph& graph);

}  // namespace emend::structure
