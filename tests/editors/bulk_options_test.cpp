// What bulk editors are told: which facts are carried, the constants of the methods, options without an
// effect.
#include <gmock/gmock.h>

#include <map>
#include <string>
#include <vector>

#include "base/expect_error.h"
#include "editors/bulk/carried.h"
#include "emend/editor.h"
#include "support/world.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

// --- which facts are carried

FactRecord fact_of(const std::string& id, const std::string& prompt, const std::string& subject) {
  FactRecord fact;
  fact.request = test::request_of(id, prompt, subject, "x");
  return fact;
}

TEST(CarriedFacts, LeaveOutWhatIsReplacedAndSearchASharedKeyAgain) {
  Edit earlier;
  earlier.facts = {fact_of("a", "Ann lives in", "Ann"), fact_of("b", "Bob lives in", "Bob"),
                   fact_of("c", "Cid works as", "Cid"), fact_of("d", "Dan lives in", "Dan")};
  const auto carried =
      editors::carry_facts(&earlier, {test::request_of("a", "Ann was born in", "Ann", "y"),  // the same id
                                      test::request_of("n1", "Bob lives in", "Bob", "y"),  // the same prompt
                                      test::request_of("n2", "Cid lives in", "Cid", "y")});  // the same key
  ASSERT_EQ(carried.facts.size(), 1u);
  EXPECT_EQ(carried.facts[0].request.id, "d");
  ASSERT_EQ(carried.again.size(), 1u);
  EXPECT_EQ(carried.again[0].id, "c");
  EXPECT_TRUE(carried.stale_removed);
  EXPECT_TRUE(editors::carry_facts(nullptr, {}).facts.empty());
}

// --- options

TEST(BulkOptionTables, OfTheFourMethodsDifferInTheirConstants) {
  const auto value = [](const std::string& method, const std::string& preset, const std::string& option) {
    return make_editor(method, {{"preset", {preset, "test"}}})->options().at(option);
  };
  EXPECT_EQ(value("memit", "paper", "lambda"), "15000");
  EXPECT_EQ(value("memit", "paper", "clamp"), "0.75");
  EXPECT_EQ(value("memit", "paper", "carry"), "false");
  EXPECT_EQ(value("emmet", "paper", "exact_alone"), "true");
  EXPECT_EQ(value("alphaedit", "paper", "threshold"), "0.02");
  EXPECT_EQ(value("alphaedit", "paper", "preserve"), "null-space");
  EXPECT_EQ(value("alphaedit", "paper", "carry"), "true");
  EXPECT_EQ(value("bulk", "emend", "values"), "spread");
  for (const std::string method : {"bulk", "memit", "emmet", "alphaedit"})
    for (const std::string preset : {"emend", "paper"}) EXPECT_EQ(value(method, preset, "search"), "adam");
  EXPECT_THAT(test::error_of(ErrorKind::kConfig,
                             [] {
                               make_editor("memit", {{"filter", {"nonsense", "test"}}});
                             }),
              HasSubstr("filter"));
}

// An option of a stage that was not chosen would be read, recorded and without any effect.
TEST(BulkOptionTables, RefuseWhatDoesNothing) {
  struct Case {
    std::string method, name, value, beside, give;
    std::map<std::string, OptionText> with = {};
  };
  const auto text = [](const std::string& value) { return OptionText{value, "f.yaml:7:3"}; };
  for (const Case& c : std::vector<Case>{
           {"bulk", "carried_keys", "kept", "carry: false", "carry: true", {{"carry", text("false")}}},
           {"bulk", "carried_clamp", "2", "carry: false", "carry: true", {{"carry", text("false")}}},
           {"memit", "carried_clamp", "2", "carried_keys: kept", "carried_keys: anew"},
           {"alphaedit", "carried_probability", "0.5", "carried_keys: kept", "carried_keys: anew"},
           {"bulk", "carried_probability", "0.5", "rounds: 1", "rounds: 2", {{"rounds", text("1")}}},
           {"bulk",
            "carried_clamp",
            "2",
            "carried_probability: 0",
            "carried_probability: 0.9",
            {{"carried_probability", text("0")}}},
           {"bulk", "anchor", "2", "filter: none", "filter: norm-anchor"},
           {"memit", "filter_strength", "1", "filter: none", "filter: spectral"},
           {"bulk",
            "filtered_energy",
            "0.2",
            "filter: norm-anchor",
            "filter: spectral",
            {{"filter", text("norm-anchor")}}},
           {"alphaedit", "ridge", "0.1", "preserve: null-space", "preserve: moments"},
           {"bulk", "threshold", "0.02", "preserve: moments", "preserve: null-space"},
           {"bulk",
            "kept_directions",
            "0.5",
            "preserve: identity",
            "preserve: null-space",
            {{"preserve", text("identity")}}},
           {"alphaedit",
            "kept_directions",
            "0.5",
            "threshold: 0.02",
            "threshold: 0",
            {{"preset", text("paper")}}},
           {"alphaedit", "exact_alone", "true", "preserve: null-space", "preserve: moments"},
           {"memit", "relative_lambda", "3", "lambda: 15000", "lambda: 0", {{"preset", text("paper")}}},
           {"emmet",
            "short_contexts",
            "true",
            "contexts: 0",
            "contexts: 5",
            {{"preset", text("paper")}, {"contexts", text("0")}}}}) {
    SCOPED_TRACE(c.method + " " + c.name + " beside " + c.beside);
    std::map<std::string, OptionText> options = c.with;
    options[c.name] = text(c.value);
    EXPECT_EQ(test::error_of(ErrorKind::kConfig, [&] { make_editor(c.method, options); }),
              "f.yaml:7:3: option \"" + c.name + "\" does nothing beside `" + c.beside + "`; give `" +
                  c.give + "` too, or leave it out");
    // The preset's own value, as in the options that a patch keeps, is no choice of the user's.
    options[c.name] = text(make_editor(c.method, c.with)->options().at(c.name));
    EXPECT_NO_THROW(make_editor(c.method, options));
  }
  // What would count is no longer refused, and neither is what switches nothing on.
  EXPECT_NO_THROW(make_editor("bulk", {{"filter", text("norm-anchor")}, {"anchor", text("2")}}));
  EXPECT_NO_THROW(make_editor("memit", {{"carried_probability", text("0")}, {"threshold", text("0")}}));
}

}  // namespace
}  // namespace emend
