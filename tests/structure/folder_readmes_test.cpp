// The README of a folder lists the files of the folder, in tables whose first column is headed "file" or
// "script". Such a list leaves no source file out, names no file that does not exist, and names none twice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace emend::structure {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::Ge;
using testing::IsEmpty;
using testing::SizeIs;

const std::vector<std::string> kListedFolders = {"datasets", "editors", "eval", "findings", "src", "tools"};

// Headings of a column that lists files. The last one is that of docs/embedding.md.
const std::set<std::string> kFileHeadings = {"file", "script", "header in include/emend"};

// One name in the first column of a table, as a path from the folder that the table describes.
struct ListedName {
  std::string path;
  int line = 0;
};

// A page with tables of the files of `folder`. Paths are from the repository root; that of a folder ends
// with a slash.
struct FileList {
  std::string page;
  std::string folder;
  std::vector<ListedName> names;
};

std::string without_outer(const std::string& text, const std::string& characters) {
  const std::size_t first = text.find_first_not_of(characters);
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(characters) - first + 1);
}

// The names in the first columns of those tables whose first heading is one of `headings`. "a/b.h, c.cpp"
// names a/b.h and a/c.cpp: a name without a folder belongs to the folder of the name before it.
std::vector<ListedName> listed_names(const std::string& text, const std::set<std::string>& headings) {
  static const std::regex link(R"(\[([^\]]*)\]\([^)]*\))");
  std::vector<ListedName> names;
  std::istringstream lines(text);
  bool listing = false;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (!line.starts_with("|")) {
      listing = false;
      continue;
    }
    const std::string cell = without_outer(line.substr(1, line.find('|', 1) - 1), " ");
    if (headings.contains(cell)) {
      listing = true;
      continue;
    }
    if (!listing || without_outer(cell, "-: ").empty()) continue;
    std::string folder;
    std::istringstream parts(std::regex_replace(cell, link, "$1"));
    for (std::string part; std::getline(parts, part, ',');) {
      const std::string name = without_outer(part, " `");
      const std::string path = name.find('/') == std::string::npos ? folder + name : name;
      folder = path.substr(0, path.rfind('/') + 1);
      names.push_back({path, number});
    }
  }
  return names;
}

bool is_source(const fs::path& path) {
  static const std::set<std::string> extensions = {".h", ".cpp", ".cu", ".py", ".sh", ".mjs"};
  return extensions.contains(path.extension().string());
}

// A folder below `folder` that holds `file` and has a README of its own, where its files are listed.
bool listed_elsewhere(const std::string& file, const std::string& folder,
                      const std::set<std::string>& files) {
  for (std::size_t slash = file.find('/', folder.size()); slash != std::string::npos;
       slash = file.find('/', slash + 1)) {
    if (files.contains(file.substr(0, slash + 1) + "README.md")) return true;
  }
  return false;
}

// What is wrong with a list, one sentence each. `files` are the paths of all files of the project. A header
// stands for the .cpp of the same name too.
std::vector<std::string> mistakes(const FileList& list, const std::set<std::string>& files) {
  std::vector<std::string> found;
  std::map<std::string, int> lines;
  for (const ListedName& name : list.names) {
    const std::string place = list.page + ":" + std::to_string(name.line) + ": ";
    const std::string path = list.folder + name.path;
    const auto at = files.lower_bound(path);
    const bool is_folder = path.ends_with('/') && at != files.end() && at->starts_with(path);
    if (!is_folder && !files.contains(path)) found.push_back(place + name.path + " does not exist");
    const auto [first, is_new] = lines.emplace(name.path, name.line);
    if (!is_new)
      found.push_back(place + name.path + " is listed in line " + std::to_string(first->second) + " already");
  }
  for (const std::string& file : files) {
    if (!file.starts_with(list.folder) || !is_source(file) || listed_elsewhere(file, list.folder, files))
      continue;
    const std::string name = file.substr(list.folder.size());
    const bool by_header =
        name.ends_with(".cpp") && lines.contains(fs::path(name).replace_extension(".h").generic_string());
    if (!by_header && !lines.contains(name)) found.push_back(list.page + ": " + name + " is not listed");
  }
  return found;
}

std::string read_text(const std::string& path) {
  std::ifstream stream(fs::path(EMEND_SOURCE_DIR) / path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// All files below these folders.
std::set<std::string> files_below(const std::vector<std::string>& folders) {
  const fs::path root(EMEND_SOURCE_DIR);
  std::set<std::string> files;
  for (const std::string& folder : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder))
      if (entry.is_regular_file()) files.insert(entry.path().lexically_relative(root).generic_string());
  }
  return files;
}

// The READMEs among these files that list files.
std::vector<FileList> file_lists(const std::set<std::string>& files) {
  static const std::string readme = "README.md";
  std::vector<FileList> lists;
  for (const std::string& file : files) {
    if (!file.ends_with("/" + readme)) continue;
    std::vector<ListedName> names = listed_names(read_text(file), kFileHeadings);
    if (!names.empty())
      lists.push_back({file, file.substr(0, file.size() - readme.size()), std::move(names)});
  }
  return lists;
}

std::string one_a_line(const std::vector<std::string>& sentences) {
  std::string text;
  for (const std::string& sentence : sentences) text += sentence + "\n";
  return text;
}

// What is wrong with the list of a README that stands in src/x, beside the files of a small project.
std::vector<std::string> judge(const std::string& readme) {
  static const std::set<std::string> files = {"src/x/README.md",  "src/x/a.cpp",      "src/x/a.h",
                                              "src/x/part/b.cpp", "src/x/part/c.cpp", "src/x/own/README.md",
                                              "src/x/own/d.cpp",  "src/x/notes.txt",  "src/xy/e.cpp"};
  return mistakes({"src/x/README.md", "src/x/", listed_names(readme, kFileHeadings)}, files);
}

TEST(FolderReadmes, EachListsTheFilesOfItsFolder) {
  const std::set<std::string> files = files_below(kListedFolders);
  const std::vector<FileList> lists = file_lists(files);
  EXPECT_THAT(lists, SizeIs(Ge(15)));
  EXPECT_THAT(lists, Contains(Field(&FileList::page, "src/base/README.md")));
  for (const FileList& list : lists) EXPECT_EQ(one_a_line(mistakes(list, files)), "");
}

TEST(FolderReadmes, ThePageOnEmbeddingListsThePublicHeaders) {
  const std::string page = "docs/embedding.md";
  const FileList list = {page, "include/emend/", listed_names(read_text(page), kFileHeadings)};
  ASSERT_THAT(list.names, SizeIs(Ge(50)));
  EXPECT_EQ(one_a_line(mistakes(list, files_below({"include"}))), "");
}

TEST(FolderReadmes, ThatOfTheTestsListsTheirFolders) {
  std::set<std::string> listed, present;
  for (const ListedName& name : listed_names(read_text("tests/README.md"), {"folder"}))
    listed.insert(name.path);
  for (const auto& entry : fs::directory_iterator(fs::path(EMEND_SOURCE_DIR) / "tests"))
    if (entry.is_directory()) present.insert(entry.path().filename().string());
  present.erase("data");  // has a table of its own
  EXPECT_EQ(listed, present);
}

TEST(FolderReadmes, ACompleteListPasses) {
  EXPECT_THAT(judge("# x\n\n| file | what it is |\n|---|---|\n| a.h | one |\n| part/b.cpp, c.cpp | two |\n"
                    "| own/ | see its README |\n"),
              IsEmpty());
  EXPECT_THAT(judge("| script | what it is |\n|---|---|\n| [a.h](a.h), `part/b.cpp`, c.cpp | all |\n"),
              IsEmpty());
}

TEST(FolderReadmes, AFileThatIsNotListedIsFound) {
  EXPECT_THAT(judge("| file | what |\n|---|---|\n| a.h | one |\n| part/b.cpp | like c.cpp |\n"),
              ElementsAre("src/x/README.md: part/c.cpp is not listed"));
  EXPECT_THAT(judge("| file | what |\n|---|---|\n| a.cpp | one |\n| part/b.cpp, c.cpp | two |\n"),
              ElementsAre("src/x/README.md: a.h is not listed"));
}

TEST(FolderReadmes, AFileThatDoesNotExistIsFound) {
  EXPECT_THAT(
      judge(
          "| file | what |\n|---|---|\n| a.h, z.h | one |\n| part/b.cpp, c.cpp | two |\n| gone/ | three |\n"),
      ElementsAre("src/x/README.md:3: z.h does not exist", "src/x/README.md:5: gone/ does not exist"));
}

TEST(FolderReadmes, AFileThatIsListedTwiceIsFound) {
  EXPECT_THAT(judge("| file | what |\n|---|---|\n| a.h | one |\n| part/b.cpp, c.cpp | two |\n\nText.\n\n"
                    "| file | what |\n|---|---|\n| a.h | one, again |\n"),
              ElementsAre("src/x/README.md:10: a.h is listed in line 3 already"));
}

TEST(FolderReadmes, TablesOfOtherThingsListNoFiles) {
  EXPECT_THAT(listed_names("| method | what |\n|---|---|\n| rome/ | one |\n", kFileHeadings), IsEmpty());
  EXPECT_THAT(
      listed_names("| file | what |\n|---|---|\n\n| a.h | behind the end of the table |\n", kFileHeadings),
      IsEmpty());
}

}  // namespace
}  // namespace emend::structure
