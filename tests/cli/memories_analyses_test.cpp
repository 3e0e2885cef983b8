// emend memories: aggregate, patterns, bake, compare, cluster, audit, export, import, report.
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

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

const std::string kText = std::string(EMEND_TEST_DATA) + "/world/text.txt";

class MemoryAnalyses : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
  }
  // A run that must succeed; with a page, which is checked.
  nlohmann::json run(const std::string& command, const std::vector<std::string>& more, bool page = true) {
    std::vector<std::string> arguments = {"memories", command};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.insert(arguments.end(), {"--quiet", "--json", folder_ / "j"});
    if (page) arguments.insert(arguments.end(), {"--report", folder_ / "page.html"});
    finished_ = run_emend(arguments);
    EXPECT_EQ(finished_.code, 0) << finished_.err;
    if (finished_.code != 0) return {};
    if (page) {
      EXPECT_EQ(markup_fault(read_all(folder_ / "page.html")), "");
    }
    return read_json(folder_ / "j");
  }
  // An index over two layers, with values.
  std::string index() {
    const std::string place = folder_ / "index";
    if (fs::exists(place)) return place;
    run("scan",
        {"--model", world_model("llama"), "--corpus", kText, "--layers", "0-1", "--top", "6", "--tokens",
         "2000", "--out", place},
        false);
    return place;
  }

  const ScratchFolder folder_;
  Finished finished_;
};

TEST_F(MemoryAnalyses, AggregateKeepsToTheContract) {
  const auto json = run("aggregate", {"--model", world_model("llama"), "--corpus", kText, "--tokens", "1500",
                                      "--examples", "40"});
  EXPECT_EQ(json["tokens"], 40);
  EXPECT_EQ(json["text_tokens"], 1500);
  ASSERT_FALSE(json["layers"].empty());
  for (const char* key : {"layer", "active_mean", "zero_agreement", "residual_is_final", "ffn_is_output"})
    EXPECT_TRUE(json["layers"][0].contains(key)) << key;
  EXPECT_EQ(json["layers"].back()["output_is_final"], 1);
  EXPECT_THAT(finished_.out, AllOf(HasSubstr("zero agr."), HasSubstr("40 positions")));
  EXPECT_THAT(read_all(folder_ / "page.html"), AllOf(HasSubstr("Who decides"), HasSubstr("<svg")));
}

TEST_F(MemoryAnalyses, ShardsOfAnAggregationAreJoined) {
  const std::vector<std::string> text = {"--model", world_model("llama"), "--corpus", kText, "--tokens",
                                         "1500",    "--examples",         "30"};
  const auto aggregate = [&](std::vector<std::string> more) {
    more.insert(more.end(), text.begin(), text.end());
    return run("aggregate", more, false);
  };
  const auto whole = aggregate({"--out", folder_ / "whole", "--sparsity", "40"});
  EXPECT_THAT(finished_.out, HasSubstr("The largest cells of each token alone"));
  EXPECT_EQ(whole["sparsity"]["points"].size(), 7U);
  EXPECT_NEAR(whole["sparsity"]["points"].back()["kl"].get<double>(), 0, 1e-6);
  for (const char* shard : {"0/2", "1/2"}) {
    EXPECT_EQ(aggregate({"--out", folder_ / "parts", "--shard", shard})["is_part"], true);
    EXPECT_THAT(finished_.out, HasSubstr("--join"));
  }
  const auto joined = aggregate({"--out", folder_ / "joined", "--join", folder_ / "parts"});
  EXPECT_EQ(joined["layers"], whole["layers"]);
  EXPECT_TRUE(joined["sparsity"].is_null());
  EXPECT_TRUE(read_all(folder_ / "joined/positions.safetensors") ==
              read_all(folder_ / "whole/positions.safetensors"));
  EXPECT_EQ(aggregate({"--out", folder_ / "whole", "--resume"})["layers"], whole["layers"]);
  std::vector<std::string> wrong = {"memories", "aggregate", "--shard", "0/2"};
  wrong.insert(wrong.end(), text.begin(), text.end());
  const Finished refused = run_emend(wrong);
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("--out DIR"));
}

TEST_F(MemoryAnalyses, PrefixesLoseAWord) {
  const std::string place = index();
  const auto json = run("patterns", {"--index", place, "--cells", "4", "--background", "300", "--model",
                                     world_model("llama"), "--mutations", "3"});
  ASSERT_EQ(json["mutation"]["layers"].size(), 2U);
  EXPECT_EQ(json["mutation"]["cells"].size(), 8U);
  for (const char* part : {"first", "last", "random"})
    EXPECT_TRUE(json["mutation"]["layers"][0]["change"].contains(part)) << part;
  EXPECT_THAT(finished_.out, HasSubstr("shallow index"));
  EXPECT_THAT(read_all(folder_ / "page.html"), HasSubstr("A word taken away"));
  const Finished wrong = run_emend({"memories", "patterns", "--index", place, "--mutations", "3"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("--model M"));
}

TEST_F(MemoryAnalyses, CellsActTogetherAndWhereTheyAreTriggered) {
  const std::string place = index();
  const auto effects = run("effects", {"--index", place, "--model", world_model("llama"), "--cells", "4"});
  EXPECT_EQ(effects["cells"].size(), 8U);
  EXPECT_THAT(read_all(folder_ / "page.html"), HasSubstr("What cells do where they are triggered"));
  const auto topics = run("patterns", {"--index", place, "--cells", "4", "--background", "300", "--model",
                                       world_model("llama"), "--topics"});
  EXPECT_TRUE(topics["layers"][0]["with_topic"].is_number());
  EXPECT_THAT(finished_.out, HasSubstr("topic without a common word"));
  const auto pairs = run("coactive", {"--model", world_model("llama"), "--corpus", kText, "--layers", "1",
                                      "--tokens", "500", "--index", place, "--most", "40"});
  EXPECT_EQ(pairs["cells"], 40);
  EXPECT_THAT(read_all(folder_ / "page.html"), HasSubstr("Cells that fire together"));
}

TEST_F(MemoryAnalyses, APromptHasATimeLine) {
  const auto line =
      run("timeline", {"--model", world_model("llama"), "--prompt", "Workis Tellond was trained as a",
                       "--subject", "Workis Tellond", "--token", "stone cutter", "--samples", "3"});
  EXPECT_EQ(line["layers"].size(), 9U);
  EXPECT_THAT(finished_.out, HasSubstr("organise"));
  EXPECT_THAT(read_all(folder_ / "page.html"), HasSubstr("Three phases over the layers"));
  const Finished wrong = run_emend({"memories", "timeline", "--model", world_model("llama"), "--prompt",
                                    "Workis Tellond was trained as a", "--subject", "Nobody"});
  EXPECT_EQ(wrong.code, 3);
  EXPECT_THAT(wrong.err, HasSubstr("Nobody"));
}

TEST_F(MemoryAnalyses, OptionsThatWouldChangeNothingAreRefused) {
  const std::string place = index(), none = folder_ / "none.gguf";  // refused before it is looked for
  const std::string facts = folder_.write("facts.jsonl", "{\"prompt\": \"By trade\"}\n");
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"patterns", "--index", place, "--model", none}, "--model"},
      {{"patterns", "--index", place, "--model", none, "--topics", "--clip"}, "--clip"},
      {{"effects", "--model", none, "--index", place, "--triggers", "0"}, "--triggers"},
      {{"coactive", "--model", none, "--corpus", facts, "--most", "5"}, "--index"},
      {{"coactive", "--model", none, "--corpus", facts, "--resume"}, "--out"},
      {{"timeline", "--model", none, "--prompt", "By trade", "--subject", "trade", "--share", "2"},
       "--share"},
      {{"patterns", "--index", place, "--clip"}, "--clip"},
      {{"patterns", "--index", place, "--longest", "64"}, "--longest"},
      {{"patterns", "--index", place, "--token-budget", "64"}, "--token-budget"},
      {{"patterns", "--index", place, "--model", none, "--mutations", "1001"}, "--mutations"},
      {{"patterns", "--index", place, "--model", none, "--mutations", "3", "--longest", "4"}, "--longest"},
      {{"aggregate", "--model", none, "--corpus", facts, "--shard", "0/2", "--out", folder_ / "out",
        "--sparsity", "100"},
       "--sparsity"},
      {{"layers", "--model", none, "--prompt", "By trade", "--limit", "2"}, "--limit"},
      {{"layers", "--model", none, "--facts", facts, "--window", "0"}, "--window"},
      {{"knowledge", "--model", none, "--facts", facts, "--steps", "0"}, "--steps"},
      {{"knowledge", "--model", none, "--facts", facts, "--draws", "1001"}, "--draws"},
      {{"knowledge", "--model", none, "--facts", facts, "--threshold", "2"}, "--threshold"},
      {{"knowledge", "--model", none, "--prompt", "By trade", "--paraphrase", " "}, "--paraphrase"}};
  for (const auto& [arguments, option] : cases) {
    std::vector<std::string> command = {"memories"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const Finished finished = run_emend(command);
    EXPECT_EQ(finished.code, 2) << option;
    EXPECT_THAT(finished.err, HasSubstr(option));
  }
}

TEST_F(MemoryAnalyses, ACellShowsValueAndLabels) {
  const std::string place = index();
  run("values", {"--model", world_model("llama"), "--index", place, "--top", "5"});
  const std::string labels = folder_.write("own.json", "{\"L1D7\": \"weavers\"}");
  EXPECT_EQ(run("import", {labels, "--index", place}, false)["added"], 1);
  const auto cell = run("cell", {"L1D7", "--index", place});
  EXPECT_EQ(cell["value"]["top"].size(), 5U);
  for (const char* key : {"id", "text", "logit"})
    EXPECT_TRUE(cell["value"]["bottom"][0].contains(key)) << key;
  EXPECT_EQ(cell["labels"][0], "weavers");
  EXPECT_THAT(finished_.out, AllOf(HasSubstr("+v promotes"), HasSubstr("Labels: weavers")));
  EXPECT_THAT(read_all(folder_ / "page.html"), HasSubstr("-v promotes"));
}

TEST_F(MemoryAnalyses, PatternsGoOutAndComeBack) {
  const std::string place = index();
  const std::string sheet = folder_ / "sheet.csv";
  const auto json =
      run("patterns", {"--index", place, "--cells", "10", "--background", "400", "--export", sheet});
  ASSERT_EQ(json["layers"].size(), 2U);
  EXPECT_EQ(json["cells"].size(), 20U);
  for (const char* key : {"shallow", "both", "semantic", "not_covered"})
    EXPECT_TRUE(json["layers"][0]["shares"].contains(key)) << key;
  EXPECT_THAT(read_all(sheet), HasSubstr("layer0,memory,annotator"));
  EXPECT_THAT(read_all(folder_ / "sheet_prefixes.csv"), HasSubstr("coefficient"));
  std::string text = read_all(sheet);
  for (std::size_t at = text.find(",emend,"); at != std::string::npos; at = text.find(",emend,", at))
    text.replace(at, 7, ",ada,");
  const auto compared = run("patterns", {"--index", place, "--cells", "10", "--background", "400",
                                         "--annotations", folder_.write("ada.csv", text)});
  EXPECT_NEAR(compared["annotators"][0]["agreement"].get<double>(), 1, 1e-12);
  EXPECT_THAT(finished_.out, HasSubstr("kappa"));
  const Finished wrong = run_emend(
      {"memories", "patterns", "--index", place, "--annotations", folder_.write("bad.csv", "a,b\n")});
  EXPECT_EQ(wrong.code, 3);
  EXPECT_THAT(wrong.err, HasSubstr("bad.csv:1"));
}

TEST_F(MemoryAnalyses, ABakedPatchIsLikeAnyOther) {
  const std::string patch = folder_ / "p.safetensors", prompt = "Workis Tellond was trained as a";
  const auto json = run(
      "bake", {"L1D7=off", "L2D9=x0.5", "--model", world_model("gpt2"), "--prompt", prompt, "--out", patch},
      false);
  EXPECT_EQ(json["method"], "cells");
  const Finished list = run_emend({"patch", "list", patch});
  EXPECT_EQ(list.code, 0) << list.err;
  EXPECT_THAT(list.out, HasSubstr("L1D7=off"));
  const Finished verify =
      run_emend({"patch", "verify", "--model", world_model("gpt2"), "--patch", patch, "--quiet"});
  EXPECT_EQ(verify.code, 0) << verify.err << verify.out;
  const std::string made = folder_ / "made";
  const Finished apply = run_emend(
      {"patch", "apply", "--model", world_model("gpt2"), "--patch", patch, "--out", made, "--quiet"});
  EXPECT_EQ(apply.code, 0) << apply.err;
  const auto compared = run("compare", {world_model("gpt2"), made, "--cells", "3"});
  EXPECT_EQ(compared["cells"][0]["cell"], "L1D7");
  EXPECT_NEAR(compared["cells"][0]["value_moved"].get<double>(), 1, 1e-6);
  EXPECT_EQ(compared["cells"][1]["cell"], "L2D9");
  EXPECT_NEAR(compared["cells"][1]["value_moved"].get<double>(), 0.5, 1e-6);
  const Finished refused = run_emend({"memories", "bake", "L1D7=on", "--model", world_model("gpt2"),
                                      "--prompt", prompt, "--out", folder_ / "q.safetensors"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("cannot be baked"));
  EXPECT_FALSE(fs::exists(folder_ / "q.safetensors"));
}

TEST_F(MemoryAnalyses, FactsCellsAndLayers) {
  const std::string facts = std::string(EMEND_TEST_DATA) + "/world/edits.jsonl";
  const auto known = run("knowledge", {"--model", world_model("llama"), "--facts", facts, "--limit", "2",
                                       "--steps", "4", "--draws", "2", "--shared", "0.3"});
  ASSERT_EQ(known["facts"].size(), 2U);
  for (const char* key : {"neurons", "change", "random", "others", "damage", "cells_of_90", "layers_of_90"})
    EXPECT_TRUE(known["facts"][0].contains(key)) << key;
  EXPECT_THAT(finished_.out, AllOf(HasSubstr("by contribution"), HasSubstr("2 facts")));
  const std::string prompt = "Workis Tellond was trained as a";
  const auto layers = run("layers", {"--model", world_model("gpt2"), "--prompt", prompt, "--paraphrase",
                                     "By trade", "--window", "2"});
  EXPECT_EQ(layers["prompts"], 2);
  EXPECT_EQ(layers["effects"][0]["change"], "skip");
  EXPECT_THAT(finished_.out, AllOf(HasSubstr("no attention, window"), HasSubstr("swap: least at")));
  const auto explained =
      run("explain", {"--model", world_model("llama"), "--prompt", prompt, "--cells", "3", "--sources", "2"});
  EXPECT_EQ(explained["cells"][0]["sources"]["gate"]["strongest"].size(), 2U);
  EXPECT_EQ(explained["sources"]["value"], explained["logit"]);
  EXPECT_THAT(finished_.out, HasSubstr("strongest sources"));
  EXPECT_THAT(read_all(folder_ / "page.html"), HasSubstr("Who made the keys"));
  const Finished both =
      run_emend({"memories", "layers", "--model", world_model("gpt2"), "--prompt", prompt, "--facts", facts});
  EXPECT_EQ(both.code, 2);
  EXPECT_THAT(both.err, HasSubstr("give --prompt P or --facts FILE"));
  const Finished broken = run_emend({"memories", "knowledge", "--model", world_model("gpt2"), "--facts",
                                     folder_.write("f.jsonl", "{\"prompt\": \"\"}\n")});
  EXPECT_EQ(broken.code, 3);
  EXPECT_THAT(broken.err, HasSubstr("f.jsonl"));
  const Finished empty = run_emend(
      {"memories", "knowledge", "--model", world_model("gpt2"), "--facts",
       folder_.write("g.jsonl", "{\"prompt\": \"By trade\", \"paraphrases\": [\"It is\", \" \"]}\n")});
  EXPECT_EQ(empty.code, 3);
  EXPECT_THAT(empty.err, AllOf(HasSubstr("g.jsonl"), HasSubstr("paraphrases[1]")));
}

TEST_F(MemoryAnalyses, ClustersAuditsAndExports) {
  const std::string place = index();
  const auto clusters = run("cluster", {"--model", world_model("llama"), "--layers", "1", "--clusters", "5"});
  EXPECT_EQ(clusters["cells"], clusters["cluster_of"].size());
  const auto audit = run("audit", {"--index", place, "--patterns", folder_.write("p.txt", "name [A-Z]\\w+\n"),
                                   "--least", "0.2", "--model", world_model("llama"), "--tokens", "100"});
  EXPECT_EQ(audit["patterns"][0]["name"], "name");
  EXPECT_GT(audit["redundancy"]["perplexity"], 1);
  const auto np = run(
      "export", {"neuronpedia", "--index", place, "--out", folder_ / "np", "--model-name", "world"}, false);
  EXPECT_GT(np["examples"], 0);
  EXPECT_TRUE(fs::exists(folder_ / "np/world/1-mlp/features/batch-0.jsonl.gz"));
  run("export", {"delphi", "--index", place, "--out", folder_ / "delphi"}, false);
  EXPECT_TRUE(fs::exists(folder_ / "delphi/layers.1.mlp/config.json"));
  const Finished again =
      run_emend({"memories", "export", "delphi", "--index", place, "--out", folder_ / "delphi"});
  EXPECT_EQ(again.code, 3);
  const Finished wrong = run_emend({"memories", "export", "csv", "--index", place, "--out", folder_ / "x"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("neuronpedia or delphi"));
}

TEST_F(MemoryAnalyses, OnePageOverAll) {
  const std::string place = index(), model = world_model("llama");
  const auto keep = [&](const std::string& name) {
    fs::rename(fs::path(folder_ / "j"), fs::path(folder_ / name));
    return std::string(folder_ / name);
  };
  run("values", {"--model", model, "--index", place, "--top", "5"});
  const std::string values = keep("v.json");
  run("aggregate", {"--model", model, "--corpus", kText, "--tokens", "800", "--examples", "20"});
  const std::string aggregate = keep("a.json");
  run("patterns", {"--index", place, "--cells", "5", "--background", "300"});
  const std::string patterns = keep("p.json");
  const std::string page = folder_ / "all.html";
  const auto json =
      run("report", {"--index", place, "--out", page, "--with", values, aggregate, patterns, "--cells", "6"},
          false);
  EXPECT_EQ(json["cells"], 12);
  EXPECT_EQ(json["results"], nlohmann::json({"values", "aggregate", "patterns"}));
  const std::string html = read_all(page);
  EXPECT_EQ(markup_fault(html), "");
  EXPECT_THAT(html, HasSubstr("bins of equal width"));
  EXPECT_THAT(html,
              AllOf(HasSubstr("id=\"search\""), HasSubstr("data-words=\"l0d"), HasSubstr("Zero agreement"),
                    HasSubstr("Patterns of trigger prefixes"), HasSubstr("+v promotes")));
  for (const char* part : {"src=", "href=", "url(", "@import", "fetch("})
    EXPECT_EQ(html.find(part), std::string::npos);
  const Finished wrong = run_emend(
      {"memories", "report", "--index", place, "--out", page, "--with", folder_.write("x.json", "{}")});
  EXPECT_EQ(wrong.code, 3);
  EXPECT_THAT(wrong.err, HasSubstr("x.json"));
}

}  // namespace
}  // namespace emend
