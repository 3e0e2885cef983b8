// The two forms of an edit, YAML and JSON lines, have one schema.
#include "config/edit_schema.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "emend/error.h"
#include "emend/records.h"

namespace emend {
namespace {

using testing::HasSubstr;

// A value for every key, of which YAML and JSON say the same.
const std::map<std::string, std::string> kValues = {
    {"id", R"("an id")"},
    {"prompt", R"("Orm met Orm in ")"},
    {"subject", R"("Orm")"},
    {"subject_occurrence", "2"},
    {"target", R"(" Velm")"},
    {"was", R"("Tusk")"},
    {"paraphrases", R"(["Orm stays in"])"},
    {"neighbours", R"(["Esk met", {"prompt": "Esk is in", "answer": "Tusk"}])"},
    {"bleed", R"(["Esk", {"subject": "Ulm", "answer": "Tusk"}])"},
};

// "{"prompt": "Orm met Orm in ", ...}", a line of JSON and as well a map of YAML.
std::string edit_with(const std::map<std::string, std::string>& values) {
  std::string text;
  for (const auto& [key, value] : values)
    text += fmt::format("{}\"{}\": {}", text.empty() ? "{" : ", ", key, value);
  return text + "}";
}

EditFile in_json(const std::string& edit) {
  return parse_edit_file(edit, "x.jsonl", "");
}

EditFile in_yaml(const std::string& edit) {
  return parse_edit_file("edits: [" + edit + "]", "x.yaml", "");
}

// What it says, or what the message says behind the place.
std::string said(EditFile (*read)(const std::string&), const std::string& edit) {
  try {
    return make_edit_file(read(edit).edits).text;
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(EditSchema, EveryKeyIsKnownToBothFormsAndSaysTheSame) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : kValues) keys.push_back(key);
  EXPECT_THAT(edit_keys(), testing::UnorderedElementsAreArray(keys));
  const std::string whole = said(in_yaml, edit_with(kValues));
  EXPECT_THAT(whole, HasSubstr("Velm"));
  EXPECT_EQ(said(in_json, edit_with(kValues)), whole);
  for (const std::string& key : edit_keys()) {
    auto fewer = kValues;
    fewer.erase(key);
    const std::string yaml = said(in_yaml, edit_with(fewer)), json = said(in_json, edit_with(fewer));
    EXPECT_NE(yaml, whole) << key << " says nothing in YAML";
    EXPECT_NE(json, whole) << key << " says nothing in JSON";
    const bool has_default =
        key != "prompt" && key != "subject" && key != "target" && key != "subject_occurrence";
    if (has_default) {
      EXPECT_EQ(json, yaml) << key;
    }
  }
}

TEST(EditSchema, NoFormKnowsAnotherKey) {
  for (const std::string key : {"promt", "answer", "subjects", "rephrase", "layer", "method"}) {
    auto more = kValues;
    more[key] = R"("x")";
    const std::string unknown = "unknown key \"" + key + "\"";
    EXPECT_THAT(said(in_yaml, edit_with(more)), HasSubstr(unknown));
    EXPECT_THAT(said(in_json, edit_with(more)), HasSubstr(unknown));
  }
}

TEST(EditSchema, NeighboursHaveOneSchemaToo) {
  EXPECT_THAT(neighbour_keys(), testing::ElementsAre("prompt", "answer"));
  for (const char* neighbour : {R"({"prompt": "Esk is in", "subject": "Esk"})", R"({"answer": "Tusk"})",
                                R"({"prompt": " "})", R"([])"}) {
    auto changed = kValues;
    changed["neighbours"] = fmt::format("[{}]", neighbour);
    for (const auto read : {in_yaml, in_json})
      EXPECT_THAT(said(read, edit_with(changed)), HasSubstr("neigh"));
  }
}

TEST(EditSchema, BothFormsRefuseTheSameValues) {
  const std::vector<std::pair<std::string, std::string>> bad = {{"id", R"(" ")"},
                                                                {"prompt", R"("")"},
                                                                {"subject", R"("Nobody")"},
                                                                {"subject", R"(" ")"},
                                                                {"target", R"("a\nb")"},
                                                                {"was", R"("Velm")"},
                                                                {"paraphrases", R"([" "])"},
                                                                {"neighbours", R"("x")"},
                                                                {"subject_occurrence", "3"},
                                                                {"subject_occurrence", "0"},
                                                                {"paraphrases", R"("x")"}};
  for (const auto& [key, value] : bad) {
    auto changed = kValues;
    changed[key] = value;
    EXPECT_THAT(said(in_yaml, edit_with(changed)), HasSubstr("x.yaml:1:")) << key << ": " << value;
    EXPECT_THAT(said(in_json, edit_with(changed)), HasSubstr("x.jsonl:1")) << key << ": " << value;
  }
}

}  // namespace
}  // namespace emend
