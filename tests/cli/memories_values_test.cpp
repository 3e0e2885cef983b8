// emend memories: values, search, explain, footprint, set.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "../support/markup_check.h"
#include "program.h"
#include "scratch_folder.h"

namespace emend {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::string kPrompt = "Workis Tellond was trained as a";

std::string text_of(const std::string& file) {
  std::ifstream stream(file);
  return {std::istreambuf_iterator<char>(stream), {}};
}

class MemoryCommands : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
  }
  // A run that must succeed; its page is checked.
  nlohmann::json run(const std::string& command, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"memories", command};
    arguments.insert(arguments.end(), more.begin(), more.end());
    for (const std::string& one :
         {std::string("--model"), world_model(GetParam()), std::string("--quiet"), std::string("--json"),
          folder_ / "j", std::string("--report"), folder_ / "page.html"})
      arguments.push_back(one);
    finished_ = run_emend(arguments);
    EXPECT_EQ(finished_.code, 0) << finished_.err;
    if (finished_.code != 0) return {};
    const std::string page = text_of(folder_ / "page.html");
    EXPECT_EQ(markup_fault(page), "");
    EXPECT_THAT(page, AllOf(HasSubstr("<!DOCTYPE html>"), testing::Not(HasSubstr("src=\"http")),
                            testing::Not(HasSubstr("href=\"http"))));
    return read_json(folder_ / "j");
  }

  const ScratchFolder folder_;
  Finished finished_;
};
INSTANTIATE_TEST_SUITE_P(Shapes, MemoryCommands, testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(MemoryCommands, ValuesOfSomeLayers) {
  const auto json = run("values", {"--layers", "1-2", "--top", "5", "--out", folder_ / "tables"});
  ASSERT_EQ(json["layers"].size(), 2U);
  EXPECT_EQ(json["layers"][0]["layer"], 1);
  EXPECT_EQ(json["lens"], "lin");
  EXPECT_EQ(json["outputs"].size(), 2U);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "tables/values_2.safetensors"));
  const auto& sharpest = json["sharpest"];
  ASSERT_EQ(sharpest.size(), 100U);
  EXPECT_GE(sharpest[0]["probability"], sharpest[1]["probability"]);
  EXPECT_EQ(sharpest[0]["tokens"].size(), 5U);
  EXPECT_THAT(finished_.out, AllOf(HasSubstr("max p: quartiles"), HasSubstr("The sharpest values"),
                                   HasSubstr("2 tables in")));
}

// A scan, its values, and words looked up in them.
TEST_P(MemoryCommands, ValuesOfAnIndexAreSearched) {
  const std::string index = folder_ / "index";
  const Finished scan = run_emend({"memories", "scan", "--model", world_model(GetParam()), "--corpus",
                                   std::string(EMEND_TEST_DATA) + "/world/text.txt", "--out", index,
                                   "--layers", "1", "--tokens", "1500", "--top", "5", "--quiet"});
  ASSERT_EQ(scan.code, 0) << scan.err;
  const auto json = run("values", {"--index", index, "--top", "6"});
  ASSERT_EQ(json["layers"].size(), 1U);
  EXPECT_GT(json["layers"][0]["agreement"]["defined"], 0);
  EXPECT_EQ(json["bins_of_equal_width"].size(), 8U);
  EXPECT_THAT(finished_.out, AllOf(HasSubstr("shuffled"), HasSubstr("echo")));
  const std::string word = json["sharpest"][0]["tokens"][0]["text"];
  const std::string plain = word.substr(word.find_first_not_of(' '));
  const Finished found = run_emend({"memories", "search", plain, "--index", index, "--json", folder_ / "s",
                                    "--report", folder_ / "s.html"});
  ASSERT_EQ(found.code, 0) << found.err;
  const auto hits = read_json(folder_ / "s");
  EXPECT_GT(hits["found"], 0);
  EXPECT_LT(hits["seconds"], 1);
  const std::string first = hits["cells"][0]["cell"];
  EXPECT_THAT(read_all(folder_ / "s.html"), AllOf(HasSubstr("Cells found by " + plain),
                                                  HasSubstr(">" + first + "<"), HasSubstr("best example")));
  const Finished none = run_emend({"memories", "search", "qzxqzx", "--index", index});
  EXPECT_EQ(none.code, 3);
  EXPECT_THAT(none.err, AllOf(HasSubstr("qzxqzx"), HasSubstr("nearest")));
}

TEST_P(MemoryCommands, ExplainKeepsToTheContract) {
  const auto json = run("explain", {"--prompt", kPrompt, "--cells", "4", "--top", "3"});
  EXPECT_EQ(json["prompt"], kPrompt);
  EXPECT_TRUE(json["token"].is_object());
  EXPECT_TRUE(json["against"].is_null());
  ASSERT_EQ(json["cells"].size(), 4U);
  for (const char* key : {"cell", "coefficient", "contribution", "attribution"})
    EXPECT_TRUE(json["cells"][0].contains(key)) << key;
  for (const auto& layer : json["layers"])
    for (const char* key : {"residual_top", "ffn_top", "output_top"}) EXPECT_EQ(layer[key].size(), 3U) << key;
  EXPECT_EQ(json["layers"].back()["output_top"][0]["id"], json["token"]["id"]);
  EXPECT_THAT(finished_.out, HasSubstr("follows with p"));
}

TEST_P(MemoryCommands, ExplainADifference) {
  const auto json = run("explain", {"--prompt", kPrompt, "--token", "stone", "--against", "weaver"});
  EXPECT_FALSE(json["against"].is_null());
  EXPECT_THAT(finished_.out, HasSubstr("difference of their logits"));
  run("explain", {"--prompt", kPrompt, "--token", "Zzzqxqz"});
  EXPECT_THAT(finished_.out, HasSubstr("\"Zzzqxqz\" has several tokens"));
}

TEST_P(MemoryCommands, SetShowsBothTexts) {
  const auto json = run("set", {"L1D3=off", "L2D4=on@last", "--prompt", kPrompt, "--max-new", "4"});
  ASSERT_EQ(json["settings"].size(), 2U);
  EXPECT_EQ(json["settings"][0]["after"], 0);
  EXPECT_EQ(json["unchanged"]["completion_tokens"].size(), 4U);
  EXPECT_GE(json["kl_largest"], json["kl_mean"]);
  EXPECT_THAT(finished_.out, AllOf(HasSubstr("unchanged: " + kPrompt), HasSubstr("L2D4=on@last")));
}

TEST_P(MemoryCommands, FootprintOfAnEdit) {
  const std::string edits = folder_.write("edits.yaml", world_edits(0, 1));
  const Finished edit =
      run_emend({"edit", edits, "--model", world_model(GetParam()), "--out", folder_ / "out", "--statistics",
                 folder_ / "stats", "--quiet", "--layer", "2"});
  ASSERT_TRUE(edit.code == 0 || edit.code == 4) << edit.err;
  const auto json = run("footprint", {folder_ / "out/edits.safetensors", "--cells", "6"});
  ASSERT_EQ(json["layers"].size(), 1U);
  EXPECT_EQ(json["layers"][0]["layer"], 2);
  ASSERT_EQ(json["layers"][0]["moved"].size(), 6U);
  EXPECT_GE(json["layers"][0]["moved"][0]["share"], json["layers"][0]["moved"][1]["share"]);
  EXPECT_THAT(finished_.out, HasSubstr("hold 90 %"));
  const std::string patch = folder_ / "out/edits.safetensors";
  const Finished twice =
      run_emend({"memories", "footprint", patch, patch, "--model", world_model(GetParam())});
  EXPECT_EQ(twice.code, 3);
  EXPECT_THAT(twice.err, HasSubstr("write the same key at layer 2"));
}

TEST_P(MemoryCommands, RefusesBeforeTheModelIsLoaded) {
  const auto refused = [&](const std::vector<std::string>& arguments, int code, const std::string& message) {
    const Finished run = run_emend(arguments);
    EXPECT_EQ(run.code, code) << run.err;
    EXPECT_THAT(run.err, HasSubstr(message));
    EXPECT_EQ(run.out, "");
  };
  refused({"memories"}, 2, "memories");
  refused({"memories", "value"}, 2, "values");
  refused({"memories", "values"}, 2, "--model");
  refused({"memories", "values", "--model", "m", "--lens", "tuned"}, 2, "--lens");
  refused({"memories", "explain", "--model", "m"}, 2, "--prompt");
  refused({"memories", "set", "L1D2", "--model", "m", "--prompt", "x"}, 2, "L12D771=off");
  refused({"memories", "footprint", "--model", "m"}, 2, "a patch");
  refused({"memories", "values", "--model", world_model(GetParam()), "--layers", "99"}, 3, "99");
  refused({"memories", "set", "L0D999999=off", "--model", world_model(GetParam()), "--prompt", "x"}, 3,
          "D0 to D");
}

}  // namespace
}  // namespace emend
