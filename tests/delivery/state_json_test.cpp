#include "delivery/state_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "emend/error.h"

namespace emend {
namespace {

using testing::HasSubstr;

TEST(StateJson, KeepsNumbersThatAreNotFiniteAsNull) {
  FactRecord fact;
  fact.request.id = "a";
  fact.request.target = "b";
  fact.request.prompt = fact.request.subject = "a";
  fact.status = FactStatus::kFailed;
  fact.parts.emplace_back();
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

TEST(StateJson, NamesTheFieldThatIsBroken) {
  const auto refusal = [](const std::string& key, const Json& value) -> std::string {
    FactRecord fact;
    fact.request.prompt = "the tower";
    fact.request.target = "Rome";
    fact.request.subject = "tower";
    fact.request.subject_begin = 4;
    fact.parts.emplace_back();
    fact.parts[0].answers = at::ones({1});
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
  EXPECT_THAT(refusal("parts", Json::array()), HasSubstr("parts"));
  const auto part_with = [](const std::string& key, const Json& value) {
    Json part = {{"weight", "model.layers.4.mlp_down"}, {"keys", 1}, {"rows", {0}}, {"update_norm", 1.0}, {"relative_norm", 0.5}};
    part[key] = value;
    return Json::array({part});
  };
  EXPECT_EQ(refusal("parts", part_with("keys", 2)), "accepted");
  EXPECT_THAT(refusal("parts", part_with("keys", 0)), HasSubstr("at least one key"));
  EXPECT_THAT(refusal("parts", part_with("keys", 1LL << 40)), HasSubstr("keys"));
  EXPECT_THAT(refusal("parts", part_with("rows", {-1})), HasSubstr("rows"));
  for (const char* const name : {"model.layers.04.mlp_down", "model.layers.4.mlp_up", "model.layers.99999999999.mlp_down",
                                 "model.layers.-1.mlp_down", "model.layers.4.mlp_down.A", ""})
    EXPECT_THAT(refusal("parts", part_with("weight", name)), HasSubstr("the name of a weight")) << name;
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
