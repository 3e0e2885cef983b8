// The analyses of memories and of abilities through the C interface.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/temp_folder.h"
#include "c_handles.h"

namespace emend::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Json = nlohmann::json;

const std::string kWorld = std::string(EMEND_TEST_DATA) + "/world";
const char* const kPrompt = "Workis Tellond was trained as a";
const char* const kSubject = "Workis Tellond";

class Memories : public testing::Test {
 protected:
  Memories() : model_(load_model(kWorld + "/llama", 1)) {}

  // An analysis that must succeed.
  static Json run(emend_model* model, const char* analysis, const Json& options) {
    emend_text* text = nullptr;
    must(emend_memories(model, analysis, options.dump().c_str(), nullptr, &text));
    return Json::parse(taken(text));
  }
  static void refuse(emend_model* model, const char* analysis, const char* options, emend_status status,
                     const std::string& words) {
    auto* text = reinterpret_cast<emend_text*>(&status);
    EXPECT_EQ(emend_memories(model, analysis, options, nullptr, &text), status) << words;
    EXPECT_THAT(emend_last_error(), HasSubstr(words));
    EXPECT_EQ(text, nullptr);
  }

  TempFolder folder_;
  OwnedModel model_;
};

TEST_F(Memories, AreScannedAndReadFromTheIndex) {
  const std::string place = (folder_ / "index").string();
  Json scan = {{"corpus", {kWorld + "/text.txt"}},
               {"layers", {0, 1}},
               {"top", 6},
               {"tokens", 2000},
               {"out", place},
               {"plan_only", true}};
  const Json plan = run(model_, "scan", scan);
  EXPECT_GE(plan.at("plan").at("cells"), 1);
  EXPECT_TRUE(plan.contains("warnings") && plan.contains("notes"));
  EXPECT_FALSE(fs::exists(place));
  scan["plan_only"] = false;
  EXPECT_EQ(run(model_, "scan", scan).at("layers").size(), 2U);
  refuse(model_, "scan", scan.dump().c_str(), EMEND_BAD_INPUT, "index");  // it is there already
  const Json values = run(model_, "values", {{"index", place}, {"top", 5}, {"sharpest", 3}});
  EXPECT_EQ(values.at("layers").size(), 2U);

  const Json cell = run(nullptr, "cell", {{"cell", "L1D7"}, {"index", place}});
  EXPECT_EQ(cell.at("value").at("top").size(), 5U);
  EXPECT_EQ(run(model_, "cell", {{"cell", "L1D7"}, {"index", place}}), cell);
  const std::string word = cell.at("value").at("top").at(0).at("text");
  EXPECT_GE(run(nullptr, "search", {{"words", {word}}, {"index", place}, {"limit", 2}}).at("found"), 1);

  const std::string labels = (folder_ / "labels.json").string();
  folder_.write("labels.json", R"({"L1D7": "weavers"})");
  EXPECT_EQ(run(nullptr, "import", {{"files", {labels}}, {"index", place}}).at("added"), 1);
  const std::string page = (folder_ / "page.html").string();
  EXPECT_GE(run(nullptr, "report", {{"index", place}, {"out", page}, {"cells", 2}}).at("cells"), 1);
  EXPECT_TRUE(fs::exists(page));
  const std::string out = (folder_ / "np").string();
  const Json exported =
      run(nullptr, "export", {{"form", "neuronpedia"}, {"index", place}, {"out", out}, {"model", "world"}});
  EXPECT_FALSE(exported.at("outputs").empty());
  const std::string sheet = (folder_ / "sheet.csv").string();
  const Json patterns =
      run(nullptr, "patterns", {{"index", place}, {"cells", 5}, {"background", 400}, {"export", sheet}});
  EXPECT_EQ(patterns.at("outputs").size(), 2U);
  EXPECT_TRUE(fs::exists(sheet));
  EXPECT_TRUE(patterns.at("mutation").is_null());
  const Json mutated =
      run(model_, "patterns", {{"index", place}, {"cells", 2}, {"background", 400}, {"mutations", 2}});
  EXPECT_FALSE(mutated.at("mutation").is_null());
  refuse(nullptr, "patterns", Json({{"index", place}, {"mutations", 2}}).dump().c_str(), EMEND_USAGE,
         "needs a model");
  refuse(nullptr, "patterns", Json({{"index", place}, {"topics", true}}).dump().c_str(), EMEND_USAGE,
         "needs a model");
  const Json topics =
      run(model_, "patterns", {{"index", place}, {"cells", 2}, {"background", 400}, {"topics", true}});
  EXPECT_TRUE(topics.at("layers").at(0).at("with_topic").is_number());
  const Json effects = run(model_, "effects", {{"index", place}, {"cells", 3}, {"triggers", 2}});
  EXPECT_EQ(effects.at("cells").size(), 6U);
  const Json audit = run(model_, "audit", {{"index", place}, {"tokens", 100}});
  EXPECT_GT(audit.at("redundancy").at("perplexity"), 1);
  refuse(nullptr, "audit", Json({{"index", place}}).dump().c_str(), EMEND_USAGE,
         "patterns, a model, or both");
  const OwnedModel other = load_model(kWorld + "/gpt2", 1);
  refuse(other, "cell", Json({{"cell", "L1D7"}, {"index", place}}).dump().c_str(), EMEND_BAD_INPUT, "");
}

TEST_F(Memories, PartsOfAScanAreMerged) {
  Json scan = {{"corpus", {kWorld + "/text.txt"}},
               {"layers", {0}},
               {"tokens", 1600},
               {"block_tokens", 400},
               {"shards", 2}};
  Json folders = Json::array();
  for (int shard = 0; shard < 2; ++shard) {
    scan["shard"] = shard;
    scan["out"] = (folder_ / std::to_string(shard)).string();
    folders.push_back(scan["out"]);
    run(model_, "scan", scan);
  }
  const Json merged = run(nullptr, "merge", {{"folders", folders}, {"out", (folder_ / "whole").string()}});
  EXPECT_EQ(merged.at("layers").size(), 1U);
}

TEST_F(Memories, SayWhatTheModelDoes) {
  const Json explained = run(model_, "explain", {{"prompt", kPrompt}, {"cells", 4}, {"top", 3}});
  EXPECT_EQ(explained.at("cells").size(), 4U);
  EXPECT_TRUE(explained.at("sources").is_null());
  const Json made = run(model_, "explain", {{"prompt", kPrompt}, {"cells", 2}, {"sources", 3}});
  EXPECT_EQ(made.at("sources").at("strongest").size(), 3U);
  const Json line = run(model_, "timeline", {{"prompt", kPrompt}, {"subject", kSubject}, {"samples", 2}});
  EXPECT_EQ(line.at("phases").size(), 3U);
  const Json pairs = run(model_, "coactive",
                         {{"corpus", {kWorld + "/text.txt"}}, {"tokens", 400}, {"cells", {"L1D3", "L2D5"}}});
  EXPECT_EQ(pairs.at("cells"), 2);
  EXPECT_EQ(run(model_, "knowledge", {{"prompt", kPrompt}, {"steps", 3}, {"draws", 1}}).at("facts").size(),
            1U);
  EXPECT_EQ(run(model_, "layers", {{"prompt", kPrompt}, {"window", 2}}).at("prompts"), 1);
  EXPECT_EQ(run(model_, "cluster", {{"layers", {1}}, {"clusters", 5}}).at("clusters").size(), 5U);
  const Json aggregate = run(model_, "aggregate",
                             {{"corpus", {kWorld + "/text.txt"}},
                              {"layers", {1}},
                              {"examples", 20},
                              {"tokens", 400},
                              {"sparsity", 50},
                              {"out", (folder_ / "positions").string()}});
  EXPECT_EQ(aggregate.at("layers").size(), 1U);
  EXPECT_FALSE(aggregate.at("outputs").empty());
  EXPECT_FALSE(aggregate.at("sparsity").is_null());
  refuse(model_, "aggregate", R"({"corpus": ["x"], "shards": 2})", EMEND_USAGE, "needs the option out");
  refuse(model_, "coactive", R"({"corpus": ["x"], "shards": 2, "out": "y", "join": ["z"]})", EMEND_USAGE,
         "join needs all shards");
  refuse(model_, "scan", R"({"corpus": ["x"], "own_text": true, "out": "y"})", EMEND_USAGE, "own_text");
  const Json set =
      run(model_, "set", {{"prompt", kPrompt}, {"settings", {"L1D7=off", "L2D9=x2@last"}}, {"max_new", 3}});
  EXPECT_EQ(set.at("settings").size(), 2U);
}

TEST_F(Memories, ABakedPatchAndItsFootprint) {
  const std::string before = digest(model_);
  OwnedPatch patch;
  emend_text* text = nullptr;
  const Json options = {{"settings", {"L1D7=off", "L2D9=x0.5"}}, {"prompt", kPrompt}};
  must(emend_memories_bake(model_, options.dump().c_str(), nullptr, patch.out(), &text));
  EXPECT_EQ(Json::parse(taken(text)).at("method"), "cells");
  EXPECT_EQ(digest(model_), before);
  must(emend_apply(model_, patch, 0));  // runs are on the model without it
  emend_patch* const patches[] = {patch};
  must(emend_memories_footprint(model_, patches, 1, R"({"cells": 1})", nullptr, &text));
  const Json footprint = Json::parse(taken(text));
  ASSERT_EQ(footprint.at("layers").size(), 2U);
  EXPECT_EQ(footprint.at("layers").at(0).at("moved").at(0).at("cell"), "L1D7");
  must(emend_revert(model_, patch));
  EXPECT_EQ(digest(model_), before);
  const std::string impossible = Json({{"settings", {"L1D7=on"}}, {"prompt", kPrompt}}).dump();
  OwnedPatch none;
  EXPECT_EQ(emend_memories_bake(model_, impossible.c_str(), nullptr, none.out(), nullptr), EMEND_USAGE);
  EXPECT_THAT(emend_last_error(), HasSubstr("cannot be baked"));
  EXPECT_EQ(emend_memories_bake(model_, impossible.c_str(), nullptr, nullptr, nullptr), EMEND_USAGE);
  EXPECT_THAT(emend_last_error(), HasSubstr("patch: NULL"));
  EXPECT_EQ(emend_memories_footprint(model_, patches, 0, nullptr, nullptr, &text), EMEND_USAGE);
  EXPECT_EQ(emend_memories_footprint(model_, nullptr, 1, nullptr, nullptr, &text), EMEND_USAGE);
  const OwnedModel other = load_model(kWorld + "/gpt2", 1);
  EXPECT_EQ(emend_memories_footprint(other, patches, 1, nullptr, nullptr, &text), EMEND_BAD_INPUT);
  EXPECT_THAT(emend_last_error(), HasSubstr("patch 1"));
}

// Two threads that name the same two models in either order do not wait for each other for ever.
TEST_F(Memories, ModelsAreComparedInEitherOrder) {
  const OwnedModel second = load_model(kWorld + "/llama", 1);
  const auto compare = [&](emend_model* a, emend_model* b) {
    for (int round = 0; round < 4; ++round) {
      emend_text* text = nullptr;
      must(emend_memories_compare(a, b, R"({"layers": [0], "cells": 1})", nullptr, &text));
      const Json layer = Json::parse(taken(text)).at("layers").at(0);
      EXPECT_EQ(layer.at("identical"), layer.at("cells"));
    }
  };
  std::thread other([&] { compare(second, model_); });
  compare(model_, second);
  other.join();
  compare(model_, model_);
  emend_text* text = nullptr;
  EXPECT_EQ(emend_memories_compare(model_, nullptr, nullptr, nullptr, &text), EMEND_BAD_HANDLE);
  EXPECT_THAT(emend_last_error(), HasSubstr("second: the handle is NULL"));
  EXPECT_EQ(emend_memories_compare(nullptr, model_, nullptr, nullptr, &text), EMEND_BAD_HANDLE);
  EXPECT_THAT(emend_last_error(), HasSubstr("first: the handle is NULL"));
  EXPECT_EQ(emend_memories_compare(model_, second, R"({"index_a": "x"})", nullptr, &text), EMEND_USAGE);
  const OwnedModel unlike = load_model(kWorld + "/gpt2", 1);
  EXPECT_EQ(emend_memories_compare(model_, unlike, nullptr, nullptr, &text), EMEND_BAD_INPUT);
}

TEST_F(Memories, OptionsThatCannotBeAreNamed) {
  refuse(model_, nullptr, "{}", EMEND_USAGE, "analysis: NULL");
  refuse(model_, "explian", "{}", EMEND_USAGE, R"(there is no analysis "explian"; did you mean "explain"?)");
  refuse(model_, "bake", "{}", EMEND_USAGE, "bake has a function of its own, emend_memories_bake");
  refuse(model_, "explain", R"({"prompt": "x", "cels": 4})", EMEND_USAGE,
         R"(explain has no option "cels"; did you mean "cells"?)");
  refuse(model_, "explain", nullptr, EMEND_USAGE, "explain needs the option prompt");
  refuse(model_, "explain", R"({"prompt": null})", EMEND_USAGE, "explain needs the option prompt");
  refuse(model_, "explain", R"({"prompt": 7})", EMEND_USAGE,
         R"(the options of explain: "prompt" must be a string, found 7)");
  refuse(model_, "explain", R"({"prompt": "x", "cells": 5000000000})", EMEND_USAGE, "an integer of 32 bits");
  refuse(model_, "explain", R"({"prompt": "x", "cells": 2.5})", EMEND_USAGE, "must be an integer");
  refuse(model_, "explain", R"({"prompt": "x", "cells": 0})", EMEND_USAGE, "cells must be 1 to");
  refuse(model_, "explain", R"({"prompt": )", EMEND_USAGE, "the options of explain:1:");
  refuse(model_, "explain", R"({"top": 1, "top": 2})", EMEND_USAGE, "top");
  refuse(model_, "explain", "[]", EMEND_USAGE, "must be a JSON object");
  refuse(model_, "cluster", R"({"seed": -1})", EMEND_USAGE, "seed");
  refuse(model_, "values", R"({"lens": "tuned"})", EMEND_USAGE, "lens: ");
  refuse(model_, "values", R"({"index": "a", "out": "b"})", EMEND_USAGE, "goes without the option index");
  refuse(model_, "values", R"({"layers": [99]})", EMEND_BAD_INPUT, "there is no layer 99");
  refuse(model_, "set", R"({"prompt": "x", "settings": ["L1"]})", EMEND_USAGE, "settings[0]: ");
  refuse(model_, "scan", R"({"corpus": ["x"], "layers": [99], "out": "y"})", EMEND_BAD_INPUT, "no layer 99");
  refuse(model_, "scan", R"({"corpus": ["x"], "dedup": "all", "out": "y"})", EMEND_USAGE, "dedup: ");
  refuse(model_, "scan", R"({"corpus": ["x"], "token_budget": -1, "out": "y"})", EMEND_USAGE, "token budget");
  refuse(model_, "scan", R"({"corpus": ["x"]})", EMEND_USAGE, "scan needs the option out");
  refuse(model_, "search", R"({"words": ["x"], "index": "y"})", EMEND_USAGE,
         "reads an index alone; give NULL");
  refuse(nullptr, "search", R"({"words": ["x"], "index": "/no/such"})", EMEND_BAD_INPUT, "/no/such");
  refuse(nullptr, "cell", R"({"cell": "D4", "index": "/no/such"})", EMEND_USAGE, "cell: ");
  refuse(nullptr, "explain", R"({"prompt": "x"})", EMEND_BAD_HANDLE, "model: the handle is NULL");
  EXPECT_EQ(emend_memories(model_, "explain", "{}", nullptr, nullptr), EMEND_USAGE);
  EXPECT_THAT(emend_last_error(), HasSubstr("json: NULL"));
}

int32_t stop_at_once(void*, const char*, int64_t, int64_t, const char*, const char*) {
  return 1;
}

TEST_F(Memories, AreWatchedAndCancelled) {
  emend_watch watch = EMEND_WATCH_INIT;
  watch.progress = stop_at_once;
  emend_text* text = nullptr;
  EXPECT_EQ(emend_memories(model_, "cluster", R"({"layers": [1]})", &watch, &text), EMEND_CANCELLED);
  EXPECT_EQ(text, nullptr);
  watch.size = 3;
  EXPECT_EQ(emend_memories(model_, "cluster", R"({"layers": [1]})", &watch, &text), EMEND_USAGE);
  EXPECT_THAT(emend_last_error(), HasSubstr("size is 3"));
}

TEST_F(Memories, AnalysesAreListedWithTheirOptions) {
  emend_text* text = nullptr;
  must(emend_memories_list(&text));
  const Json list = Json::parse(taken(text));
  EXPECT_EQ(list.size(), 22U);
  EXPECT_EQ(list.at("bake").at("function"), "emend_memories_bake");
  EXPECT_EQ(list.at("search").at("model"), "none");
  const Json& options = list.at("explain").at("options");
  EXPECT_EQ(options.at(0), Json({{"name", "prompt"}, {"type", "text"}, {"needed", true}}));
  EXPECT_TRUE(std::any_of(options.begin(), options.end(), [](const Json& option) {
    return option == Json({{"name", "top"}, {"type", "integer"}, {"default", 5}});
  }));
  EXPECT_EQ(emend_memories_list(nullptr), EMEND_USAGE);
}

TEST_F(Memories, AbilitiesAreMeasuredBeforeAndAfterPatches) {
  const std::string arc = std::string(EMEND_TEST_DATA) + "/abilities/arc.jsonl";
  const char* const files[] = {arc.c_str(), nullptr};
  OwnedPatch patch = make_patch(model_, painter_edit());
  emend_patch* const patches[] = {patch};
  emend_abilities_options how = EMEND_ABILITIES_OPTIONS_INIT;
  const std::string out = (folder_ / "abilities").string();
  how.out = out.c_str();
  how.draws = 50;
  emend_text* text = nullptr;
  must(emend_abilities(model_, files, 1, patches, 1, &how, &text));
  const Json report = Json::parse(taken(text));
  EXPECT_EQ(report.at("patches"), Json({"patch 1"}));
  EXPECT_EQ(report.at("draws"), 50);
  EXPECT_EQ(report.at("warnings"), Json::array());
  EXPECT_TRUE(fs::exists(out + "/items.jsonl"));
  must(emend_abilities(model_, files, 1, nullptr, 0, nullptr, &text));
  EXPECT_EQ(Json::parse(taken(text)).at("patches"), Json::array());
  const auto refused = [&](std::size_t count, emend_status status, const char* words) {
    EXPECT_EQ(emend_abilities(model_, files, count, patches, 1, &how, &text), status);
    EXPECT_THAT(emend_last_error(), HasSubstr(words));
    EXPECT_EQ(text, nullptr);
  };
  refused(0, EMEND_USAGE, "files: at least 1 must be given, found 0");
  refused(2, EMEND_USAGE, "files[1]: NULL");
  how.draws = 0;
  refused(1, EMEND_USAGE, "draws must be at least 1, found 0");
  how.draws = 10;
  how.token_budget = -1;
  refused(1, EMEND_USAGE, "token budget");
  how.token_budget = 0;
  how.bos = "<nothing>";
  refused(1, EMEND_BAD_INPUT, "<nothing>");
  how.size = 4;
  refused(1, EMEND_USAGE, "size is 4");
  EXPECT_EQ(emend_abilities(model_, files, 1, nullptr, 1, nullptr, &text), EMEND_USAGE);
  EXPECT_EQ(emend_abilities(model_, files, 1, nullptr, 0, nullptr, nullptr), EMEND_USAGE);
}

}  // namespace
}  // namespace emend::test
