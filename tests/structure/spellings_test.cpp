// The library is used from C++, C and Python, too, where no option has dashes and nobody types a command. Its
// texts name options and advise in words; src/console adds the dashes and the commands (src/console/hints.h).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <string>
#include <vector>

#include "cpp_tokens.h"
#include "source_files.h"

namespace emend::structure {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// The names in the table of command_table.cpp, joined for a regular expression: "edit|generate|stats".
std::string command_names() {
  std::string names;
  for (const SourceFile& file : read_sources(EMEND_SOURCE_DIR, {"src/cli"})) {
    if (file.path != "src/cli/command_table.cpp") continue;
    const std::regex row(R"re(\{"([a-z]+)", ")re");
    for (std::sregex_iterator found(file.text.begin(), file.text.end(), row), end; found != end; ++found)
      names += (names.empty() ? "" : "|") + (*found)[1].str();
  }
  return names;
}

// What a text spells as somebody types it: "--out", "emend stats". Options of other programs, whose command
// line stands in the text, and variables of CSS are none.
std::vector<std::string> spellings(const std::string& text, const std::string& commands) {
  if (text.find("--") == std::string::npos && text.find("emend ") == std::string::npos) return {};
  static const std::regex others(R"(llama-imatrix [^)]*|lm_eval [^)]*|var\(--[a-z0-9-]+\)|--[a-z0-9-]+:)");
  const std::string own = std::regex_replace(text, others, "");
  const std::regex spelling("(^|[^A-Za-z0-9-])(--[a-z][a-z-]*|emend (" + commands + ")\\b)");
  std::vector<std::string> found;
  for (std::sregex_iterator at(own.begin(), own.end(), spelling), end; at != end; ++at)
    found.push_back((*at)[2]);
  return found;
}

TEST(Spellings, AreNotInTheLibrary) {
  const std::string commands = command_names();
  ASSERT_THAT(commands, HasSubstr("edit|generate|stats"));
  std::vector<std::string> found;
  std::size_t literals = 0;
  for (const SourceFile& file :
       read_sources(EMEND_SOURCE_DIR, {"src", "editors", "eval", "datasets", "include"})) {
    if (file.path.starts_with("src/cli/") || file.path.starts_with("src/console/")) continue;
    for (const Token& token : string_literals(file.text)) {
      ++literals;
      for (const std::string& spelling : spellings(token.literal, commands))
        found.push_back(file.path + ":" + std::to_string(token.line) + ": " + spelling);
    }
  }
  EXPECT_THAT(found, IsEmpty());
  EXPECT_GT(literals, 5000U) << "the literals are no longer found";
}

// What the test above can see.
TEST(Spellings, AreFoundWhereverTheyStand) {
  const auto judge = [](const std::string& source) {
    std::vector<std::string> found;
    for (const Token& token : string_literals(source))
      for (const std::string& spelling : spellings(token.literal, "stats|edit")) found.push_back(spelling);
    return found;
  };
  EXPECT_THAT(judge(R"(f("run emend stats, or `emend edit`");)"), ElementsAre("emend stats", "emend edit"));
  EXPECT_THAT(judge("f(\"run emend \"  // cut\n  \"stats --out DIR\");"),
              ElementsAre("emend stats", "--out"));
  EXPECT_THAT(judge("f(R\"(give --keep-sums)\");"), ElementsAre("--keep-sums"));
  EXPECT_THAT(judge(R"(f("--until");)"), ElementsAre("--until"));
  EXPECT_THAT(judge(R"(f("no emend edits it", "emend statsX", "a--b", "-- ", '-', "---"); // --out)"),
              IsEmpty());
  EXPECT_THAT(
      judge(R"cpp(f("(llama-imatrix --in-file A -o B) adds", "color: var(--ink)", "{--ink: red}");)cpp"),
      IsEmpty());
  EXPECT_THAT(judge(R"cpp(f("(llama-imatrix --in-file A), or --out");)cpp"), ElementsAre("--out"));
}

}  // namespace
}  // namespace emend::structure
