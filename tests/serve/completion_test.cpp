#include "serve/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "analysis/prompt_rows.h"
#include "emend/error.h"
#include "serve/api_error.h"
#include "serve/completion_json.h"
#include "serve/served_models.h"
#include "served_world.h"

namespace emend {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::Pointwise;
using testing::SizeIs;

class Completions : public testing::Test {
 protected:
  Model model_ = test::load_world("llama");

  CompletionRequest request(std::size_t prompts, std::int64_t max_tokens) const {
    CompletionRequest asked;
    for (const TraceFact& fact : test::world_facts(prompts)) {
      const TokenIds ids = prompt_ids(model_.tokenizer(), fact.prompt, {{}, PromptForm::kRaw});
      asked.prompts.push_back({ids, 0, fact.prompt});
    }
    asked.max_tokens = max_tokens;
    asked.temperature = 0;
    return asked;
  }
};

std::vector<double> logprobs_of(const Completion& completion) {
  std::vector<double> values;
  for (const auto* tokens : {&completion.before, &completion.drawn})
    for (const ReadToken& token : *tokens)
      if (token.logprob) values.push_back(*token.logprob);
  return values;
}

TokenIds ids_of(const std::vector<ReadToken>& tokens) {
  TokenIds ids;
  for (const ReadToken& token : tokens) ids.push_back(token.id);
  return ids;
}

// What score_continuations makes of the prompt behind its first token.
TEST_F(Completions, EchoTellsEachTokenOfThePromptAndOneMore) {
  CompletionRequest asked = request(4, 1);
  asked.echo = true;
  asked.logprobs = 2;
  const std::vector<Completion> completions = complete(model_, asked, {}, 4096);
  ASSERT_THAT(completions, SizeIs(4));
  for (std::size_t p = 0; p < 4; ++p) {
    const TokenIds& ids = asked.prompts[p].ids;
    EXPECT_EQ(ids_of(completions[p].before), ids);
    EXPECT_FALSE(completions[p].before[0].logprob);
    ASSERT_THAT(completions[p].drawn, SizeIs(1));
    double sum = 0;
    for (std::size_t i = 1; i < ids.size(); ++i) sum += *completions[p].before[i].logprob;
    const ContinuationScore score =
        score_continuations(model_, {{ids[0]}}, {{0, {ids.begin() + 1, ids.end()}}}).front();
    EXPECT_THAT(sum, DoubleNear(-score.nll * static_cast<double>(ids.size() - 1), 1e-4));
    const TokenLogprob likeliest = next_tokens(model_, {ids}, 1)[0][0];
    EXPECT_EQ(completions[p].drawn[0].id, likeliest.id);
    EXPECT_THAT(*completions[p].drawn[0].logprob, DoubleNear(likeliest.logprob, 1e-5));
    // Greedy is told by equal numbers.
    EXPECT_EQ(completions[p].drawn[0].top[0].logprob, *completions[p].drawn[0].logprob);
  }
}

TEST_F(Completions, DoNotDependOnTheTokenBudget) {
  CompletionRequest asked = request(3, 4);
  asked.echo = true;
  asked.logprobs = 1;
  const std::vector<Completion> whole = complete(model_, asked, {}, 4096);
  for (const std::int64_t budget : {3, 17}) {
    const std::vector<Completion> sliced = complete(model_, asked, {}, budget);
    for (std::size_t p = 0; p < whole.size(); ++p) {
      EXPECT_EQ(ids_of(sliced[p].drawn), ids_of(whole[p].drawn));
      EXPECT_THAT(logprobs_of(sliced[p]), Pointwise(DoubleNear(1e-4), logprobs_of(whole[p])));
    }
  }
}

// One long prompt beside many short ones: every row of a cache has the room of the longest.
TEST(CacheGroups, AreBoundedByRowsTimesTheLongest) {
  std::vector<std::int64_t> lengths(200, 2);
  lengths[3] = 1000;
  lengths[150] = 300;
  lengths[151] = 301;
  for (const std::int64_t budget : {1, 700, 4096}) {
    std::size_t next = 0;
    for (const RowRange group : cache_groups(lengths, budget)) {
      EXPECT_EQ(group.begin, next);
      ASSERT_LT(group.begin, group.end);
      const auto longest = *std::max_element(lengths.begin() + static_cast<std::ptrdiff_t>(group.begin),
                                             lengths.begin() + static_cast<std::ptrdiff_t>(group.end));
      const auto rows = static_cast<std::int64_t>(group.end - group.begin);
      EXPECT_TRUE(rows == 1 || rows * longest <= budget) << rows << " rows of " << longest;
      next = group.end;
    }
    EXPECT_EQ(next, lengths.size());
  }
  EXPECT_THAT(cache_groups({5, 5, 5}, 15), SizeIs(1));
  EXPECT_THAT(cache_groups({}, 15), SizeIs(0));
}

TEST_F(Completions, GiveTheGreedyText) {
  const CompletionRequest asked = request(3, 8);
  const std::vector<Completion> completions = complete(model_, asked, {}, 4096);
  GenerateOptions how;
  how.max_new = 8;
  for (std::size_t p = 0; p < 3; ++p) {
    EXPECT_EQ(ids_of(completions[p].drawn), generate(model_, {asked.prompts[p].ids}, how)[0]);
    EXPECT_FALSE(completions[p].ended);
    EXPECT_EQ(completions[p].text,
              model_.tokenizer().decode(ids_of(completions[p].drawn), true, Position::kContinuation));
  }
}

// A patch as an overlay says what the written weights say, and leaves the model alone.
TEST_F(Completions, OfAPatchAreThoseOfTheEditedWeights) {
  const std::vector<NamedPatch> patches = {test::random_patch(model_, "a.safetensors", 1, 1),
                                           test::random_patch(model_, "x/b.safetensors", 2, 2)};
  const ServedModels models(model_, patches);
  EXPECT_THAT(models.names(), ElementsAre("llama", "a", "b"));
  CompletionRequest asked = request(4, 3);
  asked.echo = true;
  asked.logprobs = 1;
  const std::string digest = model_.weights_digest();
  const std::vector<Completion> base = complete(model_, asked, models.overlays("llama"), 4096);
  const std::vector<Completion> one = complete(model_, asked, models.overlays("b"), 4096);
  const std::vector<Completion> both = complete(model_, asked, models.overlays("a+b"), 4096);
  EXPECT_EQ(model_.weights_digest(), digest);
  const auto expect_written = [&](const std::vector<WeightChange>& changes,
                                  const std::vector<Completion>& found) {
    const ScopedEdit scope(model_, changes);
    const std::vector<Completion> written = complete(model_, asked, {}, 4096);
    for (std::size_t p = 0; p < found.size(); ++p) {
      EXPECT_THAT(logprobs_of(found[p]), Pointwise(DoubleNear(2e-4), logprobs_of(written[p])));
      EXPECT_THAT(logprobs_of(found[p]), testing::Not(Pointwise(DoubleNear(1e-2), logprobs_of(base[p]))));
    }
  };
  expect_written(changes_of({patches[1]}), one);
  expect_written(changes_of(patches), both);
}

TEST_F(Completions, OfPatchesThatDoNotStackAreRefused) {
  const std::vector<NamedPatch> patches = {test::random_patch(model_, "a.safetensors", 1, 1),
                                           test::random_patch(model_, "b/a.safetensors", 2, 2),
                                           test::random_patch(model_, "c.safetensors", 1, 1)};
  const ServedModels models(model_, patches);
  EXPECT_THAT(models.names(), ElementsAre("llama", "a", "b/a", "c"));  // two files of one name
  EXPECT_THAT(models.overlays("a+b/a"), SizeIs(2));
  const auto refusal = [&](const std::string& name) {
    try {
      models.overlays(name);
    } catch (const ApiError& error) {
      return std::to_string(error.status()) + " " + error.what();
    }
    return std::string();
  };
  EXPECT_EQ(refusal("a+c"),
            "400 the patches a and c do not stack: the edits \"edit-a.safetensors\" and "
            "\"edit-c.safetensors\" write the same key at layer 1");
  EXPECT_EQ(refusal("c+b/a+c"), "400 the patches c and c do not stack: they are the same patch");
  EXPECT_EQ(refusal("d"), "404 the model \"d\" is not served here; known: llama, a, b/a, c");
  EXPECT_EQ(refusal("a+e"), "404 the model \"e\" is not served here; known: llama, a, b/a, c");
  EXPECT_THAT(models.overlays("llama+c"), SizeIs(1));
}

// Each name must lead to one model, and + to a stack.
TEST(ServedNames, MustBeTellable) {
  EXPECT_THAT(served_names("m/smol.gguf", {"x/smol.safetensors", "b"}), ElementsAre("smol", "x/smol", "b"));
  const auto refusal = [](const std::string& model, const std::vector<std::string>& patches) {
    try {
      served_names(model, patches);
    } catch (const Error& error) {
      return error.kind() == ErrorKind::kUsage ? std::string(error.what()) : "another kind";
    }
    return std::string("accepted");
  };
  EXPECT_EQ(
      refusal("m/smol.gguf", {"smol.safetensors"}),
      "\"m/smol.gguf\" and \"smol.safetensors\" would both be served as \"smol\": give one of the files "
      "another name");
  EXPECT_THAT(refusal("m", {"a", "b", "x/a+b.safetensors"}),
              testing::HasSubstr("\"x/a+b.safetensors\" would be served as \"a+b\""));
  EXPECT_THAT(refusal("m", {"x+y/a", "a"}), testing::HasSubstr("without +"));
  EXPECT_THAT(refusal("m+n.gguf", {}), testing::HasSubstr("without +"));
}

TEST_F(Completions, AreDrawnTheSameAloneAndAmongOthers) {
  CompletionRequest asked = request(3, 5);
  asked.temperature = 1.5;
  asked.n = 2;
  asked.seed = 7;
  const std::vector<Completion> all = complete(model_, asked, {}, 4096);
  ASSERT_THAT(all, SizeIs(6));
  EXPECT_EQ(all[3].prompt, 1u);
  EXPECT_NE(ids_of(all[0].drawn), ids_of(all[1].drawn));
  const std::vector<Completion> small = complete(model_, asked, {}, 1);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(ids_of(small[i].drawn), ids_of(all[i].drawn));
  asked.prompts.resize(1);
  const std::vector<Completion> first = complete(model_, asked, {}, 4096);
  EXPECT_EQ(ids_of(first[1].drawn), ids_of(all[1].drawn));
}

TEST_F(Completions, EndAtAStop) {
  CompletionRequest asked = request(2, 8);
  const std::vector<Completion> whole = complete(model_, asked, {}, 4096);
  const std::string stop = whole[0].text.substr(3, 4);
  asked.stop = {"never said", stop};
  const std::vector<Completion> cut = complete(model_, asked, {}, 4096);
  EXPECT_TRUE(cut[0].ended);
  EXPECT_EQ(cut[0].text, whole[0].text.substr(0, whole[0].text.find(stop)));
  EXPECT_LT(cut[0].drawn.size(), whole[0].drawn.size());
}

// Every text of "tokens" begins where "text_offset" says, and the lists are of one length.
TEST_F(Completions, AreWrittenWithTokensAtTheirPlaces) {
  CompletionRequest asked = request(2, 4);
  asked.prompts[1].text = "\u00e9t\u00e9 \u4e2d";  // characters of several tokens
  asked.prompts[1].ids = prompt_ids(model_.tokenizer(), asked.prompts[1].text, {{}, PromptForm::kRaw});
  asked.echo = true;
  asked.logprobs = 1;
  const ResultJson json =
      completion_json(asked, complete(model_, asked, {}, 4096), model_.tokenizer(), {"cmpl-1", "llama", 0});
  for (std::size_t p = 0; p < 2; ++p) {
    const ResultJson& choice = json["choices"][p];
    const ResultJson& lists = choice["logprobs"];
    const std::size_t count = asked.prompts[p].ids.size() + 4;
    for (const char* name : {"tokens", "token_logprobs", "top_logprobs", "text_offset"})
      EXPECT_THAT(lists[name], SizeIs(count)) << name;
    EXPECT_TRUE(lists["token_logprobs"][0].is_null() && lists["top_logprobs"][0].is_null());
    EXPECT_EQ(lists["text_offset"][0], 0);
    for (std::size_t i = 1; i < count; ++i)
      EXPECT_EQ(lists["top_logprobs"][i][lists["tokens"][i].get<std::string>()], lists["token_logprobs"][i]);
    EXPECT_EQ(choice["finish_reason"], "length");
  }
  const ResultJson& first = json["choices"][0];
  std::string text;
  for (std::size_t i = 0; i < first["logprobs"]["tokens"].size(); ++i) {
    EXPECT_EQ(first["logprobs"]["text_offset"][i], text.size());
    text += first["logprobs"]["tokens"][i].get<std::string>();
  }
  EXPECT_EQ(first["text"], text);
  // A token that is a part of a character counts where its character begins.
  const std::size_t second = asked.prompts[1].ids.size();
  EXPECT_EQ(json["choices"][1]["logprobs"]["text_offset"][second], 5);
  EXPECT_EQ(json["usage"]["completion_tokens"], 8);
}

// As "A" and a byte token for it do, two entries have the same text.
TEST_F(Completions, ListTheLikelierOfTwoTokensWithOneText) {
  CompletionRequest asked = request(1, 1);
  asked.logprobs = 3;
  Completion completion;
  completion.drawn = {{40, -5.0, {{34, -1.0}, {34, -3.0}, {35, -4.0}}}};
  const ResultJson json = completion_json(asked, {completion}, model_.tokenizer(), {"cmpl-1", "llama", 0});
  const ResultJson& top = json["choices"][0]["logprobs"]["top_logprobs"][0];
  EXPECT_EQ(top[model_.tokenizer().token_bytes(34)], -1.0);
  EXPECT_THAT(top, SizeIs(3));
}

}  // namespace
}  // namespace emend
