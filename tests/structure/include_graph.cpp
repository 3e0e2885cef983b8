#include "include_graph.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <regex>
#include <sstream>
#include <utility>

namespace emend::structure {
namespace {

namespace fs = std::filesystem;

struct Include {
  int line = 0;
  std::string name;  // as written between the quotes or brackets
};

std::vector<Include> read_includes(const std::string& text) {
  static const std::regex pattern(R"(^\s*#\s*include\s*[<"]([^>"]+)[>"])");
  std::vector<Include> includes;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (std::smatch match; std::regex_search(line, match, pattern)) includes.push_back({number, match[1]});
  }
  return includes;
}

std::vector<std::string> path_parts(const std::string& path) {
  std::vector<std::string> parts;
  for (const fs::path& part : fs::path(path)) parts.push_back(part.string());
  return parts;
}

bool is_public_header(const std::string& path) {
  return path.starts_with("include/emend/");
}

// The folder of a file by its path; a public header belongs to the folder that implements it. Empty: not one
// of ours.
std::string folder_of(const std::string& path, const FolderRules& rules) {
  const std::vector<std::string> parts = path_parts(path);
  if (parts.size() < 2) return "";
  if (is_public_header(path)) {
    const auto known = rules.public_headers.find(parts.back());
    return known == rules.public_headers.end() ? "" : known->second;
  }
  return parts[0] == "src" ? parts[1] : parts[0];
}

// The same as the target of an arrow: some public headers are open to folders that may not see the rest.
std::string target_of(const std::string& path, const FolderRules& rules) {
  std::string name = fs::path(path).filename().string();
  if (is_public_header(path) && rules.interface_headers.contains(name)) return name;
  return folder_of(path, rules);
}

std::vector<std::string> candidates(const std::string& includer, const std::string& name) {
  const fs::path own_folder = fs::path(includer).parent_path();
  return {(own_folder / name).lexically_normal().string(), "include/" + name, "src/" + name, name};
}

// The repository path that an include means. A header that does not exist (yet) counts by the folder in its
// name. Nothing: a header of another library.
std::optional<std::string> resolve(const std::string& includer, const std::string& name,
                                   const std::set<std::string>& paths, const FolderRules& rules) {
  for (std::string& path : candidates(includer, name)) {
    if (paths.contains(path)) return std::move(path);
  }
  if (name.starts_with("emend/")) return "include/" + name;
  const std::vector<std::string> parts = path_parts(name);
  if (parts.size() < 2) return std::nullopt;
  static const std::set<std::string> top_folders = {"src", "include", "tests", "editors", "eval", "datasets"};
  if (top_folders.contains(parts[0])) return name;
  if (rules.includes.contains(parts[0])) return "src/" + name;
  return std::nullopt;
}

bool allowed(const std::string& from, const std::string& to, const FolderRules& rules) {
  if (from == to || rules.everyone_may_include.contains(to)) return true;
  if (rules.hidden.contains(to)) return false;
  const auto found = rules.includes.find(from);
  if (found == rules.includes.end()) return false;
  return found->second.contains(to) || found->second.contains("*");
}

// The method folder below editors/, "" for files of editors/ itself.
std::string editor_of(const std::string& path) {
  const std::vector<std::string> parts = path_parts(path);
  const auto editors = std::ranges::find(parts, "editors");
  return std::distance(editors, parts.end()) > 2 ? *std::next(editors) : "";
}

bool crosses_editors(const std::string& from, const std::string& to) {
  const std::string source = editor_of(from), target = editor_of(to);
  return !source.empty() && !target.empty() && target != source && target != "common";
}

std::optional<std::string> complain_about_library(const std::string& folder, const std::string& name,
                                                  const std::vector<LibraryRule>& libraries) {
  const auto broken = std::ranges::find_if(libraries, [&](const LibraryRule& rule) {
    return name.starts_with(rule.prefix) && !rule.folders.contains(folder);
  });
  if (broken == libraries.end()) return std::nullopt;
  return folder + " may not include the library header " + name;
}

std::optional<std::string> complain_about_arrow(const SourceFile& file, const std::string& folder,
                                                const std::string& path, const FolderRules& rules) {
  const std::string target = target_of(path, rules);
  if (target.empty()) return path + " belongs to no folder: add it to the table";
  const bool own = folder_of(path, rules) == folder;
  if (!own && !allowed(folder, target, rules))
    return folder + " may not include " + target + " (" + path + ")";
  if (folder == "editors" && target == "editors" && crosses_editors(file.path, path)) {
    return "one editor may not include another (" + path + ")";
  }
  return std::nullopt;
}

std::set<std::string> paths_of(const std::vector<SourceFile>& files) {
  std::set<std::string> paths;
  for (const SourceFile& file : files) paths.insert(file.path);
  return paths;
}

enum class Mark { kOpen, kDone };

// Depth first; `trail` is the way from the start to here.
std::vector<std::string> cycle_from(const std::string& node, const Graph& graph,
                                    std::map<std::string, Mark>& marks, std::vector<std::string>& trail) {
  trail.push_back(node);
  marks[node] = Mark::kOpen;
  const auto arrows = graph.find(node);
  for (const std::string& next : arrows == graph.end() ? std::set<std::string>{} : arrows->second) {
    const auto mark = marks.find(next);
    if (mark != marks.end() && mark->second == Mark::kDone) continue;
    if (mark != marks.end()) {
      std::vector<std::string> cycle(std::ranges::find(trail, next), trail.end());
      cycle.push_back(next);
      return cycle;
    }
    if (auto cycle = cycle_from(next, graph, marks, trail); !cycle.empty()) return cycle;
  }
  marks[node] = Mark::kDone;
  trail.pop_back();
  return {};
}

}  // namespace

std::vector<Violation> find_violations(const std::vector<SourceFile>& files, const FolderRules& rules,
                                       const std::vector<LibraryRule>& libraries) {
  const std::set<std::string> paths = paths_of(files);
  std::vector<Violation> violations;
  for (const SourceFile& file : files) {
    const std::string folder = folder_of(file.path, rules);
    const bool known = rules.includes.contains(folder) || rules.everyone_may_include.contains(folder);
    if (!known) {
      violations.push_back({file.path, 0, "belongs to no folder of the table: add it"});
      continue;
    }
    for (const Include& include : read_includes(file.text)) {
      const auto path = resolve(file.path, include.name, paths, rules);
      const auto complaint = path ? complain_about_arrow(file, folder, *path, rules)
                                  : complain_about_library(folder, include.name, libraries);
      if (complaint) violations.push_back({file.path, include.line, *complaint});
    }
  }
  return violations;
}

Graph file_graph(const std::vector<SourceFile>& files) {
  const std::set<std::string> paths = paths_of(files);
  Graph graph;
  for (const SourceFile& file : files) {
    for (const Include& include : read_includes(file.text)) {
      const auto path = resolve(file.path, include.name, paths, {});
      if (path && paths.contains(*path)) graph[file.path].insert(*path);
    }
  }
  return graph;
}

Graph folder_graph(const std::vector<SourceFile>& files, const FolderRules& rules) {
  Graph graph;
  for (const auto& [file, targets] : file_graph(files)) {
    for (const std::string& target : targets) {
      const std::string from = folder_of(file, rules), to = folder_of(target, rules);
      if (from != to) graph[from].insert(to);
    }
  }
  return graph;
}

std::vector<std::string> find_cycle(const Graph& graph) {
  std::map<std::string, Mark> marks;
  for (const auto& [node, arrows] : graph) {
    if (marks.contains(node)) continue;
    std::vector<std::string> trail;
    if (auto cycle = cycle_from(node, graph, marks, trail); !cycle.empty()) return cycle;
  }
  return {};
}

}  // namespace emend::structure
