// Every file in examples/ is a sound edit file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/records.h"
#include "tests/base/expect_error.h"

namespace emend {
namespace {

std::vector<std::filesystem::path> example_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(EMEND_SOURCE_DIR "/examples")) {
    const std::filesystem::path ends = entry.path().extension();
    if (ends == ".yaml" || ends == ".jsonl") files.push_back(entry.path());
  }
  return files;
}

EditFile read_example(const std::string& name) {
  return read_edit_file(std::filesystem::path(EMEND_SOURCE_DIR) / "examples" / name);
}

TEST(Examples, AllParse) {
  const std::vector<std::filesystem::path> files = example_files();
  EXPECT_GE(files.size(), 3u);
  for (const std::filesystem::path& file : files) {
    SCOPED_TRACE(file);
    EXPECT_NO_THROW(read_edit_file(file));
  }
}

// The ```yaml blocks of a Markdown file.
std::vector<std::string> yaml_blocks(const std::filesystem::path& file) {
  const std::string text = read_text_file(file);
  const std::string open = "```yaml\n", close = "```";
  std::vector<std::string> blocks;
  for (std::size_t at = text.find(open); at != std::string::npos; at = text.find(open, at)) {
    at += open.size();
    blocks.push_back(text.substr(at, text.find(close, at) - at));
  }
  return blocks;
}

TEST(Examples, ThoseInTheFormatDescriptionParse) {
  const std::vector<std::string> blocks = yaml_blocks(EMEND_SOURCE_DIR "/docs/formats.md");
  EXPECT_GE(blocks.size(), 2u);
  for (const std::string& block : blocks) EXPECT_NO_THROW(parse_edit_file(block, "formats.md", "")) << block;
}

TEST(Examples, EiffelHasOneEditWithParaphrasesAndNeighbours) {
  const EditFile file = read_example("eiffel.yaml");
  EXPECT_EQ(file.model.filename(), "smollm2-135m-instruct.gguf");
  ASSERT_EQ(file.edits.size(), 1u);
  EXPECT_EQ(file.edits[0].subject, "Eiffel Tower");
  EXPECT_EQ(file.edits[0].target, "Rome");
  EXPECT_EQ(file.edits[0].paraphrases.size(), 3u);
  EXPECT_GE(file.edits[0].neighbours.size(), 4u);
}

TEST(Examples, CapitalsHasParaphrasesAndNeighboursForEveryEdit) {
  const EditFile file = read_example("capitals.yaml");
  EXPECT_GE(file.edits.size(), 20u);
  for (const EditRequest& edit : file.edits) {
    SCOPED_TRACE(edit.id);
    EXPECT_FALSE(edit.was.empty());
    EXPECT_EQ(edit.paraphrases.size(), 2u);
    EXPECT_GE(edit.neighbours.size(), 2u);
    for (const std::string& paraphrase : edit.paraphrases) {
      EXPECT_THAT(paraphrase, testing::HasSubstr(edit.subject));
    }
    for (const Neighbour& neighbour : edit.neighbours) {
      EXPECT_FALSE(neighbour.answer.empty());
      EXPECT_EQ(neighbour.prompt.find(edit.subject), std::string::npos) << neighbour.prompt;
      EXPECT_NE(neighbour.answer, edit.target) << "such a neighbour measures nothing";
    }
  }
}

// docs/edit_file.schema.json, by which text editors complete and check, has the keys that the program knows.
TEST(Examples, TheSchemaHasTheKeysOfEditFiles) {
  const auto schema =
      nlohmann::ordered_json::parse(read_text_file(EMEND_SOURCE_DIR "/docs/edit_file.schema.json"));
  const auto keys = [](const nlohmann::ordered_json& object) {
    std::vector<std::string> names;
    for (const auto& [name, value] : object.at("properties").items()) names.push_back(name);
    return "known: " + join(names);
  };
  const auto known = [](const std::string& yaml) {
    const std::string said = test::error_of(ErrorKind::kConfig, [&] { parse_edit_file(yaml, "x.yaml", ""); });
    const std::size_t begin = std::min(said.find("known: "), said.size());
    return said.substr(begin, said.find('\n', begin) - begin);
  };
  EXPECT_EQ(known("qqqqqqqqqqqqqqqqqqqqqqqq: 1"), keys(schema));
  EXPECT_EQ(known("checks: {qqqqqqqqqqqqqqqqqqqqqqqq: 1}"), keys(schema["properties"]["checks"]));
  EXPECT_EQ(known("outputs: {qqqqqqqqqqqqqqqqqqqqqqqq: 1}"), keys(schema["properties"]["outputs"]));
  EXPECT_EQ(known("edits: [{qqqqqqqqqqqqqqqqqqqqqqqq: 1}]"), keys(schema["definitions"]["edit"]));
}

}  // namespace
}  // namespace emend
