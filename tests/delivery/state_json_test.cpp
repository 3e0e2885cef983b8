#include "delivery/state_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "emend/error.h"

namespace emend {
namespace {

using testing::HasSubstr;

TEST(StateJson, KeepsNumbersThatAreNotFiniteAsNull) {
  FactRecord fact;
  fact.parts.resize(1);
  fact.request.id = "a";
  fact.request.target = "b";
  fact.request.prompt = fact.request.subject = "a";
  fact.status = FactStatus::kFailed;
  fact.loss = std::numeric_limits<double>::infinity();
  const Json json = fact_json(fact);
  EXPECT_TRUE(json.at("loss").is_null());
  EXPECT_TRUE(std::isnan(read_fact(JsonView(json, "x")).loss));
}

TEST(StateJson, KeepsEveryBitOfANumber) {
  FactState state;
  state.prompt.p_target = 0.1 + 0.2;
  const Json json = Json::parse(state_json(state).dump());
  EXPECT_EQ(read_state(JsonView(json, "x")).prompt.p_target, 0.1 + 0.2);
}

TEST(StateJson, KeepsOtherSubjectsAndProtectedKeys) {
  FactRecord fact;
  fact.request.prompt = "the tower";
  fact.request.target = "Rome";
  fact.request.subject = "tower";
  fact.request.subject_begin = 4;
  fact.request.bleed = {{"castle", "Prague"}};
  fact.status = FactStatus::kFailed;
  fact.parts.resize(1);
  fact.parts[0].protected_keys = {{"castle", 0.5, 0.25, 1.125}};
  fact.before = FactState{};
  fact.before->bleed = {{"castle", "Prague", 0.75, 0.125, true, "Prague."}};
  const Json json = fact_json(fact);
  const FactRecord read = read_fact(JsonView(json, "x"));
  ASSERT_EQ(read.request.bleed.size(), 1u);
  EXPECT_EQ(read.request.bleed[0].answer, "Prague");
  ASSERT_EQ(read.parts[0].protected_keys.size(), 1u);
  EXPECT_EQ(read.parts[0].protected_keys[0].norm, 1.125);
  ASSERT_TRUE(read.before && read.before->bleed.size() == 1);
  EXPECT_EQ(read.before->bleed[0].p_target, 0.125);
  EXPECT_TRUE(read.before->bleed[0].argmax_answer);
  fact.request.bleed.clear();
  fact.before.reset();
  fact.parts[0].protected_keys.clear();
  const std::string plain = fact_json(fact).dump();
  EXPECT_EQ(plain.find("bleed"), std::string::npos) << "patches without them are as they were";
  EXPECT_EQ(plain.find("protected"), std::string::npos);
}

TEST(StateJson, NamesTheFieldThatIsBroken) {
  const auto refusal = [](const std::string& key, const Json& value) -> std::string {
    FactRecord fact;
    fact.request.prompt = "the tower";
    fact.request.target = "Rome";
    fact.request.subject = "tower";
    fact.request.subject_begin = 4;
    fact.status = FactStatus::kFailed;
    fact.parts.resize(1);
    Json json = fact_json(fact);
    json[key] = value;
    try {
      read_fact(JsonView(json, "p"));
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refusal("reason", ""), "accepted");
  EXPECT_THAT(refusal("subject_begin", 5), HasSubstr("subject_begin"));
  EXPECT_THAT(refusal("subject_begin", 1000), HasSubstr("subject_begin"));
  EXPECT_THAT(refusal("subject_begin", -1), HasSubstr("subject_begin"));
  EXPECT_THAT(refusal("status", "done"), HasSubstr("status"));
  EXPECT_THAT(refusal("steps", 1LL << 40), HasSubstr("steps"));
  EXPECT_THAT(refusal("loss", "low"), HasSubstr("loss"));
  EXPECT_THAT(refusal("neighbours", Json::array({1})), HasSubstr("neighbours[0]"));
}

TEST(StateJson, NeverTakesAnUnmeasuredCheckAsPassed) {
  const CheckResult unmeasured = {"drift", std::nullopt, 1.02, false, 0};
  Json json = check_json(unmeasured);
  EXPECT_TRUE(json.at("value").is_null());
  json["passed"] = true;
  EXPECT_THROW(read_check(JsonView(json, "x")), Error);
}

}  // namespace
}  // namespace emend
