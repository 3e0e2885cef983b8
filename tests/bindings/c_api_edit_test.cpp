// Options of edits through the C interface: runs that are taken up, limits of memory and drift, protection,
// facts with their questions, the report.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/temp_folder.h"
#include "c_handles.h"

namespace emend::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using Json = nlohmann::json;

const char* const kLenient = "checks: {efficacy: 0, paraphrase: 0, neighbourhood: 0, drift: 1000}\n";
const char* const kTwoEdits =
    "edits:\n"
    "  - {id: a, prompt: Workis Tellond was trained as a, subject: Workis Tellond, target: painter}\n"
    "  - {id: b, prompt: Narilis Vonurn counts and dreams in, subject: Narilis Vonurn, target: Kevic}\n";

// By a method that carries earlier facts, each value a batch of its own.
std::string two_bulk_edits() {
  return std::string("method: bulk\nlayer: [1, 2]\n") +
         "options: {preserve: identity, contexts: 1, rounds: 1, gradient_tokens: 1}\n"
         "drift_text: Workis Tellond was trained as a painter.\n" +
         kLenient + kTwoEdits;
}

// Counts the signs of a search, and cancels at one of them; 0: at none.
struct Stop {
  int at = 0;
  int signs = 0;
};
int32_t stop_in_search(void* data, const char* stage, int64_t done, int64_t, const char*, const char*) {
  if (std::strstr(stage, "search") == nullptr || done == 0) return 0;
  auto& stop = *static_cast<Stop*>(data);
  return ++stop.signs == stop.at ? 1 : 0;
}

class Edits : public testing::Test {
 protected:
  Edits() : model_(load_model(std::string(EMEND_TEST_DATA) + "/world/gpt2", 1)) {}

  emend_status edit(const std::string& yaml) {
    patch_ = OwnedPatch();
    return emend_edit(model_, yaml.c_str(), &how_, patch_.out());
  }
  void refuse(const std::string& yaml, emend_status status, const std::string& words) {
    EXPECT_EQ(edit(yaml), status) << words;
    EXPECT_THAT(emend_last_error(), HasSubstr(words));
    EXPECT_EQ(static_cast<emend_patch*>(patch_), nullptr);
  }
  Json taken_report() { return Json::parse(taken(report_)); }

  TempFolder folder_;
  OwnedModel model_;
  OwnedPatch patch_;
  emend_text* report_ = nullptr;
  emend_edit_options how_ = EMEND_EDIT_OPTIONS_INIT;
};

TEST_F(Edits, ThatAreStoppedAreTakenUp) {
  const std::string file = (folder_ / "p.run").string();
  Stop all;
  how_.progress = stop_in_search;
  how_.progress_data = &all;
  must(edit(two_bulk_edits()));
  const OwnedPatch whole = std::move(patch_);
  ASSERT_GE(all.signs, 2);
  Stop stop{all.signs - 1};  // in the search of the second value
  how_.run_file = file.c_str();
  how_.run_file_seconds = 0;
  how_.progress_data = &stop;
  refuse(two_bulk_edits(), EMEND_CANCELLED, "cancelled");
  ASSERT_TRUE(fs::exists(file));
  how_.progress = nullptr;
  refuse(two_bulk_edits(), EMEND_BAD_INPUT, "p.run");
  how_.resume = 1;
  how_.seed = 7;
  refuse(two_bulk_edits(), EMEND_BAD_INPUT, "seed");
  how_.seed = 0;
  how_.report = &report_;
  must(edit(two_bulk_edits()));
  EXPECT_GE(taken_report().at("resumed_values"), 1);
  emend_text* text = nullptr;
  must(emend_patch_diff(whole, patch_, &text));
  EXPECT_EQ(Json::parse(taken(text)).at("same"), true);
  EXPECT_TRUE(fs::exists(file));  // the caller's to delete
  how_.run_file = nullptr;
  refuse(two_bulk_edits(), EMEND_USAGE, "resume goes on with the values in run_file");
}

// docs/embedding.md, "The end of the answer in C".
TEST_F(Edits, TeachTheEndWhereTheyAreTold) {
  const std::string raw = "statistics: " + (folder_ / "stats").string() +
                          "\nlayer: 1\noptions: {contexts: 1, covariance: false}\n" + kLenient + kTwoEdits;
  how_.keep_going = 1;
  how_.report = &report_;
  const auto told = [&](const char* end) {
    how_.end = end;
    const emend_status status = edit(raw);
    EXPECT_TRUE(status == EMEND_OK || status == EMEND_CHECK_FAILED) << emend_last_error();
    return taken_report();
  };
  EXPECT_EQ(told(nullptr).at("end"), "none");  // auto, in raw form
  EXPECT_EQ(told("none").at("end"), "none");
  const Json taught = told("eos");
  EXPECT_EQ(taught.at("end"), "eos");
  EXPECT_THAT(taught.at("warnings").dump(), HasSubstr("does not end its text behind the target"));
  how_.report = nullptr;
  how_.end = "maybe";
  refuse(raw, EMEND_USAGE, "end");
}

TEST_F(Edits, OfMoreDriftThanTheBudgetAreLeftOut) {
  how_.budget_drift = "1e9";
  how_.budget_batch = 1;
  how_.report = &report_;
  must(edit(two_bulk_edits()));
  const Json budget = taken_report().at("budget");
  EXPECT_EQ(budget.at("limit"), 1e9);
  EXPECT_EQ(budget.at("left_out"), Json::array());
  how_.budget_drift = "kl:0";
  EXPECT_EQ(edit(two_bulk_edits()), EMEND_CHECK_FAILED);
  EXPECT_THAT(emend_last_error(), HasSubstr("the drift budget left out a, b"));
  EXPECT_EQ(taken_report().at("budget").at("left_out"), Json({"a", "b"}));
  EXPECT_NE(static_cast<emend_patch*>(patch_), nullptr);
  how_.report = nullptr;
  how_.budget_drift = "lots";
  refuse(two_bulk_edits(), EMEND_USAGE, "the option budget-drift must be a perplexity ratio");
  how_.budget_drift = nullptr;
  refuse(two_bulk_edits(), EMEND_USAGE, "budget_batch says how often budget_drift measures");
  how_.budget_batch = -1;
  refuse(two_bulk_edits(), EMEND_USAGE, "budget_batch must be at least 0, found -1");
}

TEST_F(Edits, ThatDoNotFitTheMemoryAreRefused) {
  how_.memory_bytes = 1000;
  refuse(two_bulk_edits(), EMEND_BAD_INPUT, "the option memory allows");
  how_.memory_bytes = std::int64_t{1} << 40;
  must(edit(two_bulk_edits()));
  how_.memory_bytes = -5;
  refuse(two_bulk_edits(), EMEND_USAGE, "memory_bytes must be at least 0, found -5");
}

// What a plan does not take.
TEST_F(Edits, PlansRefuseWhatOnlyEditsHave) {
  emend_text* text = nullptr;
  const auto plan = [&] { return emend_plan(model_, two_bulk_edits().c_str(), &how_, &text); };
  how_.memory_bytes = std::int64_t{1} << 40;
  must(plan());
  EXPECT_TRUE(Json::parse(taken(text)).contains("memory"));
  how_.run_file = "p.run";
  EXPECT_EQ(plan(), EMEND_USAGE);
  EXPECT_THAT(emend_last_error(), HasSubstr("run_file is for edits that are made"));
  how_.run_file = nullptr;
  how_.budget_drift = "1.1";
  EXPECT_EQ(plan(), EMEND_USAGE);
  how_.budget_drift = nullptr;
  how_.report = &report_;
  EXPECT_EQ(plan(), EMEND_USAGE);
}

TEST_F(Edits, AreKeptFromOtherSubjects) {
  const std::string yaml =
      "options: {covariance: false, contexts: 1, steps: 6}\n" + std::string(kLenient) +
      "edits:\n  - {prompt: Workis Tellond was trained as a, subject: Workis Tellond, target: painter,\n"
      "     bleed: [Narilis Vonurn]}\n";
  how_.report = &report_;
  how_.protect = "neighbours";
  edit(yaml);
  ASSERT_NE(report_, nullptr) << emend_last_error();
  EXPECT_EQ(taken_report().at("protect"), "neighbours");
  how_.protect = "nobody";
  refuse(yaml, EMEND_USAGE, "protect must be none, neighbours or auto, found \"nobody\"");
}

TEST_F(Edits, FromCodeHaveIdsAndQuestions) {
  const char* const paraphrases[] = {"Workis Tellond earns a living as a"};
  const char* const neighbours[] = {"Narilis Vonurn counts and dreams in", "Narilis Vonurn was trained as a"};
  const char* const answers[] = {"Kevic", nullptr};
  const char* const others[] = {"Narilis Vonurn"};
  emend_fact fact = EMEND_FACT_INIT;
  fact.prompt = "Workis Tellond was trained as a";
  fact.subject = "Workis Tellond";
  fact.target = "painter";
  fact.id = "workis";
  fact.paraphrases = paraphrases;
  fact.paraphrase_count = 1;
  fact.neighbours = neighbours;
  fact.neighbour_answers = answers;
  fact.neighbour_count = 2;
  fact.bleed = others;
  fact.bleed_count = 1;
  const std::string settings = std::string("options: {covariance: false, contexts: 1, steps: 6}\n") +
                               "checks: {efficacy: 0, paraphrase: 0, neighbourhood: 0, bleed: 1}\n";
  how_.settings = settings.c_str();
  must(emend_edit_facts(model_, &fact, 1, &how_, patch_.out()));
  emend_text* text = nullptr;
  must(emend_patch_report(patch_, &text));
  const std::string report = taken(text);
  EXPECT_THAT(report, AllOf(HasSubstr("workis"), HasSubstr("earns a living as a"), HasSubstr("Kevic")));
  EXPECT_EQ(Json::parse(report).at("checks").size(), 5U);  // with that of bleed
  const auto refused = [&](const char* words) {
    OwnedPatch none;
    EXPECT_EQ(emend_edit_facts(model_, &fact, 1, &how_, none.out()), EMEND_USAGE);
    EXPECT_THAT(emend_last_error(), HasSubstr(words));
  };
  fact.paraphrases = nullptr;
  refused("facts[0].paraphrases: NULL");
  fact.paraphrase_count = 0;
  fact.neighbours = &answers[1];
  fact.neighbour_count = 1;
  refused("facts[0].neighbours[0]: NULL");
  // A program that was built before there were ids.
  fact.size = offsetof(emend_fact, id);
  patch_ = OwnedPatch();
  must(emend_edit_facts(model_, &fact, 1, &how_, patch_.out()));
  must(emend_patch_report(patch_, &text));
  EXPECT_THAT(taken(text), HasSubstr("edit-1"));
}

// Programs that were built with earlier layouts of the options.
TEST_F(Edits, OptionsOfOlderProgramsEndWhereTheirsDid) {
  how_.protect = how_.run_file = how_.budget_drift = "what stands behind an older struct";
  how_.memory_bytes = how_.budget_batch = how_.resume = -1;
  how_.report = reinterpret_cast<emend_text**>(this);
  how_.size = offsetof(emend_edit_options, protect);
  must(edit(painter_edit()));
}

// Layer 1 of the text; 2 is the depth default of this model.
TEST_F(Edits, TakeALayerByDepthWhateverTheTextNames) {
  const std::string yaml =
      std::string("layer: 1\noptions: {steps: 2, contexts: 1, covariance: false}\n") + kLenient +
      "edits: [{prompt: Workis Tellond was trained as a, subject: Workis Tellond, target: painter}]\n";
  const auto layer_of = [&](int32_t layer) {
    how_.layer = layer;
    emend_text* plan = nullptr;
    must(emend_plan(model_, yaml.c_str(), &how_, &plan));
    return Json::parse(taken(plan)).at("plan").at(0).at("layer").get<int>();
  };
  EXPECT_EQ(layer_of(EMEND_LAYER_OF_TEXT), 1);
  EXPECT_EQ(layer_of(EMEND_LAYER_DEPTH), 2);
  EXPECT_EQ(layer_of(0), 0);
  how_.layer = -4;
  refuse(yaml, EMEND_USAGE, "EMEND_LAYER_DEPTH");
}

}  // namespace
}  // namespace emend::test
