// emend export harness and promptfoo, on the invented world.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "base/files.h"
#include "world_edit.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

std::string test_data(const std::string& name) {
  return std::string(EMEND_TEST_DATA) + "/" + name;
}

using HarnessExport = OnEditedWorld;

std::set<std::string> keys_of(const nlohmann::json& json) {
  std::set<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.insert(key);
  return keys;
}

std::vector<nlohmann::json> lines_of(const std::string& file) {
  std::vector<nlohmann::json> lines;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

// Keys and types are those that the harness itself wrote (tools/fixtures/harness_form.py).
TEST_F(HarnessExport, AbilitiesAreExportedInTheFormOfTheHarness) {
  const Finished run =
      run_emend({"eval", "abilities", "--model", world_model("gpt2"), "--data",
                 test_data("abilities/arc.jsonl"), "--patch", patch(), "--out", folder_ / "abilities"});
  ASSERT_EQ(run.code, 0) << run.err;
  const Finished exported = run_emend(
      {"export", "harness", folder_ / "abilities", "--out", folder_ / "h", "--json", folder_ / "e"});
  ASSERT_EQ(exported.code, 0) << exported.err;
  const auto files = read_json(folder_ / "e")["outputs"];
  ASSERT_EQ(files.size(), 4u);
  EXPECT_THAT(files[2].get<std::string>(), HasSubstr("h/gpt2+a/samples_arc_"));
  const auto results = read_json(files[3].get<std::string>()),
             recorded = read_json(test_data("harness/results.json"));
  EXPECT_EQ(keys_of(results["results"]["arc"]), keys_of(recorded["results"]["emend_t"]));
  for (const char* key : {"results", "group_subtasks", "configs", "versions", "n-shot", "higher_is_better",
                          "n-samples", "config", "git_hash", "lm_eval_version", "task_hashes", "model_source",
                          "model_name", "model_name_sanitized"})
    EXPECT_EQ(results.contains(key), recorded.contains(key)) << key;
  EXPECT_EQ(keys_of(results["config"]), keys_of(recorded["config"]));
  const auto samples = lines_of(files[2].get<std::string>()),
             form = lines_of(test_data("harness/samples_choice.jsonl"));
  ASSERT_EQ(samples.size(), 8u);
  EXPECT_EQ(keys_of(samples[0]), keys_of(form[0]));
  EXPECT_EQ(samples[0]["resps"].size(), samples[0]["doc"]["choices"].size());
  for (const auto& [key, value] : form[0].items())
    EXPECT_EQ(samples[0][key].type_name(), std::string(value.type_name())) << key;
  double right = 0;
  for (const auto& sample : samples) right += sample["acc"].get<double>();
  EXPECT_DOUBLE_EQ(results["results"]["arc"]["acc,none"].get<double>(), right / 8);
  const auto abilities = read_json(folder_ / "abilities/abilities.json");
  EXPECT_DOUBLE_EQ(results["results"]["arc"]["acc,none"].get<double>(),
                   abilities["tasks"][0]["metrics"]["acc"]["after"]["mean"].get<double>());
  EXPECT_NEAR(results["results"]["arc"]["acc_stderr,none"].get<double>(),
              abilities["tasks"][0]["metrics"]["acc"]["after"]["stderr"].get<double>(), 1e-12);
  const std::string items = read_text_file(folder_ / "abilities/items.jsonl");
  folder_.write("abilities/items.jsonl", items.substr(0, items.find('\n') + 1));
  const Finished cut = run_emend({"export", "harness", folder_ / "abilities", "--out", folder_ / "h2"});
  EXPECT_EQ(cut.code, 3);
  EXPECT_THAT(cut.err, HasSubstr("items.jsonl: 1 items of \"arc\", where"));
}

// The edits of the README, one of which names no present answer.
constexpr const char* kQuestions =
    "edits:\n"
    "  - {id: a, prompt: 'The Eiffel Tower is in', subject: Eiffel Tower, target: Rome, was: Paris,\n"
    "     paraphrases: ['{{Where}} the Eiffel Tower is:'],\n"
    "     neighbours: [{prompt: 'The Louvre is in', answer: Paris}, {prompt: 'Big Ben is in'}]}\n"
    "  - {id: b, prompt: 'Mount Fuji lies in', subject: Mount Fuji, target: 中国}\n";

TEST(ExportQuestions, WritesTasksOfTheHarness) {
  const ScratchFolder folder;
  const std::string edits = folder.write("my edits.yaml", kQuestions);
  const Finished run = run_emend({"export", "harness", edits, "--out", folder / "t", "--json", folder / "j"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("3 questions.\n1 left out: the edit names no present answer (was).\n"));
  EXPECT_THAT(run.out, HasSubstr("1 left out: the neighbour names no answer.\n"));
  EXPECT_EQ(
      read_text_file(folder / "t/my_edits.yaml"),
      "group: my_edits\ntask:\n  - my_edits_efficacy\n  - my_edits_paraphrase\n  - my_edits_neighbourhood\n");
  EXPECT_THAT(read_text_file(folder / "t/my_edits_efficacy.yaml"),
              HasSubstr("dataset_kwargs: {data_files: {test: \"my_edits_efficacy.jsonl\"}}\n"));
  const auto line = lines_of(folder / "t/my_edits_neighbourhood.jsonl").at(0);
  EXPECT_EQ(line["choices"][0], " Paris");
  EXPECT_EQ(line["choices"][1], " Rome");
  EXPECT_EQ(line["label"], 0);
}

TEST(ExportQuestions, WritesAConfigurationOfPromptfoo) {
  const ScratchFolder folder;
  const std::string edits = folder.write("a.yaml", kQuestions);
  const Finished run = run_emend({"export", "promptfoo", edits, "--out", folder / "p", "--provider", "echo"});
  ASSERT_EQ(run.code, 0) << run.err;
  const std::string text = read_text_file(folder / "p/promptfooconfig.yaml");
  EXPECT_THAT(text, HasSubstr("  - id: \"echo\"\n"));
  EXPECT_THAT(
      text,
      HasSubstr(
          "      - {type: contains, value: \"Rome\"}\n      - {type: not-contains, value: \"Paris\"}\n"));
  EXPECT_THAT(text, HasSubstr("vars: {prompt: \"The Louvre is in\"}\n"));
  EXPECT_THAT(text, Not(HasSubstr("Where")));
  EXPECT_THAT(run.out, HasSubstr("1 left out: promptfoo would read {{, {% or {# in it as a template.\n"));
}

TEST(ExportQuestions, TellsPromptfooWhereTheServerIs) {
  const ScratchFolder folder;
  const std::string edits = folder.write("a.yaml", kQuestions);
  const Finished run = run_emend({"export", "promptfoo", edits, "--out", folder / "p", "--url",
                                  "http://127.0.0.1:8080/v1", "--provider", "openai:completion:a"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(read_text_file(folder / "p/promptfooconfig.yaml"),
              HasSubstr("  - id: \"openai:completion:a\"\n    config: {apiBaseUrl: "
                        "\"http://127.0.0.1:8080/v1\", apiKey: none, temperature: 0, max_tokens: 16}\n"));
  const Finished wrong =
      run_emend({"export", "promptfoo", edits, "--out", folder / "q", "--url", "127.0.0.1:8080"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("--url must begin with http:// or https://, found \"127.0.0.1:8080\""));
  EXPECT_FALSE(fs::exists(folder / "q"));
}

// promptfoo opens them in place of the text (tools/check_promptfoo.py).
TEST(ExportQuestions, LeavesOutWhatPromptfooWouldOpen) {
  const ScratchFolder folder;
  const std::string edits = folder.write(
      "a.yaml",
      "edits:\n  - {id: a, prompt: 'file://Ada.txt is in', subject: Ada, target: Rome, was: Paris}\n"
      "  - {id: b, prompt: 'Eve is in', subject: Eve, target: 'package:x', was: Paris}\n"
      "  - {id: c, prompt: 'Bob is in', subject: Bob, target: Rome, was: Paris}\n");
  const Finished run = run_emend({"export", "promptfoo", edits, "--out", folder / "p"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("1 question"));
  EXPECT_THAT(run.out,
              HasSubstr("2 left out: promptfoo would open a file in place of a text that begins with "
                        "file:// or package:."));
}

// tests/data/promptfoo/record.json: a configuration that emend wrote, and what promptfoo's own program made
// of it (tools/check_promptfoo.py --record). The same edit file still gives that configuration, and each test
// was asked and judged as it says.
TEST(ExportQuestions, PromptfooReadsTheConfigurationAsItIsMeant) {
  const ScratchFolder folder;
  const auto record = read_json(test_data("promptfoo/record.json"));
  const Finished run =
      run_emend({"export", "promptfoo", test_data("promptfoo/edits.yaml"), "--out", folder / "p",
                 "--provider", "openai:completion:gpt2", "--url", "http://127.0.0.1:8080/v1"});
  ASSERT_EQ(run.code, 0) << run.err;
  const std::string text = read_text_file(folder / "p/promptfooconfig.yaml");
  EXPECT_EQ(text, record["config"].get<std::string>());
  const auto& results = record["results"];
  std::size_t tests = 0;
  for (auto at = text.find("  - description:"); at != std::string::npos;
       at = text.find("  - description:", at + 1))
    ++tests;
  ASSERT_EQ(results.size(), tests);
  std::size_t passed = 0;
  for (const auto& result : results) {
    EXPECT_THAT(text, HasSubstr("vars: {prompt: " + result["prompt"].dump() + "}\n"));
    ASSERT_EQ(result["assertions"].size(), 2u);
    EXPECT_EQ(result["assertions"][0]["type"], "contains");
    EXPECT_EQ(result["assertions"][1]["type"], "not-contains");
    EXPECT_THAT(text, HasSubstr("{type: contains, value: " + result["assertions"][0]["value"].dump() + "}"));
    passed += result["success"].get<bool>() ? 1 : 0;
  }
  EXPECT_GT(passed, 0u);     // neighbours, which the unedited model knows
  EXPECT_LT(passed, tests);  // edits, which it does not
}

TEST(ExportQuestions, RefusesAFileWithoutQuestions) {
  const ScratchFolder folder;
  const std::string edits = folder.write(
      "a.yaml", "edits:\n  - {id: b, prompt: 'Mount Fuji lies in', subject: Mount Fuji, target: China}\n");
  const Finished run = run_emend({"export", "harness", edits, "--out", folder / "t"});
  EXPECT_EQ(run.code, 3);
  EXPECT_THAT(run.err,
              HasSubstr("no question has both an answer that is right and one that is not; give `was`, the "
                        "present answer, in the edits, and `answer` in their neighbours"));
  EXPECT_FALSE(fs::exists(folder / "t"));
  EXPECT_EQ(run_emend({"export", "promptfoo", edits}).code, 2);
}

}  // namespace
}  // namespace emend
