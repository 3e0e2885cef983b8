#include "serve/completion_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/api_error.h"
#include "served_world.h"

namespace emend {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Model& model() {
  static const Model loaded = test::load_world("llama");
  return loaded;
}

CompletionRequest read(const std::string& body, const CompletionLimits& limits = {}) {
  return read_completion_request(body, model(), {resolve_bos(model().tokenizer(), "auto"), 0}, limits);
}

// "FIELD: MESSAGE" of what refuses the body.
std::string refusal(const std::string& body, const CompletionLimits& limits = {}) {
  try {
    read(body, limits);
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status(), 400);
    return error.param() + ": " + error.what();
  }
  return "accepted";
}

TEST(CompletionRequests, TakeThePromptInFourForms) {
  const TokenIds ids = model().tokenizer().encode("Aldora", SpecialTokens::kAuto).ids;
  EXPECT_EQ(read(R"({"prompt": "Aldora"})").prompts.at(0).ids, ids);
  const auto texts = read(R"({"prompt": ["x y", "Aldora"]})").prompts;
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_EQ(texts[1].ids, ids);
  EXPECT_EQ(texts[1].text, "Aldora");
  EXPECT_THAT(read(R"({"prompt": [7, 1663, 0]})").prompts.at(0).ids, ElementsAre(7, 1663, 0));
  const auto lists = read(R"({"prompt": [[7, 8], [9]]})").prompts;
  ASSERT_EQ(lists.size(), 2u);
  EXPECT_THAT(lists[0].ids, ElementsAre(7, 8));
  EXPECT_EQ(lists[1].front, 0u);
}

TEST(CompletionRequests, HaveTheDefaultsOfTheApi) {
  const CompletionRequest asked = read(R"({"prompt": "x"})");
  EXPECT_EQ(asked.max_tokens, 16);
  EXPECT_EQ(asked.temperature, 1);
  EXPECT_FALSE(asked.echo || asked.logprobs);
  EXPECT_EQ(asked.n, 1);
}

TEST(CompletionRequests, MayNameWhatAsksForNothing) {
  EXPECT_EQ(refusal(R"({"prompt": "x", "stream": false, "top_p": 1.0, "suffix": null, "logit_bias": {},
                        "presence_penalty": 0.0, "best_of": 1, "user": "me", "seed": -3, "stop": null})"),
            "accepted");
}

TEST(CompletionRequests, AreRefusedWithTheFieldNamed) {
  EXPECT_THAT(refusal(R"({"prompt": "x", "stream": true})"),
              HasSubstr("stream: the field \"stream\" is not"));
  EXPECT_THAT(refusal(R"({"prompt": "x", "top_p": 0.9})"), HasSubstr("top_p: "));
  EXPECT_EQ(refusal(R"({"prompt": "x", "max_token": 3})"),
            "max_token: unknown field \"max_token\"; did you mean \"max_tokens\"?");
  EXPECT_EQ(refusal(R"({"max_tokens": 3})"), "prompt: the field \"prompt\" is missing");
  EXPECT_EQ(refusal(R"({"prompt": []})"), "prompt: \"prompt\" is an empty list");
  EXPECT_EQ(refusal(R"({"prompt": [[3, 1664]]})"),
            "prompt: \"prompt[0][1]\" is the token id 1664: those of this model are 0 to 1663");
  EXPECT_THAT(refusal(R"({"prompt": [-1]})"), HasSubstr("is the token id -1"));
  EXPECT_THAT(refusal(R"({"prompt": [1.5]})"), HasSubstr("prompt[0]"));
  EXPECT_THAT(refusal(R"({"prompt": [[1], "x", {}]})"), HasSubstr("prompt[2]"));
  EXPECT_THAT(refusal(R"({"prompt": [[]]})"), HasSubstr("prompt 0 (from 0) has no tokens"));
  EXPECT_THAT(refusal(R"({"prompt": "x", "temperature": -1})"), HasSubstr("temperature: "));
  EXPECT_THAT(refusal(R"({"prompt": "x", "temperature": "hot"})"), HasSubstr("temperature: "));
  EXPECT_THAT(refusal(R"({"prompt": "x", "max_tokens": 0})"), HasSubstr("must be from 1 to"));
  EXPECT_THAT(refusal(R"({"prompt": "x", "n": 0})"), HasSubstr("n: "));
  EXPECT_THAT(refusal(R"({"prompt": "x", "logprobs": 21})"), HasSubstr("from 0 to 20, found 21"));
  EXPECT_THAT(refusal(R"({"prompt": "x", "stop": ["a", "b", "c", "d", "e"]})"), HasSubstr("4 texts"));
  EXPECT_THAT(refusal(R"({"prompt": "x", "stop": [""]})"), HasSubstr("empty text"));
  EXPECT_THAT(refusal(R"({"prompt": "x", "echo": 1})"), HasSubstr("echo: "));
  EXPECT_THAT(refusal(R"({"prompt": "x")"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal("[]"), HasSubstr("must be a JSON object"));
  EXPECT_THAT(refusal(R"({"prompt": "x", "prompt": "y"})"), HasSubstr("there twice"));
}

// 128 positions; the last token that is generated is never read.
TEST(CompletionRequests, MustFitIntoThePositions) {
  const auto body = [](int tokens, int more) {
    std::string ids;
    for (int i = 0; i < tokens; ++i) ids += i ? ",5" : "5";
    return "{\"prompt\": [" + ids + "], \"max_tokens\": " + std::to_string(more) + "}";
  };
  EXPECT_EQ(refusal(body(128, 1)), "accepted");
  EXPECT_EQ(refusal(body(100, 29)), "accepted");
  EXPECT_EQ(refusal(body(100, 30)),
            "prompt: prompt 0 (from 0) has 100 tokens, and max_tokens is 30: the model has 128 positions");
  EXPECT_THAT(refusal(body(129, 1)), HasSubstr("has 129 tokens"));
}

TEST(CompletionRequests, HaveALimit) {
  CompletionLimits limits;
  limits.rows = 3;
  limits.tokens = 40;
  EXPECT_EQ(refusal(R"({"prompt": [[1], [2], [3]], "max_tokens": 12})", limits), "accepted");
  EXPECT_THAT(refusal(R"({"prompt": [[1], [2]], "n": 2, "max_tokens": 1})", limits),
              HasSubstr("3 completions, found 4"));
  EXPECT_THAT(refusal(R"({"prompt": [[1], [2], [3]], "max_tokens": 13})", limits),
              HasSubstr("are 42 tokens"));
}

}  // namespace
}  // namespace emend
